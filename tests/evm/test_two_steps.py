"""Positions in vaults that are left in two steps (a cooldown, a request): asked for, waited for, collected, counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.contracts import mined
from tests.kit.evm.two_steps import DAY, HELD_RAW, USDC, held_in, word
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.app.formatting import leaving
from yieldbot.books.entries import EntryKind, from_journal
from yieldbot.books.ledger import RowKind, post
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.config.load import load
from yieldbot.errors import TransientError
from yieldbot.execution.approvals import Auto
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitProven
from yieldbot.journal.fold import fold_leaving, fold_requests
from yieldbot.journal.store import Journal
from yieldbot.model.plan import LegKind
from yieldbot.model.settings import Settings
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox


def by_quotes(sandbox: Sandbox) -> Settings:
    """The sandbox's settings, deciding on what is quoted: within these days rates jump, and no mean of three days
    follows."""
    found = load(sandbox.directory / "yieldbot.toml")
    return replace(found, policy=replace(found.policy, forecaster="quote"))


def steps_of(report: cycle.Report) -> list[LegKind]:
    assert report.declined is None and report.skipped is None, (report.declined, report.skipped)
    assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
    return [leg.kind for leg, _ in report.outcomes]


def told_by(sandbox: Sandbox, *args: str) -> str:
    return yieldbot(*args, cwd=sandbox.directory, environment={"COLUMNS": "400"}).out


def told(journal: Journal) -> list[ExitAsked | ExitEnded]:
    return [r.entry for r in journal.history() if isinstance(r.entry, ExitAsked | ExitEnded)]


async def test_a_cooldown_is_started_waited_for_and_collected(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    market_id, *_ = await held_in(sandbox, "CooldownVault", DAY)
    with world(sandbox) as w:
        job = w.settings.jobs[0]
        wealth = (await cycle.observe_job(w, job)).wealth(job.asset).raw
        assert LegKind.DEPOSIT in steps_of(await cycle.run_job(w, job))  # what lies idle first

        seen: list[int] = []
        real = cycle.exits.steps

        def dies_at_the_end(*args: Any) -> Any:
            seen.append(1)
            if len(seen) == 3:  # the leg is mined and settled, and nothing is written of what it began
                raise TransientError("killed")
            return real(*args)

        monkeypatch.setattr(cycle.exits, "steps", dies_at_the_end)
        killed = await cycle.run_job(w, job)
        assert killed.skipped == "killed" and told(w.journal) == []
        monkeypatch.setattr(cycle.exits, "steps", real)

        waits = await cycle.run_job(w, job)
        assert steps_of(waits) == [] and waits.snapshot is not None  # and asks for nothing a second time
        state = waits.snapshot.of(market_id)
        assert state.leaving is not None and state.held == state.leaving.requested and state.leaving.until is not None
        assert 0 < state.leaving.until - state.block.timestamp <= DAY
        assert abs(state.held.raw - HELD_RAW) <= 2
        now = waits.snapshot.wealth(job.asset).raw
        assert wealth <= now <= wealth * 1.001
        (asked,) = told(w.journal)
        assert isinstance(asked, ExitAsked) and (asked.market_id, asked.until) == (market_id, state.leaving.until)
        shown = told_by(sandbox, "positions")
        line = leaving(asked.asked, asked.ready, asked.back, asked.until)
        assert " ".join(line.split()) in " ".join(shown.split()) and "in exit until 20" in line
        (row,) = (
            p
            for p in json.loads(told_by(sandbox, "positions", "--json"))["jobs"][0]["positions"]
            if p["id"] == market_id
        )
        assert row["leaving"]["asked"]["raw"] == str(state.held.raw) and row["leaving"]["until"] == asked.until

        sandbox.rpc("evm_increaseTime", hex(DAY))
        sandbox.rpc("evm_mine")
        last = await cycle.run_job(w, job)
        assert steps_of(last) == [LegKind.COLLECT] and last.after is not None
        assert last.after.of(market_id).held.raw == 0 and last.after.of(market_id).leaving is None
        assert last.after.idle[0].held.raw >= state.held.raw
        assert [type(event) for event in told(w.journal)][-1] is ExitEnded
        assert fold_leaving(w.journal.history(), job.chain.chain, job.wallet.address) == {}
        assert LegKind.DEPOSIT in steps_of(await cycle.run_job(w, job))  # and it earns elsewhere
        assert w.journal.verify() > 0
        told_of = [e for e in from_journal(w.journal.history()) if e.market_id == market_id and e.hash]
        assert [(e.kind, [d.token.symbol for d in e.changes]) for e in told_of] == [
            (EntryKind.WITHDRAW, ["cooldown"]),
            (EntryKind.WITHDRAW, ["USDC"]),
        ]
        rows = [row for row in post(told_of, lambda entry, token: None).rows if row.what is not RowKind.FEE]
        assert [row.what for row in rows] == [RowKind.SHARES, RowKind.INTEREST]  # how it came there nobody told


async def test_a_request_is_asked_for_called_back_and_collected(sandbox: Sandbox) -> None:
    market_id, vault, admin = await held_in(sandbox, "AsyncVault", False)
    with world(sandbox, settings=by_quotes(sandbox)) as w:
        job = w.settings.jobs[0]
        assert LegKind.DEPOSIT in steps_of(await cycle.run_job(w, job))
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.REQUEST]
        waits = await cycle.run_job(w, job)
        assert steps_of(waits) == [] and waits.snapshot is not None
        state = waits.snapshot.of(market_id)
        assert state.leaving is not None and state.leaving.until is None and state.leaving.cancels
        assert (state.held.raw, state.shares) == (HELD_RAW, 0)
        assert "in exit until somebody serves the request" in " ".join(told_by(sandbox, "positions").split())
        assert "in exit until" in " ".join(told_by(sandbox, "history").split())
        for _ in range(2):  # it earns in both halves of the window, so that the money is better off where it was
            gift = "0x" + selector("transfer(address,uint256)").hex() + word(vault) + word(20_000 * USDC)
            mined(sandbox, {"from": admin, "to": job.asset.address, "data": gift})
            sandbox.rpc("anvil_mine", hex(15), hex(3600))
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.CANCEL]
        called = await cycle.observe_job(w, job)
        assert (gone := called.of(market_id).leaving) is not None and gone.back.raw > HELD_RAW and not gone.cancels
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.CANCEL]
        inside = (await cycle.observe_job(w, job)).of(market_id)
        assert inside.leaving is None and inside.held.raw > HELD_RAW and inside.shares
        assert [type(event) for event in told(w.journal)] == [ExitAsked, ExitAsked, ExitEnded]
        assert steps_of(await cycle.run_job(w, job)) == []
        sandbox.rpc("anvil_mine", hex(48), hex(3600))  # and earns nothing again
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.REQUEST]
        serve = "0x" + selector("serveRedeem(address)").hex() + word(sandbox.wallet)
        mined(sandbox, {"from": admin, "to": vault, "data": serve})
        last = await cycle.run_job(w, job)
        assert steps_of(last) == [LegKind.COLLECT] and last.after is not None
        assert last.after.of(market_id).held.raw == 0
        assert isinstance(told(w.journal)[-1], ExitEnded)


async def test_a_request_with_a_number_of_its_own_is_asked_for_by_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault that numbers its requests tells nothing of number 0: the number that the transaction's event told is in
    the journal, also where the program was killed before it could look again."""
    market_id, vault, admin = await held_in(sandbox, "NumberedVault")
    with world(sandbox, settings=by_quotes(sandbox)) as w:
        job = w.settings.jobs[0]
        assert LegKind.DEPOSIT in steps_of(await cycle.run_job(w, job))
        wealth = (await cycle.observe_job(w, job)).wealth(job.asset).raw
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.REQUEST]  # rehearsed: what is ours there stays whole
        assert fold_requests(w.journal.history(), job.chain.chain, job.wallet.address) == {market_id: (1,)}
        waits = await cycle.run_job(w, job)
        assert steps_of(waits) == [] and waits.snapshot is not None
        state = waits.snapshot.of(market_id)
        assert state.leaving is not None and (state.leaving.request_id, state.leaving.cancels) == (1, True)
        assert (state.held.raw, state.shares) == (HELD_RAW, 0) and waits.snapshot.wealth(job.asset).raw >= wealth
        assert "in exit until somebody serves the request" in " ".join(told_by(sandbox, "positions").split())
        for _ in range(2):  # it earns again: called back by its number, and taken in
            gift = "0x" + selector("transfer(address,uint256)").hex() + word(vault) + word(20_000 * USDC)
            sandbox.rpc("eth_sendTransaction", {"from": admin, "to": job.asset.address, "data": gift})
            sandbox.rpc("anvil_mine", hex(15), hex(3600))
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.CANCEL]
        assert steps_of(await cycle.run_job(w, job)) == [LegKind.CANCEL]
        assert (await cycle.observe_job(w, job)).of(market_id).leaving is None
        assert steps_of(await cycle.run_job(w, job)) == []
        assert fold_requests(w.journal.history(), job.chain.chain, job.wallet.address) == {}
        sandbox.rpc("anvil_mine", hex(48), hex(3600))  # and nothing again

        def dies(*args: Any) -> Any:
            raise TransientError("killed")

        with monkeypatch.context() as killing:
            real, seen = cycle.exits.steps, list[int]()

            def at_the_end(*args: Any) -> Any:
                seen.append(1)
                return dies() if len(seen) == 3 else real(*args)

            killing.setattr(cycle.exits, "steps", at_the_end)
            assert (await cycle.run_job(w, job)).skipped == "killed"
        assert fold_requests(w.journal.history(), job.chain.chain, job.wallet.address) == {market_id: (2,)}
        assert steps_of(await cycle.run_job(w, job)) == []  # and asks for nothing a second time
        serve = "0x" + selector("serveRedeem(uint256,address)").hex() + word(2) + word(sandbox.wallet)
        sandbox.rpc("eth_sendTransaction", {"from": admin, "to": vault, "data": serve})
        last = await cycle.run_job(w, job)
        assert steps_of(last) == [LegKind.COLLECT] and last.after is not None
        assert last.after.of(market_id).held.raw == 0 and isinstance(told(w.journal)[-1], ExitEnded)


async def test_new_money_that_a_person_lets_in_is_rehearsed_with_both_steps(sandbox: Sandbox) -> None:
    """With max_exit_hours the cooldown is waited for on the fork; a trial of a part cannot be made in one plan."""
    market_id, vault, admin = await held_in(sandbox, "CooldownVault", DAY)
    settings = load(sandbox.directory / "yieldbot.toml")
    gift = "0x" + selector("transfer(address,uint256)").hex() + word(vault) + word(20_000 * USDC)
    for _ in range(2):
        mined(sandbox, {"from": admin, "to": settings.jobs[0].asset.address, "data": gift})
        sandbox.rpc("anvil_mine", hex(15), hex(3600))
    calm = replace(settings.policy.alarms, off=("SPIKE",))  # the gift makes it quote hundreds of per cent
    policy = replace(settings.policy, max_exit_hours=24.0, max_share_markets={market_id: 0.5}, alarms=calm)
    with world(sandbox, Auto, replace(settings, policy=policy)) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        into = {leg.kind for leg, _ in report.outcomes if leg.market_id == market_id}
        assert report.declined is None and not report.failed and into == {LegKind.DEPOSIT}
        proven = [r.entry for r in w.journal.history() if isinstance(r.entry, ExitProven)]
        assert market_id in {proof.market_id for proof in proven}
