"""The way out of a market, rehearsed before the way in: on the fork on which a deposit was rehearsed, everything is
taken out again some time later, and what comes back is compared with what went in. The fork is put back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from yieldbot.errors import MarketError, NodeRefused, TransientError
from yieldbot.execution.deltas import balances
from yieldbot.execution.reverts import REVERTED, revert_words
from yieldbot.model.amounts import Amount
from yieldbot.model.market import ExitKind, Market, MarketState
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import EvmCall

if TYPE_CHECKING:
    from yieldbot.execution.account import Account, LegWork
    from yieldbot.execution.build import Fees
    from yieldbot.rpc.evm import EvmNode

C = TypeVar("C")
"""What an adapter's calls are: EvmCall, or SvmInstruction on Solana."""

LEAST_SECONDS = 3600
"""How long money stays in on the fork before it is taken out: the next block, and an hour at least."""
GAS_WEI = 10**20
"""What pays for the way out on an EVM fork, whatever the way in left in the wallet."""

ROUNDING_RAW = 4
"""Base units that a pool's own rounding may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut(Generic[C]):
    """How a deposit's way out is rehearsed. state: the market before it; withdraw: the adapter's own calls that take
    everything out (None), or an amount, from a state that was just read; fees_bps: what of the deposit the adapter says
    that fees take, those of the way out included."""

    state: MarketState
    withdraw: Callable[[MarketState, Amount | None], tuple[C, ...]]
    fees_bps: float = 0.0

    @property
    def waits(self) -> tuple[int, ...]:
        """Seconds that go by before the first try, and between it and the next: where the way out has to be asked for,
        the first call may only ask; none where it takes a price, which would be too old."""
        if self.state.exit.priced:
            return (0,)
        wait = self.state.exit.seconds or 0
        asks_first = self.state.exit.kind in (ExitKind.COOLDOWN, ExitKind.REQUEST)
        return (LEAST_SECONDS, wait + 1) if asks_first else (max(LEAST_SECONDS, wait),)

    def net_raw(self, put: Amount) -> int:
        """What should come back of a deposit, fees taken."""
        return put.raw - int(put.raw * self.fees_bps / 10_000)

    def asked(self, put: Amount, held_raw: int, cash: Amount | None) -> tuple[Amount | None, int]:
        """What to ask for (None: everything), and the least that should come, in base units. held_raw: what the
        position was worth before; where the market's cash could not pay that either, the deposit alone is asked for."""
        net_raw = self.net_raw(put)
        if held_raw and cash is not None and cash.raw < held_raw + net_raw:
            return Amount(put.token, net_raw - self.state.rounding_raw), net_raw
        return None, held_raw + net_raw

    def unread(self, put: Amount, why: object) -> NoWayOut:
        """The market cannot be read with the deposit in it."""
        return _refused(self.state.market, f"it cannot be read any more once {put} are in: {why}")

    def stuck(self, put: Amount, why: str, lasting: bool = True) -> NoWayOut:
        """The calls that take it out fail; ``lasting``: for the market's own reason, and not the fork's."""
        return _refused(self.state.market, f"{put} go in, and nothing comes out: {why}", lasting)

    def unusable(self, why: str) -> NoWayOut:
        """Neither the way in nor the way out can be called."""
        return _refused(self.state.market, why)

    def less(self, put: Amount, back_raw: int, least_raw: int) -> NoWayOut | None:
        """The comparison: less comes out than should, by more than the protocol's rounding; None for enough."""
        if back_raw + self.state.rounding_raw >= least_raw:
            return None
        fees = f" less {self.fees_bps:g} bps of fees that it names" if self.fees_bps else ""
        least, back = Amount(put.token, least_raw), Amount(put.token, max(0, back_raw))
        return _refused(self.state.market, f"{put} go in, {back} come out where {least} should{fees}")


async def way_out(account: Account, fork: EvmNode, work: LegWork, held_raw: int, fees: Fees) -> NoWayOut | None:
    """Why what the leg just put in does not come out again on the fork; None when it does. The fork is as it was
    afterwards. held_raw: what the position was worth before the leg."""
    out, provides = work.out, work.provides
    if (out is None or work.observe is None) and (provides is None or provides.back is None):
        return None
    kept = await fork.request("evm_snapshot", [])
    try:
        await fork.request("anvil_setBalance", [account.owner, hex(GAS_WEI)])  # a market is not judged by our gas
        if out is None:
            return await _left(account, fork, work, held_raw, fees)
        return await _tried(account, fork, work, out, held_raw)
    finally:
        if await fork.request("evm_revert", [kept]) is not True:
            raise TransientError("the fork cannot be put back after the way out was rehearsed")


async def _tried(
    account: Account, fork: EvmNode, work: LegWork, out: WayOut[EvmCall], held_raw: int
) -> NoWayOut | None:
    put, less = work.leg.amount, None
    before, back_raw = await balances(fork, account.owner, (put.token,)), 0
    for seconds in out.waits:
        await fork.request("evm_increaseTime", [hex(seconds)])
        await fork.request("evm_mine", [])
        state = await _now(fork, work)
        if isinstance(state, MarketError):
            return out.unread(put, state)
        part, least_raw = out.asked(put, held_raw, state.exit.cash)
        if (stuck := await _taken(account, fork, work, out.withdraw(state, part))) is not None:
            return out.stuck(put, *stuck)
        back_raw = (await balances(fork, account.owner, (put.token,)))[put.token] - before[put.token]
        if (less := out.less(put, back_raw, least_raw)) is None:
            return None
    return less


async def _left(account: Account, fork: EvmNode, work: LegWork, held_raw: int, fees: Fees) -> NoWayOut | None:
    """As ``_tried``, of a pool: all of our liquidity out an hour later, and swapped back. What the swaps of both ways
    take, and a moved price may, is what ``worth_fault`` lets by of the way in."""
    from yieldbot.execution.simulate import run_steps

    put, provides = work.leg.amount, work.provides
    assert provides is not None and provides.back is not None
    before = await balances(fork, account.owner, (put.token,))
    await fork.request("evm_increaseTime", [hex(LEAST_SECONDS)])
    await fork.request("evm_mine", [])
    try:
        back = await provides.back(fork)
    except MarketError as unread:
        return _refused(work.market, f"it cannot be read any more once {put} are in: {unread}")
    ran = await run_steps(account, fork, back.steps, fees, back)
    if isinstance(ran, Declined):
        lasting = ran.code in ("WOULD_REVERT", "BELOW_LEAST")
        return _refused(work.market, f"{put} go in, and nothing comes out: {ran.reason}", lasting)
    came_raw = (await balances(fork, account.owner, (put.token,)))[put.token] - before[put.token]
    whole_raw = held_raw + (put.raw if work.leg.kind is LegKind.DEPOSIT else 0)  # a new range brings nothing with it
    least_raw = whole_raw - int(whole_raw * (provides.entry_cost_bps + account.tolerance_bps) / 10_000)
    if came_raw + ROUNDING_RAW >= least_raw:
        return None
    came, least = Amount(put.token, max(0, came_raw)), Amount(put.token, least_raw)
    return _refused(work.market, f"{put} go in, {came} come out where {least} should, swaps of both ways taken off")


async def _now(fork: EvmNode, work: LegWork) -> MarketState | MarketError:
    assert work.observe is not None
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    return state


async def _taken(account: Account, fork: EvmNode, work: LegWork, calls: tuple[EvmCall, ...]) -> tuple[str, bool] | None:
    """Make the calls on the fork; why one of them does not go through, and whether it is the market that reverts and
    not a fork that could not go on; None when all do."""
    from yieldbot.execution.simulate import mined, note_request

    if not calls:
        return "there is no call that takes it out", True
    for call in calls:
        fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value)}
        try:
            limit = min(int(await fork.request("eth_estimateGas", [fields]), 16) * 5 // 4, account.max_gas)
        except NodeRefused as refusal:
            said = revert_words(refusal.data, account.explain, refusal.node_message)
            return f"{call.words}: {said}", refusal.code == REVERTED or bool(refusal.data)
        receipt = await mined(account, fork, fields | {"gas": hex(limit)}, call.words)
        if not isinstance(receipt, dict):
            return str(getattr(receipt, "reason", "it fails")), True
        note_request(account, receipt, work)
    return None


def _refused(market: Market, why: str, lasting: bool = True) -> NoWayOut:
    return NoWayOut("NO_WAY_OUT", f"{market.name}: {why}", market.id, lasting)
