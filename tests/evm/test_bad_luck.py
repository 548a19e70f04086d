"""What can happen to a market or a token between the plan and the transaction: each ends in a refusal, never in a loss.

Contracts: Aave v3.6 on the sandbox; OpenZeppelin's ERC-4626 with a token of ours that has an issuer's powers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kit.contracts import call, calldata, send
from tests.kit.evm.world import transactions, world
from tests.kit.small_market import FUNDS_RAW, SmallMarket, running
from yieldbot.app import cycle
from yieldbot.app.job_reports import exit_code
from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.config.load import load
from yieldbot.execution.approvals import Approval, Approver, DeclineAll, Proposal
from yieldbot.execution.results import LegResult
from yieldbot.journal.journal_entries import AccountCleared
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.market import Kind, MarketState
from yieldbot.model.plan import Declined, Leg, LegKind, NoWayOut, Plan
from yieldbot.model.settings import Settings
from yieldbot.model.tx import Confirmed, EvmCall
from yieldbot.sandbox.evm.node import Sandbox

RAW = 12_000 * 10**6


@pytest_asyncio.fixture
async def troubled(tmp_path: Path) -> AsyncIterator[SmallMarket]:
    async with running(tmp_path, troubled=True) as built:
        yield built


async def set_token(market: SmallMarket, signature: str, *values: object, to: str | None = None) -> None:
    async with market.node() as node:
        (first, *_) = await node.request("eth_accounts", [])
        data = "0x" + calldata(signature, *values).hex()
        sent = {"from": first, "to": to or market.usdc_address, "data": data, "gas": "0x100000"}
        name, receipt = await node.request("eth_sendTransaction", [sent]), None
        while receipt is None:
            receipt = await node.request("eth_getTransactionReceipt", [name])
        assert receipt["status"] == "0x1"


async def deposited(market: SmallMarket) -> LegResult:
    """What came of a deposit of RAW; whatever it was, no allowance is left and refusals cost no token."""
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            work = market.observed(market.deposit_work(RAW))
            result = await execute_leg(account, market.approval(plan), work)
        assert await fetch_allowance(node, market.usdc.address, Address(market.owner), market.market.address) == 0
        if not result.done:
            found = await fetch_balances(node, Address(market.owner), (market.usdc, market.shares))
            assert (found[market.usdc], found[market.shares]) == (FUNDS_RAW, 0)
        return result


async def test_an_ordinary_deposit_is_worth_what_it_took(troubled: SmallMarket) -> None:
    result = await deposited(troubled)
    assert result.done and len(result.outcomes) == 2


async def test_a_token_that_takes_a_fee_when_it_moves_is_not_deposited(troubled: SmallMarket) -> None:
    await set_token(troubled, "setFee(uint256)", 100)
    result = await deposited(troubled)
    assert result.declined is not None and result.declined.code == "WORTH_LESS"
    assert "a deposit of 12,000 USDC into Drip Vault would be worth 11,8" in result.declined.reason
    assert result.outcomes == ()


@pytest.mark.parametrize("who", ["owner", "vault"])
async def test_an_account_that_the_issuer_refuses_moves_nothing(troubled: SmallMarket, who: str) -> None:
    account = troubled.owner if who == "owner" else troubled.vault_address
    await set_token(troubled, "setRefused(address,bool)", account, True)
    result = await deposited(troubled)
    assert result.declined is not None and result.declined.code == "WOULD_REVERT" and result.outcomes == ()


async def test_an_account_that_is_refused_later_keeps_its_position_and_sends_nothing(troubled: SmallMarket) -> None:
    """The issuer blocks an account that has money in a market: what comes out would revert, so nothing is sent."""
    assert (await deposited(troubled)).done
    leg = Leg(LegKind.WITHDRAW, troubled.market.id, Amount(troubled.usdc, RAW), all=True)
    await set_token(troubled, "setRefused(address,bool)", troubled.owner, True)
    async with troubled.node() as node:
        with troubled.journal() as journal:
            before = await fetch_balances(node, Address(troubled.owner), (troubled.usdc, troubled.shares))
            plan = await troubled.plan(node, leg)
            work = troubled.redeem_work(leg, before[troubled.shares])
            account = troubled.account(node, journal)
            refused = await execute_leg(account, troubled.approval(plan), work)
            assert refused.declined is not None and refused.declined.code == "WOULD_REVERT"
            assert "redeem all: custom error 71f4b414" in refused.declined.reason and refused.outcomes == ()
            assert await fetch_balances(node, Address(troubled.owner), (troubled.usdc, troubled.shares)) == before
            await set_token(troubled, "setRefused(address,bool)", troubled.owner, False)
            assert (await execute_leg(account, troubled.approval(plan), work)).done


async def test_a_vault_whose_share_price_was_inflated_is_not_entered(troubled: SmallMarket) -> None:
    """The first holder of one share gives the vault so much that a deposit's shares round down to none or a few."""
    async with troubled.node() as node:
        (first, *_) = await node.request("eth_accounts", [])
    vault = troubled.vault_address
    for signature, *values in (
        ("mint(address,uint256)", first, 40_000 * 10**6),
        ("approve(address,uint256)", vault, 1),
    ):
        await set_token(troubled, signature, *values)
    await set_token(troubled, "deposit(uint256,address)", 1, first, to=vault)
    await set_token(troubled, "transfer(address,uint256)", vault, 17_000 * 10**6 - 1)
    result = await deposited(troubled)
    assert result.declined is not None and result.declined.code in ("WORTH_LESS", "NO_SHARES") and result.outcomes == ()


@dataclass
class Meanwhile:
    """Approves like ``Auto``, but something happens to the chain while the approver thinks."""

    approver: Approver
    happens: Callable[[], None]

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        self.happens()
        return await self.approver.approve(proposal)


def only_aave(sandbox: Sandbox, haircut_bps: float = 0.0, everywhere: bool = False) -> Settings:
    settings = load(sandbox.directory / "yieldbot.toml")
    others = () if everywhere else ("compound_v3", "morpho_blue", "erc4626", "Aave Prime", "Aave Legacy")
    policy = replace(settings.policy, exclude=others, haircut_bps={"aave_v3": haircut_bps}, max_share_market=1.0)
    policy = replace(policy, auto_max_move="1000000", auto_max_total="1000000")
    return replace(settings, policy=policy)


def administer(sandbox: Sandbox, signature: str, *values: object) -> None:
    send(sandbox, sandbox.addresses["aave_configurator"], calldata(signature, *values))


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (("setReserveFreeze(address,bool)", True), "MARKET_CLOSED"),
        (("setReservePause(address,bool)", True), "MARKET_CLOSED"),
        (("setSupplyCap(address,uint256)", 1), "CAP_REACHED"),
    ],
)
async def test_a_market_that_closes_while_the_plan_is_approved_gets_nothing(
    sandbox: Sandbox, what: tuple[str, object], code: str
) -> None:
    with world(sandbox, settings=only_aave(sandbox)) as w:
        usdc = sandbox.addresses["usdc"]
        approver = Meanwhile(w.approver, lambda: administer(sandbox, what[0], usdc, what[1]))
        report = await cycle.run_job(replace(w, approver=approver), w.settings.jobs[0])
        assert report.decision is not None and isinstance(report.decision.outcome, Plan)
        assert report.declined is not None and report.declined.code == code
        assert w.journal.transactions() == ()
    assert transactions(sandbox) == 0


async def test_a_market_that_is_emptied_before_a_withdrawal_keeps_the_position_and_says_so(sandbox: Sandbox) -> None:
    with world(sandbox, settings=only_aave(sandbox)) as w:
        job = w.settings.jobs[0]
        first = await cycle.run_job(w, job)
        assert first.outcomes and all(isinstance(outcome, Confirmed) for _, outcome in first.outcomes)
    before = transactions(sandbox)
    with world(sandbox, settings=only_aave(sandbox, haircut_bps=9_999, everywhere=True)) as w:
        snapshot = await cycle.observe_job(w, job)
        (aave,) = [s for s in snapshot.states.values() if s.held and s.market.kind is not Kind.IDLE]
        assert aave.share_token is not None
        pool_of_money = aave.share_token.address

        def emptied() -> None:
            usdc = sandbox.addresses["usdc"]
            balance = int.from_bytes(call(sandbox, usdc, "balanceOf(address)", pool_of_money))
            all_of_it = calldata("transfer(address,uint256)", "0x" + "fe" * 20, balance)
            send(sandbox, usdc, all_of_it, sender=pool_of_money)

        report = await cycle.run_job(replace(w, approver=Meanwhile(w.approver, emptied)), job)
        assert report.decision is not None and isinstance(report.decision.outcome, Plan)
        assert report.decision.outcome.legs[0].kind is LegKind.WITHDRAW
        assert report.declined is not None and report.declined.code in ("LIQUIDITY_GONE", "WOULD_REVERT")
        assert not report.outcomes
    assert transactions(sandbox) == before


async def test_a_loss_is_no_quiet_hold(sandbox: Sandbox) -> None:
    """Nothing is to be done and nothing would be signed: the exit code tells a clock's run apart from a quiet one."""
    settings = load(sandbox.directory / "yieldbot.toml")
    quiet = replace(settings.policy, alarms=replace(settings.policy.alarms, off=("SHARE_PRICE_DOWN", "BAD_DEBT")))
    careful = replace(settings, policy=replace(quiet, stop_at_loss_bps=50))
    with world(sandbox, settings=careful) as w:
        job = w.settings.jobs[0]
        report = await cycle.run_job(w, job)
        assert report.declined is None and exit_code(report) == 0
        taken = calldata("transfer(address,uint256)", "0x" + "fe" * 20, 20_000 * 10**6)
        send(sandbox, sandbox.addresses["usdc"], taken, sender=sandbox.addresses["drip"])
        for policy, code in ((careful.policy, "LOSS"), (quiet, "ACCOUNT_STOPPED")):
            report = await cycle.run_job(replace(w, settings=replace(careful, policy=policy)), job)
            assert report.declined is not None and (report.declined.code, exit_code(report)) == (code, 4)
            assert "Drip Vault dvUSDC is down 19" in report.declined.reason and report.outcomes == ()
        told = await cycle.run_job(replace(w, settings=settings, approver=DeclineAll()), job)
        assert isinstance(told.decision.outcome, Plan) and "SHARE_PRICE_DOWN" in str(told.decision.outcome)
        assert {leg.kind for leg in told.decision.outcome.legs} == {LegKind.WITHDRAW}, "an alarm leaves all the same"
        w.journal.append(AccountCleared(job.chain.chain, job.wallet.address, "a person"))
        before = transactions(sandbox)
        report = await cycle.run_job(replace(w, approver=DeclineAll()), job)
        assert exit_code(report) == 0 and transactions(sandbox) == before


def _withdraw(owner: Address, state: MarketState, amount: Amount | None) -> tuple[EvmCall, ...]:
    from yieldbot.protocols.evm.erc4626 import Erc4626

    return Erc4626().withdraw(state, amount, owner)


async def test_a_vault_that_does_not_let_money_out_is_not_entered(troubled: SmallMarket) -> None:
    """All its views say that it pays; it does not, or it keeps a part."""
    from yieldbot.execution.wayout import ExitRehearsal
    from yieldbot.sandbox.evm.artifacts import own
    from yieldbot.sandbox.evm.deployer import Deployer

    async with troubled.node() as node:
        accounts = [Address(account) for account in await node.request("eth_accounts", [])]
        vault = await Deployer(node, accounts).deploy(own()["NoExitVault"], troubled.usdc_address, "dvUSDC")
        await node.request("anvil_mine", ["0x14", "0xc"])
    trap = replace(troubled, vault_address=vault.address)
    for shut, keeps, said in ((True, 0, "cooldown is on"), (False, 50, "come out where 12,000"), (False, 0, None)):
        await set_token(trap, "set(bool,uint256)", shut, keeps, to=vault.address)
        async with trap.node() as node:
            with trap.journal() as journal:
                account, work = trap.account(node, journal), trap.observed(trap.deposit_work(RAW))
                assert work.observe is not None
                block = await node.block()
                (state,) = await node.run([work.observe(block)], block)
                assert not isinstance(state, Exception)
                owner = Address(trap.owner)
                out = ExitRehearsal(state=state, withdraw=partial(_withdraw, owner))
                found = await rehearse(account, (replace(work, out=out),), block)
        if said is None:
            assert not isinstance(found, Declined)
        else:
            assert isinstance(found, NoWayOut) and found.code == "NO_WAY_OUT" and said in found.reason
            assert found.market_id == trap.market.id
