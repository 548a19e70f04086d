"""Swaps what came out of markets into the asset that a person named; a pegged asset is never sold below a set price.
Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from yieldbot.allocator.claims import sale_per_year
from yieldbot.allocator.convert import Conversion, convert, swap_id
from yieldbot.allocator.exits import held_as_it_is, price_of
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import Address
from yieldbot.model.market import Snapshot
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Declined, Leg, LegKind, Plan, identified
from yieldbot.model.policy import Base, Policy
from yieldbot.model.units import GWEI
from yieldbot.risk.prices import below_exit_price

PARTS = (1, 2, 4, 8, 16, 32, 64)
"""Divisors of the amount that are tried in turn when the pools do not take the whole of it at a good enough price."""
OF_SIZE = ("PRICE_IMPACT", "NO_ROUTE", "EXIT_PRICE")
"""Codes of refusals that a smaller amount may avoid."""


@dataclass(frozen=True, slots=True)
class Proceeds:
    """Proceeds of an exit that are to be swapped."""

    given: Amount
    """The amount that the wallet holds."""
    into: Token
    """The token to be received."""
    name: str
    """Name of the market from which the amount was withdrawn, or "all"."""


@dataclass(frozen=True, slots=True)
class Unswapped:
    """An amount that is not swapped for now."""

    given: Amount
    """The amount."""
    into: Token
    """The token that it was to be swapped into."""
    why: str
    """Why it is not swapped, as a sentence."""


@dataclass(frozen=True, slots=True)
class ExitSwaps:
    """What can be swapped now."""

    plan: Plan | None
    """The swaps; None where none can be made."""
    stays: tuple[Unswapped, ...]
    """What is not swapped now."""


def swap_plan(
    snapshot: Snapshot,
    wanted: Sequence[Proceeds],
    bounds: Base,
    pegged: Collection[Address],
    policy: Policy,
    now: int,
    *,
    max_fee_wei: int | None = None,
) -> ExitSwaps:
    """A leg for each of the proceeds that can be swapped now, with as much of it as the pools take at a good enough
    price.

    bounds: price limits of the job's swaps. pegged: tokens that are never sold below one dollar less
    ``policy.exit_min_price_bps``, whatever else the prices say. now: unix seconds.
    """
    legs, stays, why, cost, sold = list[Leg](), list[Unswapped](), list[str](), 0.0, 0.0
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    dear = max_fee_wei is not None and fee_wei > max_fee_wei
    for one in wanted:
        if dear:
            stays.append(
                Unswapped(one.given, one.into, f"gas is at {significant(fee_wei / GWEI, 3)} gwei, above max_fee_gwei")
            )
            continue
        made = _largest(snapshot, one, bounds, pegged, policy)
        if isinstance(made, Declined):
            stays.append(Unswapped(one.given, one.into, f"{made.code}: {made.reason}"))
            continue
        given = made.route.taken
        price = price_of(snapshot, one.into)
        worth, gas = float(made.least) * price, float(made.route.cost) * price
        if worth <= gas:
            stays.append(Unswapped(one.given, one.into, f"it is worth less than the {gas:z,.4f} of gas of its swap"))
            continue
        legs.append(Leg(LegKind.SWAP, swap_id(given.token, one.into), given, gets=made.least))
        why.append(f"{one.name}: you ordered what came out of it into {one.into.symbol}")
        cost, sold = cost + gas, sold + worth
        if given < one.given:
            rest = one.given - given
            stays.append(Unswapped(rest, one.into, "the pools take no more of it at a fair price now"))
    if not legs:
        return ExitSwaps(None, tuple(stays))
    first = snapshot.assets[0]
    plan = Plan(
        id="",
        block=snapshot.block,
        owner=snapshot.owner,
        moves=(),
        legs=tuple(legs),
        allocation=held_as_it_is(snapshot),
        gain_per_year=sale_per_year(legs, snapshot, policy),
        cost=cost,
        grade=0,
        expires_at=now + policy.plan_ttl_seconds,
        sold=Amount(first, int(sold * first.one)),
        why=tuple(dict.fromkeys(why)),
    )
    return ExitSwaps(identified(plan), tuple(stays))


def exit_price_refusal(
    snapshot: Snapshot, given: Amount, least: Amount, pegged: Collection[Address], policy: Policy
) -> Declined | None:
    """Why the minimum out is too little for a pegged asset, by the feeds; None if it is enough."""
    usd = {} if snapshot.exchange is None else {token: price.usd for token, price in snapshot.exchange.usd.items()}
    return below_exit_price(given, least, usd, pegged, policy.exit_min_price_bps)


def _largest(
    snapshot: Snapshot, one: Proceeds, bounds: Base, pegged: Collection[Address], policy: Policy
) -> Conversion | Declined:
    """The swap of the largest tried part that prices allow; if none is allowed, the refusal of the whole amount."""
    first: Declined | None = None
    for parts in PARTS:
        amount = Amount(one.given.token, one.given.raw // parts)
        if not amount:
            break
        made = convert(snapshot, amount, one.into, bounds)
        if isinstance(made, Conversion):
            refused = exit_price_refusal(snapshot, made.route.taken, made.least, pegged, policy)
            if refused is None:
                return made
            made = refused
        first = first or made
        if made.code not in OF_SIZE:
            break
    return first or Declined("NO_ROUTE", "there is nothing to be swapped")
