"""A market's yield curve once others have put more money in, before we do."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import cast

from yieldbot.math.curves import LookThroughCurve, SampledCurve
from yieldbot.math.kamino_vault import LessFeeCurve
from yieldbot.math.scaled import CappedCurve, ScaledCurve
from yieldbot.model.curve import YieldCurve


def joined(curve: YieldCurve, more: float) -> YieldCurve:
    """The curve once others have put ``more`` whole tokens (0 or more) into the market: as it would be read then, of
    the same class. A curve that has no figure for others' money pays the same whoever comes."""
    if more <= 0.0:
        return curve
    match curve:
        case LookThroughCurve():
            slots = tuple(
                replace(slot, held=held, room=max(0.0, slot.room - (held - slot.held)))
                for slot, held in zip(curve.slots, curve.holdings(curve.ours + more), strict=True)
            )
            return replace(curve, others=curve.others + more, slots=slots)
        case SampledCurve():
            return replace(curve, points=tuple((x - more, rate) for x, rate in curve.points))
        case CappedCurve():
            end, base = curve.cap_end - more, joined(curve.base, more)
            return replace(curve, base=base, cap_end=end) if end > 0.0 else base
        case ScaledCurve() | LessFeeCurve():
            return replace(curve, base=joined(curve.base, more))
    if is_dataclass(curve) and any(one.name == "others" for one in fields(curve)):
        found = replace(curve, others=float(getattr(curve, "others", 0.0)) + more)
        return cast("YieldCurve", found)
    return curve
