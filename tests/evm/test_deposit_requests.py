"""Deposits by request (EIP-7540): only where the policy names the market; counted while they wait, claimed, called
back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.evm.test_two_steps import steps_of, told_by
from tests.kit.contracts import mined
from tests.kit.evm.two_steps import DAY, MILLION, USDC, held_in, word
from tests.kit.evm.world import world
from yieldbot.allocator.assess import assess
from yieldbot.app import cycle
from yieldbot.books.entries import EntryKind, from_journal
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.config.load import load
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import LegKind
from yieldbot.model.settings import Settings
from yieldbot.sandbox.evm.node import Sandbox


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault (a double) whose deposits and exits are requests, with a million of others in it that earns 5 %."""

    sandbox: Sandbox
    """Its chain."""
    market_id: MarketId
    """Its market."""
    address: str
    """Its contract."""
    admin: str
    """Who serves its requests."""

    @classmethod
    async def of(cls, sandbox: Sandbox) -> Vault:
        vault = cls(sandbox, *await held_in(sandbox, "AsyncVault", True, entered=False))
        asset = load(sandbox.directory / "yieldbot.toml").jobs[0].asset.address
        vault.call("approve(address,uint256)", vault.address, MILLION, to=asset)
        vault.call("requestDeposit(uint256,address,address)", MILLION, vault.admin, vault.admin)
        vault.call("serveDeposit(address)", vault.admin)
        vault.call("deposit(uint256,address,address)", MILLION, vault.admin, vault.admin)
        sandbox.rpc("anvil_mine", hex(15), hex(3600))
        for _ in range(2):
            vault.call("transfer(address,uint256)", vault.address, 200 * USDC, to=asset)
            sandbox.rpc("anvil_mine", hex(15), hex(3600))
        return vault

    def call(self, signature: str, *words: int | str, to: str = "") -> None:
        data = "0x" + selector(signature).hex() + "".join(map(word, words))
        mined(self.sandbox, {"from": self.admin, "to": to or self.address, "data": data, "gas": hex(500_000)})

    def settings(self) -> Settings:
        found = load(self.sandbox.directory / "yieldbot.toml")
        return replace(found, policy=replace(found.policy, forecaster="quote", by_request=(self.market_id,)))


def after(report: cycle.Report, vault: Vault) -> MarketState:
    snapshot = report.after or report.snapshot
    assert snapshot is not None
    return snapshot.of(vault.market_id)


async def test_a_deposit_is_requested_where_it_is_named_counted_and_claimed(sandbox: Sandbox) -> None:
    vault = await Vault.of(sandbox)
    with world(sandbox, settings=vault.settings()) as w:
        job, policy = w.settings.jobs[0], w.settings.policy
        snapshot = await cycle.observe_job(w, job)
        unnamed, named = (
            next(one for one in assess(snapshot, which) if one.market_id == vault.market_id).vetoes
            for which in (replace(policy, by_request=()), policy)
        )
        assert named == () and any("policy.by_request" in why for why in unnamed)
        went = await cycle.run_job(w, job)
        assert LegKind.DEPOSIT in steps_of(went) and went.after is not None
        waits = after(went, vault)
        assert waits.leaving is not None and waits.leaving.entering == waits.held.raw == 50_000 * USDC
        assert not waits.shares and not waits.leaving.entered
        assert abs(went.after.wealth(job.asset).raw - snapshot.wealth(job.asset).raw) < USDC
        assert "50,000 USDC to be deposited once somebody serves the request" in told_by(sandbox, "positions")
        assert steps_of(await cycle.run_job(w, job)) == []  # nothing is asked for twice
        vault.call("serveDeposit(address)", sandbox.wallet)
        claimed = await cycle.run_job(w, job)
        assert steps_of(claimed) == [LegKind.CANCEL]
        inside = after(claimed, vault)
        assert inside.leaving is None and inside.shares and abs(inside.held.raw - waits.held.raw) <= 1
        entries = [e for e in from_journal(w.journal.history()) if e.market_id == vault.market_id and e.changes]
        assert [(e.kind, [d.token.symbol for d in e.changes]) for e in entries] == [
            (EntryKind.DEPOSIT, ["USDC"]),
            (EntryKind.WITHDRAW, ["async"]),
        ]
        assert "deposited by request, to be claimed" in told_by(sandbox, "history")


async def test_a_deposit_that_nobody_serves_raises_an_alarm_and_is_called_back(sandbox: Sandbox) -> None:
    vault = await Vault.of(sandbox)
    with world(sandbox, settings=vault.settings()) as w:
        job = w.settings.jobs[0]
        went = await cycle.run_job(w, job)
        assert LegKind.DEPOSIT in steps_of(went) and after(went, vault).leaving is not None
        sandbox.rpc("evm_increaseTime", hex(15 * DAY))
        sandbox.rpc("evm_mine")
        late = after(await cycle.run_job(w, job), vault)
        assert [one.code for one in late.alarms] == ["UNSERVED"] and "have waited 15 days" in late.alarms[0].saw

        def leave(snapshot: Snapshot, unread: object) -> tuple[list[ExitOrdered], list[MarketId]]:
            order = ExitOrdered(
                chain=job.chain.chain,
                owner=job.wallet.address,
                market_id=vault.market_id,
                name="it",
                by="terminal",
                into="",
                time=snapshot.block.timestamp,
            )
            return [order], [vault.market_id]

        called = await cycle.run_job(w, job, leave)
        assert steps_of(called) == [LegKind.CANCEL]
        gone = after(called, vault).leaving
        assert gone is not None and gone.entering == late.held.raw and not gone.cancels
        assert steps_of(await cycle.run_job(w, job)) == []
        vault.call("serveCancel(address)", sandbox.wallet)
        back = await cycle.run_job(w, job)
        assert steps_of(back) == [LegKind.COLLECT] and after(back, vault).held.raw == 0
