"""Recomputes a planned swap from the newest pools, on any chain. Pure."""

from __future__ import annotations

from dataclasses import replace

from yieldbot.allocator.convert import Conversion as Conversion
from yieldbot.allocator.convert import convert
from yieldbot.allocator.route import RoutePart
from yieldbot.errors import SafetyError
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Leg
from yieldbot.model.policy import Base
from yieldbot.risk.prices import below_minimum


def conversion_of(leg: Leg, snapshot: Snapshot, base: Base) -> Conversion:
    """The leg's swap over the snapshot's pools. Raises SafetyError if the policy refuses it, or it would bring less
    than the leg's minimum."""
    if leg.gets is None:
        raise SafetyError("NOT_IN_PLAN", f"a swap of {leg.amount} for nothing")
    made = convert(snapshot, leg.amount, leg.gets.token, base)
    refused = made if isinstance(made, Declined) else below_minimum(made.route.given, leg.gets)
    if isinstance(made, Declined) or refused is not None:
        assert refused is not None
        raise SafetyError(refused.code, refused.reason)
    return made if made.least >= leg.gets else replace(made, least=leg.gets)


def parts_with_least(made: Conversion) -> list[tuple[RoutePart, Amount]]:
    """Each part of the swap with its fraction of the minimum out, exact to the base unit; the first part gets the
    rounding remainder."""
    parts, whole = made.route.parts, made.route.given.raw
    shares = [made.least.raw * part.given.raw // whole for part in parts]
    shares[0] += made.least.raw - sum(shares)
    return [(part, Amount(made.least.token, raw)) for part, raw in zip(parts, shares, strict=True)]
