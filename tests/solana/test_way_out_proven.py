"""What was proven of a way out of a cluster's market holds until its fingerprint changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.solana.programs import TRAP, becomes, into, put, written
from tests.kit.solana.programs import sandbox as sandbox
from tests.kit.solana.world import world
from yieldbot.app import cycle
from yieldbot.chains.solana.exits import fingerprints, print_of
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.fork import Fork
from yieldbot.chains.solana.session import open_session
from yieldbot.journal.exit_entries import ExitProven
from yieldbot.journal.fold import fold_exits
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.model.market import Exit, ExitKind, MarketState
from yieldbot.model.plan import Declined, Leg, LegKind, NoWayOut, Plan
from yieldbot.protocols.solana.layout import TERMS, key_bytes
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.node import SvmSandbox


async def test_what_was_proven_is_not_rehearsed_again_until_it_changes(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    wait = Fork.wait

    def counted(self: Fork, seconds: int) -> None:
        waited.append(seconds)
        wait(self, seconds)

    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        proofs = written(w, ExitProven)
        assert len(proofs) == len(report.outcomes) == 3
        async with open_session(w, job) as live:
            snapshot = await live.observe()
            assert report.decision is not None and isinstance(plan := report.decision.outcome, Plan)
            small = [leg_of(snapshot.of(proof.market_id), proof.up_to) for proof in proofs]
            monkeypatch.setattr(Fork, "wait", counted)

            async def rehearsed(*legs: Leg) -> int:
                waited.clear()
                assert not isinstance(await live.rehearse(replace(plan, legs=legs), snapshot), Declined)
                return len(waited)

            assert await rehearsed(*small) == 3, "as much more was never seen to come out"
            proven = fold_exits(w.journal.history(), snapshot.block.chain, snapshot.owner)
            for market_id, known in proven.items():
                (proof,) = known.proofs
                w.journal.append(replace(proof, up_to=Amount(proof.up_to.token, 2 * proof.up_to.raw + 10**6)))
                assert known.proven(proof.fingerprint, snapshot.block.timestamp, proof.up_to.raw), market_id
            assert await rehearsed(*small) == 0
            save = next(s for s in snapshot.markets if s.market.id in into(proofs) and s.market.protocol == "save")
            becomes(sandbox, "TRAP_LESS", "save", save.market.params["program"])
            assert isinstance(await live.rehearse(replace(plan, legs=tuple(small)), snapshot), NoWayOut)


def leg_of(state: MarketState, amount: Amount) -> Leg:
    """A deposit of a little more."""
    return Leg(LegKind.DEPOSIT, state.market.id, Amount(amount.token, amount.raw // 400))


async def test_a_fingerprint_is_of_the_program_its_authority_and_the_markets_terms(sandbox: SvmSandbox) -> None:
    """Upgradeable programs: by the slot of their last deployment and who may upgrade them, code unread."""
    loader, code = UPGRADEABLE_LOADER, named("the code of an upgradeable program")
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with connect(job.chain) as nodes, open_session(w, job) as live:
            state = next(s for s in (await live.observe()).markets if s.market.name == TRAP)

            async def now() -> str:
                return (await fingerprints(nodes.first, [state]))[state.market.id]

            def deployed(slot: int, authority: str, tail: bytes) -> None:
                head = b"\x03\0\0\0" + slot.to_bytes(8, "little") + b"\x01" + key_bytes(Address(authority))
                put(sandbox, code, AccountImage(10**9, loader, head + tail))

            assert await now() == await now()
            of_v2 = await now()
            program = state.market.params["program"]
            put(sandbox, program, AccountImage(10**9, loader, b"\x02\0\0\0" + key_bytes(code), executable=True))
            assert await fingerprints(nodes.first, [state]) == {}, "no code: it cannot be told, and nothing is kept"
            found = {of_v2}
            for slot, authority in ((5, "me"), (6, "me"), (6, "you")):
                deployed(slot, named(authority), b"code")
                found.add(await now())
            assert len(found) == 4
            deployed(6, named("you"), b"other code, which another slot would come with")
            assert await now() in found
            put(sandbox, code, AccountImage(10**9, loader, b"\x03\0\0\0"))
            assert await fingerprints(nodes.first, [state]) == {}
            here = print_of(state, b"code")
            later = replace(state, block=replace(state.block, height=state.block.height + 9), held=state.liquidity)
            assert print_of(later, b"code") == here
            for name, value in state.market.params[TERMS].items():
                other = "another" if isinstance(value, str) else value + 1
                terms = {**state.market.params, TERMS: {**state.market.params[TERMS], name: other}}
                assert print_of(replace(state, market=replace(state.market, params=terms)), b"code") != here, name
            assert print_of(replace(state, exit=Exit(kind=ExitKind.COOLDOWN, seconds=60)), b"code") != here


async def test_every_market_of_a_cluster_names_terms_that_do_not_change_by_themselves(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with open_session(w, job) as live:
            first = await live.observe()
            sandbox.warp(1)
            second = await live.observe()
            for state in first.markets:
                assert state.market.params[TERMS], state.market.name
                assert print_of(state, b"code") == print_of(second.of(state.market.id), b"code"), state.market.name
