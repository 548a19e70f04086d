"""How the exit of a deposit is rehearsed, on any chain: how long to wait, what to withdraw, what should come back.

Pure; the code in ``chains/`` runs it on a fork. A refusal is a NoWayOut with the code NO_WAY_OUT. Messages call an exit
a way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Exit, ExitKind, Market, MarketState
from yieldbot.model.plan import NoWayOut

C = TypeVar("C")
"""The type of an adapter's calls: EvmCall, or SvmInstruction on Solana."""
LEAST_SECONDS = 3600
"""Least time, in seconds, that the deposit stays in on the fork before it is withdrawn."""
ROUNDING_RAW = 4
"""Base units that a pool's own rounding may take from liquidity going in and out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRehearsal(Generic[C]):
    """The exit of one deposit, as it is to be rehearsed."""

    state: MarketState
    """The market as it was before the deposit."""
    withdraw: Callable[[MarketState, Amount | None], tuple[C, ...]]
    """Called with the market as it was just read and an amount (None: everything); returns the adapter's calls that
    withdraw it."""
    served: bool = False
    """Whether the policy trusts that somebody serves the market's requests (``by_request``): it then suffices that all
    of the money is requested, or waits to be deposited."""
    fees_bps: float = 0.0
    """Fees that the adapter declares, entry and exit together, in bp of the deposit."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Seconds to let pass on the fork before each try to withdraw.

        An exit by cooldown or request is tried twice: after an hour, which may only make the request, and after the
        cooldown. An exit that needs a price oracle is tried at once: on a fork the price is not updated, and would soon
        be too old. Any other exit is tried once, after an hour or the time that the market prescribes.
        """
        if self.state.exit.priced:
            return (0,)
        wait = self.state.exit.seconds or 0
        asks_first = self.state.exit.kind in (ExitKind.COOLDOWN, ExitKind.REQUEST)
        return (LEAST_SECONDS, wait + 1) if asks_first else (max(LEAST_SECONDS, wait),)

    @property
    def ways(self) -> tuple[ExitRehearsal[C], ...]:
        """The exits of which each must succeed from the same state: of shares that are sold before a maturity the sale,
        at its cost, and the redemption at the maturity, which must cost nothing."""
        if self.state.prices is None or self.state.exit.kind is not ExitKind.MATURITY:
            return (self,)
        return (replace(self, state=replace(self.state, exit=Exit())), replace(self, fees_bps=0.0))

    def net_raw(self, put: Amount) -> int:
        """Base units of a deposit that should come back, after the declared fees."""
        return put.raw - int(put.raw * self.fees_bps / 10_000)

    def requested(self, put: Amount, held_raw: int, cash: Amount | None) -> tuple[Amount | None, int]:
        """(what to withdraw (None: everything), least base units that must come back).

        put: the deposit. held_raw: what the position was worth before, in base units of the asset. cash: what the
        market can pay out now, None: unknown. If it cannot pay for the whole position, only the deposit is withdrawn.
        """
        net_raw = self.net_raw(put)
        if held_raw and cash is not None and cash.raw < held_raw + net_raw:
            return Amount(put.token, net_raw - self.state.rounding_raw), net_raw
        return None, held_raw + net_raw

    def waits_for_others(self, state: MarketState, back_raw: int, least_raw: int) -> bool:
        """Whether what did not come back waits for somebody else to serve it, and the policy trusts that somebody does.
        state: the market after the steps."""
        on_its_way = state.leaving.whole.raw if state.leaving else 0
        return self.served and back_raw + on_its_way + self.state.rounding_raw >= least_raw

    def unread(self, put: Amount, why: object) -> NoWayOut:
        """The refusal when the market cannot be read with the deposit in it; ``why``: the error."""
        return no_way_out(self.state.market, f"it cannot be read any more once {put} are in: {why}")

    def stuck(self, put: Amount, why: str, lasting: bool = True) -> NoWayOut:
        """The refusal when the withdrawal's calls fail.

        lasting: False if the fork, and not the market, may be the reason (a price that no oracle updates there).
        """
        return no_way_out(self.state.market, f"{put} go in, and nothing comes out: {why}", lasting)

    def unusable(self, why: str) -> NoWayOut:
        """The refusal when the market's program lacks the adapter's instructions."""
        return no_way_out(self.state.market, why)

    def less(self, put: Amount, back_raw: int, least_raw: int) -> NoWayOut | None:
        """The refusal when ``back_raw`` came back and ``least_raw`` should have, both in base units; None if no more
        than the protocol's rounding is missing."""
        if back_raw + self.state.rounding_raw >= least_raw:
            return None
        fees = f" less {self.fees_bps:g} bps of fees that it names" if self.fees_bps else ""
        least, back = Amount(put.token, least_raw), Amount(put.token, max(0, back_raw))
        return no_way_out(self.state.market, f"{put} go in, {back} come out where {least} should{fees}")


def no_way_out(market: Market, why: str, lasting: bool = True) -> NoWayOut:
    """The refusal of a deposit into a market whose exit failed. lasting: it is remembered until the market changes."""
    return NoWayOut("NO_WAY_OUT", f"{market.name}: {why}", market.id, lasting)
