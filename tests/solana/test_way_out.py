"""The way out of a market of a cluster is rehearsed before the way in: programs that take and do not give."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import replace

import pytest

from tests.kit.program import yieldbot
from tests.kit.solana.programs import TRAP, becomes, put, written
from tests.kit.solana.programs import sandbox as sandbox
from tests.kit.solana.world import for_sol, wealth, world
from yieldbot.app import cycle
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.fork import Fork
from yieldbot.chains.solana.session import open_session
from yieldbot.decision.decide import decide
from yieldbot.journal.exit_entries import ExitProven, ExitRefused
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind, NoWayOut, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, SYSVAR_CLOCK, Clock
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.node import SvmSandbox


@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("TRAP_STUCK", "go in, and nothing comes out: withdraw everything from Save turbo (double)"),
        ("TRAP_LESS", "come out where"),
    ],
)
async def test_a_program_that_keeps_what_it_takes_gets_nothing_and_the_rest_goes_on(
    sandbox: SvmSandbox, trap: str, said: str
) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        seen = await cycle.observe_job(w, job)
        lines: list[str] = []
        w = replace(w, say=lines.append)
        becomes(sandbox, trap)
        report = await cycle.run_job(w, job)
        refused = [line for line in lines if line.startswith("nothing goes into save/")]
        assert len(refused) == 1 and said in refused[0], lines
        assert report.declined is None and report.outcomes, "the rest of the plan goes on"
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert report.after is not None
        held = {state.market.name: state.held.raw for state in report.after.states.values()}
        assert held[TRAP] == 0 and sum(raw > 0 for raw in held.values()) >= 2, held
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6
        trapped = next(state.market.id for state in seen.states.values() if state.market.name == TRAP)

        # What was seen of the ways out is in the journal: a refusal lasts, a proof is of what went in.
        (refusal,) = written(w, ExitRefused)
        assert (refusal.market_id, said in refusal.reason) == (trapped, True) and not refusal.reason.startswith("leg")
        into = {leg.market_id: leg.amount.raw for leg, _ in report.outcomes}
        assert {proof.market_id: proof.up_to.raw for proof in written(w, ExitProven)} == into
        lines.clear()
        again = await cycle.run_job(w, job)
        assert not any("nothing goes into" in line for line in lines), lines
        vetoes = {one.market_id: one.vetoes for one in again.decision.assessments}  # type: ignore[union-attr]
        assert any("no way out" in veto for veto in vetoes[trapped]), vetoes
        assert len(written(w, ExitRefused)) == 1, "it is not asked again"
        check = yieldbot("--config", sandbox.config, "check", cwd=sandbox.directory, environment={"COLUMNS": "300"})
        assert "nothing goes in until it changes" in check.out

        if trap == "TRAP_LESS":
            return  # the rest is the same
        becomes(sandbox, "")  # another program than the one that was refused
        async with open_session(w, job) as live:
            changed = await live.with_exits(await live.observe(), w.journal.history(), w.settings.policy)
        assert changed.of(trapped).no_way_out == "" and not any(s.untried for s in changed.markets)
        third = await cycle.run_job(w, job)
        vetoes = {one.market_id: one.vetoes for one in third.decision.assessments}  # type: ignore[union-attr]
        assert vetoes[trapped] == () and len(written(w, ExitRefused)) == 1


KEEPS_PART = "come out where"


def parts(refused: NoWayOut) -> str:
    """What went in, came out and should have."""
    return refused.reason.partition("): ")[2].partition(" less ")[0]


@pytest.mark.parametrize(
    ("asset", "traps"),
    [
        (
            "USDC",
            (
                ("save", "TRAP_STUCK", "withdraw everything from Save"),
                ("save", "TRAP_LESS", KEEPS_PART),
                ("kamino_lend", "TRAP_STUCK", "withdraw everything from Kamino main (double)"),
                ("kamino_lend", "TRAP_LESS", KEEPS_PART),
                ("marginfi", "TRAP_STUCK", "withdraw everything from marginfi (double)"),
                ("marginfi", "TRAP_LESS", KEEPS_PART),
                ("marginfi", "TRAP_LATER", "withdraw everything from marginfi (double)"),
            ),
        ),
        (
            "SOL",
            (
                ("spl_stake_pool", "TRAP_STUCK", "withdraw everything from Stake pool (double)"),
                ("spl_stake_pool", "TRAP_LESS", KEEPS_PART),
                ("spl_stake_pool", "BEFORE_1", "stake pools before 1.0 lack those that name a least amount"),
                ("save", "TRAP_STUCK", "withdraw everything from Save"),
                ("save", "TRAP_LESS", KEEPS_PART),
            ),
        ),
    ],
)
async def test_every_kind_of_market_is_refused_where_its_program_keeps_what_it_takes(
    sandbox: SvmSandbox, asset: str, traps: tuple[tuple[str, str, str], ...]
) -> None:
    """Each program in turn, everything else as it is: alone it is rehearsed to its end, as a trap it is refused."""
    if asset == "SOL":
        sandbox.config.write_text(for_sol(sandbox))
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with open_session(w, job) as live:
            snapshot = await live.observe()
            plan = decide(snapshot, w.settings.policy, job, w.now()).outcome
            assert isinstance(plan, Plan)
            put = plan.legs[0].amount
            for name, trap, said in traps:
                state = next(s for s in snapshot.markets if s.market.protocol == name)
                leg = Leg(LegKind.DEPOSIT, state.market.id, Amount(put.token, put.raw // 2))
                one, at = replace(plan, legs=(leg,)), state.market.params["program"]
                assert not isinstance(await live.rehearse(one, snapshot), Declined), name
                becomes(sandbox, trap, name, at)
                refused = await live.rehearse(one, snapshot)
                assert isinstance(refused, NoWayOut) and refused.code == "NO_WAY_OUT", (name, trap, refused)
                assert refused.market_id == leg.market_id and said in refused.reason, refused
                if said == KEEPS_PART:
                    put_in, back, due = (float(n.replace(",", "")) for n in re.findall(r"[\d,.]*\d", parts(refused)))
                    assert back == pytest.approx(put_in * 0.75, rel=1e-3) and due == pytest.approx(put_in, rel=1e-3)
                becomes(sandbox, "", name, at)


async def test_the_way_out_takes_an_hour_and_leaves_the_fork_as_it_was(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rehearsal of every leg is what it would be without one; only the trap itself is refused, by name."""
    waited: list[tuple[int, int]] = []
    wait, put_back = Fork.wait, Fork.put_back

    def clock(fork: Fork) -> Clock:
        image = fork.images([SYSVAR_CLOCK])[SYSVAR_CLOCK]
        assert image is not None
        return Clock.of(image.data)

    def longer(self: Fork, seconds: int) -> None:
        before = clock(self)
        wait(self, seconds)
        after = clock(self)
        assert after.epoch == before.epoch
        waited.append((after.timestamp - before.timestamp, after.slot - before.slot))

    def exactly(self: Fork) -> None:
        assert self._kept is not None and self._kept.images, "something was changed"
        kept, at = dict(self._kept.images), self._kept.clock
        assert any(self.images([address])[address] != image for address, image in kept.items())
        put_back(self)
        assert self.images(kept) == kept
        assert clock(self).slot == at.slot and clock(self).timestamp == at.unix_timestamp

    monkeypatch.setattr(Fork, "wait", longer)
    monkeypatch.setattr(Fork, "put_back", exactly)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with open_session(w, job) as live:
            snapshot = await live.observe()
            plan = decide(snapshot, w.settings.policy, job, w.now()).outcome
            assert isinstance(plan, Plan)
            found = await live.rehearse(plan, snapshot)
            assert not isinstance(found, NoWayOut) and len(found.legs) == len(plan.legs) == len(waited)
            assert all(leg.kind is LegKind.DEPOSIT for leg in plan.legs)
            assert set(waited) == {(3600, 9000)}
            becomes(sandbox, "TRAP_STUCK")
            trap = await live.rehearse(plan, await live.observe())
            assert isinstance(trap, NoWayOut) and trap.code == "NO_WAY_OUT"
            assert snapshot.of(trap.market_id).market.name == TRAP


async def test_a_fork_that_is_put_back_forgets_new_accounts_and_keeps_what_was_cloned(sandbox: SvmSandbox) -> None:
    from yieldbot.chains.solana.execution.build import NO_BLOCKHASH, compiled
    from yieldbot.model.tx import SvmInstruction, SvmMeta

    system, stranger = Address("11111111111111111111111111111111"), named("nobody yet")
    give = SvmInstruction(
        system,
        (SvmMeta(sandbox.wallet, signer=True, writable=True), SvmMeta(stranger, writable=True)),
        b"\x02\0\0\0" + (10**9).to_bytes(8, "little"),
        "",
    )
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with connect(job.chain) as nodes:
            fork = Fork(nodes.first)
            await fork.clone((sandbox.wallet,))
            before = fork.images((sandbox.wallet, stranger))
            fork.keep()
            for _ in range(2):
                ran = await fork.send(compiled((give,), sandbox.wallet, NO_BLOCKHASH))
                assert ran.error is None
            given = fork.images((stranger,))[stranger]
            assert given is not None and given.lamports == 2 * 10**9
            fork.put_back()
            assert fork.images((sandbox.wallet, stranger)) == before
            with pytest.raises(RuntimeError, match="nothing was kept"):
                fork.put_back()


async def test_what_a_limit_of_outflow_keeps_is_said_of_this_cycle_alone(sandbox: SvmSandbox) -> None:
    """An hour later 1,000 may leave: nothing goes in now, and nothing is remembered against the market."""
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        lines: list[str] = []
        w = replace(w, say=lines.append)
        trapped = next(s for s in (await cycle.observe_job(w, job)).markets if s.market.name == TRAP).market
        told = sandbox.rpc("getAccountInfo", trapped.address, {"encoding": "base64"})["value"]
        data = bytearray(base64.b64decode(told["data"][0]))
        struct.pack_into("<QQ", data, 389, 1_000 * 10**6, 10**6)  # state/reserve.rs: its limiter's most and window
        put(sandbox, trapped.address, AccountImage(told["lamports"], told["owner"], bytes(data)))
        report = await cycle.run_job(w, job)
        (line,) = [line for line in lines if line.startswith("nothing goes into ")]
        assert "1,000 USDC come out" in line or "999.99" in line, line
        assert written(w, ExitRefused) == [] and report.declined is None and report.outcomes
        assert report.after is not None and report.after.of(trapped.id).held.raw == 0


async def test_a_way_out_that_needs_a_price_is_rehearsed_at_once_and_is_none_without_one(
    sandbox: SvmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """marginfi under its group's limiter: nobody writes prices on a fork, so that an hour later there is none."""
    waited: list[int] = []
    wait = Fork.wait

    def counted(self: Fork, seconds: int) -> None:
        waited.append(seconds)
        wait(self, seconds)

    monkeypatch.setattr(Fork, "wait", counted)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        async with open_session(w, job) as live:
            plan = decide(await live.observe(), w.settings.policy, job, w.now()).outcome
            assert isinstance(plan, Plan)
            market = next(s for s in (await live.observe()).markets if s.market.protocol == "marginfi").market
            told = sandbox.rpc("getAccountInfo", market.params["group"], {"encoding": "base64"})["value"]
            data = bytearray(base64.b64decode(told["data"][0]))
            struct.pack_into("<QQq", data, 376, 10**6, 3_600, 0)  # a million dollars an hour
            put(sandbox, market.params["group"], AccountImage(told["lamports"], told["owner"], bytes(data)))
            snapshot = await live.observe()
            assert "exit-needs-a-price" in snapshot.of(market.id).flags
            leg = Leg(LegKind.DEPOSIT, market.id, Amount(market.asset, 20_000 * 10**6))
            one = replace(plan, legs=(leg,))
            assert not isinstance(await live.rehearse(one, snapshot), Declined) and waited == [0]
            put(sandbox, market.params["oracle"], AccountImage(10**9, SYSTEM_PROGRAM, b""))
            refused = await live.rehearse(one, await live.observe())
            assert isinstance(refused, NoWayOut) and "the bank's oracle cannot be read" in refused.reason, refused
            assert not refused.lasting, "it may speak again"


async def test_a_market_that_does_not_pay_now_does_not_keep_the_rest_of_the_money(sandbox: SvmSandbox) -> None:
    """Of two markets that are to be left one pays nothing now: the other is left all the same."""
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        before = await cycle.run_job(w, job)
        assert before.after is not None
        held = [state for state in before.after.markets if state.held]
        save = next(s for s in held if s.market.protocol == "save")
        other = next(s for s in held if s.market.protocol != "save")
        becomes(sandbox, "TRAP_STUCK", "save", save.market.params["program"])
        cuts = {save.market.id: 5_000.0, other.market.id: 5_000.0}
        settings = replace(w.settings, policy=replace(w.settings.policy, haircut_bps=cuts))
        lines: list[str] = []
        report = await cycle.run_job(replace(w, settings=settings, say=lines.append), job)
        assert report.declined is None and report.after is not None and report.snapshot is not None, report.declined
        assert not report.after.of(other.market.id).held and report.after.of(save.market.id).held >= save.held
        stuck = report.snapshot.of(save.market.id)
        assert "withdraw everything from Save" in stuck.stuck and not stuck.withdrawable
        assert any(line.startswith(f"what is held in {save.market.id} cannot be taken out now") for line in lines)
