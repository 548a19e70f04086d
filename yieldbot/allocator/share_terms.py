"""The least that a leg must bring, and the most that it gives, where shares are bought and sold at a price. Pure."""

from __future__ import annotations

from dataclasses import replace

from yieldbot.model.amounts import Amount
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.units import BPS


def with_terms(state: MarketState, leg: Leg) -> Leg:
    """The leg with its terms; the leg itself where the market makes and redeems its shares at their worth."""
    prices, token = state.prices, state.share_token
    if prices is None or token is None or leg.kind not in (LegKind.DEPOSIT, LegKind.WITHDRAW):
        return leg
    slippage = prices.slippage_bps
    if leg.kind is LegKind.DEPOSIT:
        least = max(_less(prices.bought(leg.amount.raw), slippage), prices.fewest(leg.amount.raw))
        return replace(leg, gets=Amount(token, least))
    needed = state.shares if leg.all else min(state.shares, prices.needed(leg.amount.raw))
    given = needed if leg.all else min(state.shares, needed + -(-needed * slippage // BPS))
    brings = leg.amount.raw if not leg.all else min(leg.amount.raw, prices.sold(needed))
    return replace(leg, gives=Amount(token, given), gets=Amount(leg.amount.token, _less(brings, slippage)))


def limited(state: MarketState, leg: Leg) -> MarketState:
    """The state whose calls bring at least what the leg was approved for."""
    if state.prices is None or leg.gets is None:
        return state
    return replace(state, prices=state.prices.limited(leg.gets.raw))


def matured(state: MarketState) -> bool:
    """Whether our shares earn nothing more and can be redeemed for what they promised."""
    return state.prices is not None and state.prices.expired and state.withdrawable.raw > 0


def reduced(leg: Leg, amount: Amount) -> Leg:
    """The leg for less of its asset, at terms that are no worse."""
    part, whole = amount.raw, leg.amount.raw
    gets, gives = leg.gets, leg.gives
    return replace(
        leg,
        amount=amount,
        gets=None if gets is None else Amount(gets.token, -(-gets.raw * part // whole)),
        gives=None if gives is None else Amount(gives.token, gives.raw * part // whole),
    )


def _less(raw: int, slippage_bps: int) -> int:
    return raw - -(-raw * slippage_bps // BPS)
