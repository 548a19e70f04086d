"""How a deposit's way out is rehearsed, on any chain: what is waited for, asked for, and should come back. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from yieldbot.model.amounts import Amount
from yieldbot.model.market import ExitKind, Market, MarketState
from yieldbot.model.plan import NoWayOut

C = TypeVar("C")
"""What an adapter's calls are: EvmCall, or SvmInstruction on Solana."""
LEAST_SECONDS = 3600
"""How long money stays in on the fork before it is taken out: the next block, and an hour at least."""
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
        return no_way_out(self.state.market, f"it cannot be read any more once {put} are in: {why}")

    def stuck(self, put: Amount, why: str, lasting: bool = True) -> NoWayOut:
        """The calls that take it out fail; ``lasting``: for the market's own reason, and not the fork's."""
        return no_way_out(self.state.market, f"{put} go in, and nothing comes out: {why}", lasting)

    def unusable(self, why: str) -> NoWayOut:
        """Neither the way in nor the way out can be called."""
        return no_way_out(self.state.market, why)

    def less(self, put: Amount, back_raw: int, least_raw: int) -> NoWayOut | None:
        """The comparison: less comes out than should, by more than the protocol's rounding; None for enough."""
        if back_raw + self.state.rounding_raw >= least_raw:
            return None
        fees = f" less {self.fees_bps:g} bps of fees that it names" if self.fees_bps else ""
        least, back = Amount(put.token, least_raw), Amount(put.token, max(0, back_raw))
        return no_way_out(self.state.market, f"{put} go in, {back} come out where {least} should{fees}")


def no_way_out(market: Market, why: str, lasting: bool = True) -> NoWayOut:
    return NoWayOut("NO_WAY_OUT", f"{market.name}: {why}", market.id, lasting)
