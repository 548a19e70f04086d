"""Vaults that misbehave as real ones do: what is read of them, and that no new money goes where it could not leave."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.bench.accuracy import DAY, Accuracy
from tests.kit.evm.conformance import check_calls
from tests.kit.policies import loose
from yieldbot.allocator.assess import assess
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.errors import NodeRefused
from yieldbot.model.deployment import Deployment
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ExitKind, Kind, Market, MarketState, Snapshot
from yieldbot.model.plan import Assessment
from yieldbot.model.requests import with_requests
from yieldbot.protocols.evm.erc4626 import Erc4626
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.traps import deploy_trap

NEEDS: tuple[str, ...] = ()
USDC = 10**6
MILLION = 1_000_000 * USDC
PUT_RAW = 10_000 * USDC


class Trap:
    """One trap on the running sandbox, its market, and what a policy makes of it."""

    def __init__(self, chain: Accuracy, deployer: Deployer, contract: Contract, market: Market) -> None:
        self.chain, self.d, self.contract, self.market = chain, deployer, contract, market

    @classmethod
    async def of(cls, chain: Accuracy, name: str, *args: Any, deposited_raw: int = MILLION, **more: Any) -> Trap:
        deployer, contract = await deploy_trap(
            chain.node, name, chain.job.asset.address, *args, deposited_raw=deposited_raw
        )
        params = {"flavour": "generic", "vaults": [contract.address], "lookback_blocks": 40, **more}
        table = Deployment("erc4626", chain.job.chain.chain, "Trap", params, (chain.job.asset,))
        (found,) = await chain.node.run([Erc4626().discover(table)], await chain.node.block())
        assert isinstance(found, tuple), found
        return cls(chain, deployer, contract, found[0])

    async def state(self) -> MarketState:
        return await self.chain.state(self.market)

    async def judged(self, **policy: Any) -> tuple[MarketState, Assessment]:
        state = await self.state()
        idle = await self.chain.state(self.wallet())
        states = {idle.market.id: idle, self.market.id: state}
        snapshot = Snapshot(
            block=state.block,
            owner=self.chain.owner,
            states=states,
            quarantined=(),
            fees=ChainFees(1, 1, 3000.0),
            native_balance_raw=10**18,
        )
        _, assessment = assess(snapshot, loose(horizon_days=30.0, **policy))
        return state, assessment

    def wallet(self) -> Market:
        token = self.market.asset
        return Market(MarketId("idle/31337/wallet"), "idle", Kind.IDLE, token.chain, "Wallet", token, token.address)

    async def put(self, raw: int = PUT_RAW) -> MarketState:
        await self.chain.fund(self.chain.owner, raw)
        call = Erc4626().deposit(await self.state(), self.market.asset.amount(raw), self.chain.owner)
        await self.chain.do(call, self.chain.owner)
        return await self.state()

    async def leave(self, state: MarketState) -> int:
        """What taking everything out brings."""
        before = await self.balance()
        await self.chain.do(Erc4626().withdraw(state, None, self.chain.owner), self.chain.owner)
        return await self.balance() - before

    async def balance(self) -> int:
        token = Contract(self.market.asset.address, [])
        data = bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(self.chain.owner[2:])
        return int.from_bytes(await self.chain.node.call(token.address, data), "big")


async def test_a_dead_vault_gets_no_money(chain: Accuracy) -> None:
    """2,160 % a year on paper and 1.74 billion that it says to hold: no cash is there."""
    trap = await Trap.of(chain, "DeadVault", 1_740_000_000 * USDC, 216_000, deposited_raw=0)
    state, judged = await trap.judged()
    assert state.supplied.raw > 1_740_000_000 * USDC and state.quoted.value > 10
    assert (state.liquidity.raw, state.cash, state.opaque) == (0, None, True)
    assert "cash-unknown" in state.flags
    assert judged.vetoes == ("its cash is not known, which min_liquidity_multiple asks for",)
    assert (await trap.judged(min_liquidity_multiple=0.0))[1].vetoes == ()


async def test_cash_is_the_balance_and_bounds_what_goes_in(chain: Accuracy) -> None:
    trap = await Trap.of(chain, "PlainVault", deposited_raw=30_000 * USDC)
    state, judged = await trap.judged()
    assert state.liquidity.raw == state.supplied.raw == 30_000 * USDC and judged.vetoes == ()
    assert judged.max_exposure is not None and judged.max_exposure.raw == 30_000 * USDC
    (_, twice) = await trap.judged(min_liquidity_multiple=2.0)
    assert twice.max_exposure is not None and twice.max_exposure.raw == 15_000 * USDC


async def test_a_gift_is_no_rate(chain: Accuracy) -> None:
    """2,000 given to a million a few blocks ago: some 43 % a year over a window of 40 hours, and nothing is earned."""
    trap = await Trap.of(chain, "PlainVault")
    token = Contract(chain.job.asset.address, TRANSFER)
    await trap.d.send(token, "transfer", trap.contract.address, 2_000 * USDC)
    await chain.node.request("anvil_mine", [hex(5), hex(3600)])
    state = await trap.state()
    assert state.quoted.value == pytest.approx(0.0, abs=1e-6) and state.curve.apr(0.0, DAY) == pytest.approx(
        0.0, abs=1e-6
    )
    assert any(flag.startswith("step-in-price: 4") or flag.startswith("step-in-price: 3") for flag in state.flags)
    await chain.node.request("anvil_mine", [hex(20), hex(3600)])  # and where it lies in the other half of the window
    assert (await trap.state()).quoted.value == pytest.approx(0.0, abs=1e-6)


TRANSFER = [
    {
        "type": "function",
        "name": "transfer",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "to", "type": "address"}, {"name": "value", "type": "uint256"}],
        "outputs": [{"name": "", "type": "bool"}],
    }
]


async def test_fees_that_only_the_previews_name(chain: Accuracy) -> None:
    """20 bps in, 50 out: told, paid for by the curve, and in what a position is worth: exactly what leaving pays."""
    trap = await Trap.of(chain, "FeeVault", 20, 50)
    state, judged = await trap.judged()
    assert state.entry_cost_bps == pytest.approx(1e4 * (1 - 0.998 * 0.995), rel=1e-5) and judged.vetoes == ()
    assert state.curve.apr(1000.0, 365 * DAY) == pytest.approx(-0.00699, rel=1e-2)
    held = await trap.put()
    assert held.held.raw == pytest.approx(PUT_RAW * 0.998 * 0.995, rel=1e-6)
    assert held.curve.apr(float(held.held), DAY) == pytest.approx(0.0, abs=1e-6)  # what is in costs nothing more
    assert await trap.leave(held) == held.held.raw


async def test_a_fee_beyond_what_is_let_by_is_a_doubt(chain: Accuracy) -> None:
    state, judged = await (await Trap.of(chain, "FeeVault", 0, 500)).judged()
    (doubt,) = state.doubts
    assert "previewRedeem pays 950000" in doubt and "converts to 1000000" in doubt
    assert doubt in judged.vetoes and doubt in state.flags
    state, judged = await (await Trap.of(chain, "FeeVault", 0, 500, max_fee_bps=600)).judged()
    assert state.doubts == judged.vetoes == () and state.entry_cost_bps == pytest.approx(500, rel=1e-4)


async def test_a_vault_that_names_everybodys_money(chain: Accuracy) -> None:
    """maxWithdraw of a million while we hold nothing, and while we hold a part."""
    trap = await Trap.of(chain, "LyingVault")
    empty = await trap.state()
    assert (empty.held.raw, empty.withdrawable.raw) == (0, 0)
    held = await trap.put()
    assert PUT_RAW - 1 <= held.held.raw <= PUT_RAW and held.withdrawable == held.held


@pytest.mark.parametrize("reverting", [False, True])
async def test_max_of_nothing_tells_nothing_of_a_holding(chain: Accuracy, reverting: bool) -> None:
    trap = await Trap.of(chain, "ZeroMaxVault", reverting)
    assert (await trap.state()).held.raw == 0
    raw = PUT_RAW
    await chain.fund(chain.owner, raw)
    calls = Erc4626().deposit(await trap.state(), trap.market.asset.amount(raw), chain.owner)
    await chain.do(calls, chain.owner)
    held = await trap.state()
    assert PUT_RAW - 1 <= held.held.raw <= PUT_RAW
    assert held.withdrawable == held.held and "exit-not-told" in held.flags
    assert await trap.leave(held) == held.held.raw


async def test_a_vault_whose_exits_are_closed_is_offered_for_the_rehearsal_to_refuse(chain: Accuracy) -> None:
    trap = await Trap.of(chain, "LockedVault")
    held = await trap.put()
    assert held.withdrawable == held.held
    (call,) = Erc4626().withdraw(held, None, chain.owner)
    with pytest.raises(NodeRefused):
        await chain.node.call(call.to, call.data, sender=chain.owner)


async def test_a_cooldown_is_seen_and_gets_no_new_money(chain: Accuracy) -> None:
    trap = await Trap.of(chain, "CooldownVault", 7 * DAY)
    state, judged = await trap.judged()
    assert (state.exit.kind, state.exit.hours) == (ExitKind.COOLDOWN, 168.0) and "cooldown 7 days" in state.flags
    assert judged.vetoes == ("its way out is by cooldown 7 days, above max_exit_hours 0",)
    assert (await trap.judged(max_exit_hours=168.0))[1].vetoes == ()
    held = await trap.put()
    assert held.held.raw >= PUT_RAW - 1 and held.withdrawable.raw == 0  # maxRedeem names it all; redeem reverts
    await trap.d.send(trap.contract, "setCooldownDuration", 0)
    free = await trap.state()
    assert free.exit.kind is ExitKind.INSTANT and free.withdrawable == free.held
    assert await trap.leave(free) == free.held.raw


async def test_exits_by_request_are_seen_and_get_no_new_money(chain: Accuracy) -> None:
    trap = await Trap.of(chain, "AsyncVault", False)
    state, judged = await trap.judged()
    assert state.exit.kind is ExitKind.REQUEST and math.isinf(state.exit.hours)
    assert judged.vetoes == ("its way out is by request, no end known, above max_exit_hours 0",)
    held = await trap.put()
    assert held.held.raw == PUT_RAW and held.withdrawable.raw == 0 and "exit-not-previewed" in held.flags
    both = await Trap.of(chain, "AsyncVault", True, deposited_raw=0)
    assert (await both.state()).enters_by_request


async def test_shares_of_other_decimals_are_probed_finely(chain: Accuracy) -> None:
    """18 decimals over 6, a share worth 1,068: to 1e-9 of its price, and what we hold to the unit."""
    trap = await Trap.of(chain, "WideVault", 6, 1068)
    state = await trap.state()
    assert state.supplied.raw == MILLION and state.quoted.value == 0.0
    held = await trap.put()
    assert PUT_RAW - 1 <= held.held.raw <= PUT_RAW
    assert await trap.leave(held) == held.held.raw


async def test_a_cooldown_is_left_in_two_steps(chain: Accuracy) -> None:
    """What is parked stays ours, earns nothing, and comes whole once the time is over; a second start would begin it
    anew, and is not offered."""
    trap, adapter = await Trap.of(chain, "CooldownVault", 7 * DAY), Erc4626()
    held = await trap.put()
    start = adapter.request_exit(held, None, chain.owner)
    check_calls(chain, trap.market, start, None)
    assert adapter.collect_exit(held, chain.owner) == adapter.cancel_exit(held, chain.owner) == ()
    await chain.do(start, chain.owner)
    cooling = await trap.state()
    gone = cooling.leaving
    assert gone is not None and (cooling.shares, cooling.inside.raw, cooling.withdrawable.raw) == (0, 0, 0)
    assert gone.requested == cooling.held and held.held.raw - 1 <= cooling.held.raw <= held.held.raw
    assert gone.until is not None and 0 <= gone.until - cooling.block.timestamp - 7 * DAY + 3 <= 3
    assert cooling.curve.apr(float(cooling.held), DAY) == 0.0
    assert adapter.withdraw(cooling, None, chain.owner) == adapter.collect_exit(cooling, chain.owner) == ()
    _, judged = await trap.judged(max_exit_hours=1e6)
    assert any("on their way out" in veto for veto in judged.vetoes)
    await chain.wait(7 * DAY)
    ready = await trap.state()
    assert ready.leaving is not None and ready.leaving.ready == cooling.held and not ready.leaving.requested
    check_calls(chain, trap.market, adapter.collect_exit(ready, chain.owner), None)
    assert await trap.leave(ready) == cooling.held.raw
    assert ((after := await trap.state()).leaving, after.held.raw) == (None, 0)


async def test_a_part_cools_down_and_the_rest_stays(chain: Accuracy) -> None:
    trap, adapter = await Trap.of(chain, "CooldownVault", 7 * DAY), Erc4626()
    held = await trap.put()
    part = trap.market.asset.amount(PUT_RAW // 4)
    await chain.do(adapter.request_exit(held, part, chain.owner), chain.owner)
    cooling = await trap.state()
    assert cooling.leaving is not None and abs(cooling.leaving.requested.raw - part.raw) <= 2
    assert abs(cooling.held.raw - PUT_RAW) <= 3 and cooling.inside == cooling.held - cooling.leaving.requested
    await trap.d.send(trap.contract, "setCooldownDuration", 0)  # it is given up: all can be had
    free = await trap.state()
    assert free.exit.kind is ExitKind.INSTANT and free.leaving is not None and free.leaving.ready
    assert free.withdrawable == free.inside
    assert await trap.leave(free) == free.inside.raw
    last = await trap.state()
    before = await trap.balance()
    await chain.do(adapter.collect_exit(last, chain.owner), chain.owner)
    assert await trap.balance() - before == free.leaving.ready.raw


async def test_a_request_is_left_in_two_steps(chain: Accuracy) -> None:
    trap, adapter = await Trap.of(chain, "AsyncVault", False), Erc4626()
    held = await trap.put()
    start = adapter.request_exit(held, None, chain.owner)
    check_calls(chain, trap.market, start, None)
    await chain.do(start, chain.owner)
    asked = await trap.state()
    assert asked.leaving is not None and asked.leaving.requested == asked.held == held.held and asked.shares == 0
    assert asked.leaving.until is None and asked.leaving.cancels and asked.inside.raw == 0
    assert adapter.collect_exit(asked, chain.owner) == ()
    await trap.d.send(trap.contract, "serveRedeem", chain.owner)
    ready = await trap.state()
    assert ready.leaving is not None and (ready.leaving.ready, ready.leaving.requested.raw) == (held.held, 0)
    assert not ready.leaving.cancels and ready.leaving.ready_shares == held.shares
    check_calls(chain, trap.market, adapter.collect_exit(ready, chain.owner), None)
    assert await trap.leave(ready) == held.held.raw
    assert ((after := await trap.state()).leaving, after.held.raw) == (None, 0)


async def test_where_deposits_are_requests_nothing_new_goes_in_and_what_is_there_can_be_left(chain: Accuracy) -> None:
    """A position that a person made by `requestDeposit` and the three-argument `deposit` is held, counted and left."""
    trap, adapter = await Trap.of(chain, "AsyncVault", True, deposited_raw=0), Erc4626()
    await chain.fund(chain.owner, PUT_RAW)
    vault, me = trap.contract.address, "0" * 24 + chain.owner[2:].lower()

    def made(signature: str, *words: str) -> bytes:
        return selector(signature) + bytes.fromhex("".join(words))

    raw = f"{PUT_RAW:064x}"
    spender = "0" * 24 + vault[2:].lower()
    await chain.send(chain.job.asset.address, made("approve(address,uint256)", spender, raw), chain.owner)
    await chain.send(vault, made("requestDeposit(uint256,address,address)", raw, me, me), chain.owner)
    await trap.d.send(trap.contract, "serveDeposit", chain.owner)
    await chain.send(vault, made("deposit(uint256,address,address)", raw, me, me), chain.owner)
    held, judged = await trap.judged(max_exit_hours=math.inf)
    assert held.held.raw == PUT_RAW and held.shares
    assert any("deposits are requests" in veto and "by_request" in veto for veto in judged.vetoes), judged.vetoes
    await chain.do(adapter.request_exit(held, None, chain.owner), chain.owner)
    await trap.d.send(trap.contract, "serveRedeem", chain.owner)
    assert await trap.leave(await trap.state()) == PUT_RAW
    assert (await trap.state()).held.raw == 0


async def test_requests_with_numbers_are_asked_for_by_all_of_them(chain: Accuracy) -> None:
    """Two halves are asked for, each under a number of its own; number 0 tells of neither."""
    trap, adapter = await Trap.of(chain, "NumberedVault"), Erc4626()
    held = await trap.put()
    half = trap.market.asset.amount(held.held.raw // 2)
    await chain.do(adapter.request_exit(held, half, chain.owner), chain.owner)
    await chain.do(adapter.request_exit(await trap.state(), None, chain.owner), chain.owner)
    assert (await trap.state()).held.raw == 0, "nobody remembers the numbers"
    trap.market = with_requests(trap.market, (1, 2))
    asked = await trap.state()
    assert (
        asked.leaving is not None and abs(asked.held.raw - held.held.raw) <= 2 and asked.held == asked.leaving.requested
    )
    assert asked.leaving.cancels and asked.leaving.request_id == 1
    await trap.d.send(trap.contract, "serveRedeem", 1, chain.owner)
    partly = await trap.state()
    assert (
        partly.leaving is not None and partly.leaving.request_id == 2 and abs(partly.leaving.ready.raw - half.raw) <= 2
    )
    calls = adapter.cancel_exit(partly, chain.owner)
    check_calls(chain, trap.market, calls, None)  # the number that it names is one of the market's
    await chain.do(calls, chain.owner)
    back = await trap.state()
    assert back.leaving is not None and back.leaving.back and back.leaving.request_id == 2
    await chain.do(adapter.cancel_exit(back, chain.owner), chain.owner)
    assert abs(await trap.leave(await trap.state()) - half.raw) <= 2  # what was served
    last = await trap.state()
    assert last.leaving is None and abs(last.held.raw - half.raw) <= 2


async def test_a_request_is_called_back(chain: Accuracy) -> None:
    trap, adapter = await Trap.of(chain, "AsyncVault", False), Erc4626()
    held = await trap.put()
    await chain.do(adapter.request_exit(held, None, chain.owner), chain.owner)
    calls = adapter.cancel_exit(await trap.state(), chain.owner)
    check_calls(chain, trap.market, calls, None)
    await chain.do(calls, chain.owner)
    called = await trap.state()
    assert called.leaving is not None and called.leaving.back == called.held == held.held and not called.leaving.cancels
    calls = adapter.cancel_exit(called, chain.owner)
    check_calls(chain, trap.market, calls, None)
    await chain.do(calls, chain.owner)
    again = await trap.state()
    assert again.leaving is None and (again.held, again.shares) == (held.held, held.shares)
