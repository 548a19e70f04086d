"""Yield curves as text: each reading stores the market's whole curve, from which the identical curve is rebuilt.

``{"schema": "yieldbot/curve/v1", "curve": {"kind": "kinked", "others": 1.5, ...}}``. Numbers are Python's shortest
decimals, each of which names exactly one double; numbers that JSON lacks are the texts ``inf``, ``-inf`` and ``nan``.
Names of kinds and fields are defined by the table in this module, not by Python names: classes and fields may be
renamed as long as the order of the fields stays, and old text stays readable. A field added at the end with a default
may be missing in old text.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, cast

from yieldbot.errors import CurveUnknown
from yieldbot.math.aave_v4 import HubCurve
from yieldbot.math.curves import (
    AdaptiveCurve,
    ConstantCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
    VaultSlot,
)
from yieldbot.math.fraxlend import MovingLineCurve
from yieldbot.math.jupiter_lend import WholeBpCurve
from yieldbot.math.kamino_vault import LessFeeCurve
from yieldbot.math.liquidity_curve import LiquidityCurve, RangeOutlook
from yieldbot.math.pt_prices import FixedTermCurve
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.scaled import CappedCurve, ScaledCurve
from yieldbot.math.silo import SiloCurve
from yieldbot.math.slots import SlotCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.unlocking import UnlockingCurve
from yieldbot.math.vesting import VestingCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

SCHEMA = "yieldbot/curve/v1"
KIND = "kind"
DEEPEST = 20
"""Most curves within curves; a vault of vaults of pools has three."""
DEEPEST_TEXT = 10 * DEEPEST
"""Most nested brackets; Python's json parser would otherwise recurse until the process crashes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one class of curves is written."""

    made: type
    """The class."""
    names: tuple[str, ...]
    """Names of its fields in the text, in the order of the class's fields."""


def _shape(made: type, names: str) -> Shape:
    return Shape(made, tuple(names.split()))


SHAPES = {
    "kinked": _shape(KinkedCurve, "others borrowed points keep deficit"),
    "hub": _shape(HubCurve, "others borrowed points keep deficit beside"),
    "supply_kinked": _shape(SupplyKinkedCurve, "others borrowed points"),
    "adaptive": _shape(AdaptiveCurve, "others borrowed fee rate_at_target"),
    "constant": _shape(ConstantCurve, "rate"),
    "diluted": _shape(DilutedCurve, "others income_per_year"),
    "entered": _shape(EnteredCurve, "others income_per_year held entry_cost"),
    "sampled": _shape(SampledCurve, "points"),
    "look_through": _shape(LookThroughCurve, "others ours fee slots withdraw_order yearly_fee max_rate unreleased"),
    "unlocking": _shape(UnlockingCurve, "others locked seconds_left income_per_year"),
    "vault_slot": _shape(VaultSlot, "curve held room liquidity pool"),
    "slots": _shape(SlotCurve, "others borrowed points keep slot_seconds compounds fixed fees"),
    "moving_line": _shape(MovingLineCurve, "others borrowed points keep low high least most half_life"),
    "integrated": _shape(SiloCurve, "others borrowed keep terms"),
    "whole_bp": _shape(WholeBpCurve, "others free borrowed points keep paying price"),
    "stake": _shape(StakeCurve, "others staked held growth fee epoch_seconds entry_cost"),
    "undrained": _shape(CappedCurve, "base least"),
    "less_fee": _shape(LessFeeCurve, "base fee"),
    "scaled": _shape(ScaledCurve, "base factor"),
    "rewarded": _shape(RewardedCurve, "base terms"),
    "reward_term": _shape(RewardTerm, "others value_per_year seconds_left claim_cost"),
    "stated": _shape(StatedCurve, "rate held entry_cost"),
    "vesting": _shape(VestingCurve, "others income_per_year seconds_left later_per_year"),
    "fixed_term": _shape(FixedTermCurve, "held shares total_pt total_asset scalar anchor fee seconds_left"),
    "provided": _shape(LiquidityCurve, "stays enters held entry_cost"),
    "outlook": _shape(RangeOutlook, "fees others lost gas once"),
}
"""The class and field names of each kind. They never change: a class that differs is a new kind."""
KINDS = {shape.made: kind for kind, shape in SHAPES.items()}
_NO_NUMBERS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def written(curve: YieldCurve) -> str:
    """The curve as text. Raises CurveUnknown for a class that has no kind."""
    return json.dumps({"schema": SCHEMA, "curve": _plain(curve)}, separators=(",", ":"), allow_nan=False)


def rebuilt(text: str) -> YieldCurve:
    """The curve in a text. Raises CurveUnknown for another schema, an unknown kind, or text that is not a curve."""
    if _depth(text) > DEEPEST_TEXT:
        raise CurveUnknown("this is no curve (brackets within brackets without end)")
    try:
        content = loads(text)
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise CurveUnknown(f"a curve of {str(schema)[:60]!r} is not known here: this version reads {SCHEMA}")
        curve = _built(content.get("curve"), 0)
    except (ValueError, TypeError, KeyError, RecursionError) as failure:
        raise CurveUnknown(f"this is no curve ({type(failure).__name__}: {failure})") from None
    if not isinstance(curve, YieldCurve):
        raise CurveUnknown("this is no curve but a part of one")
    return curve


def _depth(text: str) -> int:
    """Depth of nested brackets, counting those inside of strings too."""
    depth = deepest = 0
    for bracket in re.findall(r"[][{}]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _plain(value: object) -> object:
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    kind = KINDS.get(type(value))
    if kind is None or not is_dataclass(value):
        raise CurveUnknown(f"a curve of the class {type(value).__name__} has no kind: add one to {__name__}.SHAPES")
    own = [getattr(value, one.name) for one in fields(value)]
    return {KIND: kind} | {name: _plain(one) for name, one in zip(SHAPES[kind].names, own, strict=True)}


def _built(value: object, depth: int) -> object:
    if depth > DEEPEST:
        raise ValueError("curves within curves without end")
    if isinstance(value, list):
        return tuple(_built(one, depth) for one in value)
    if isinstance(value, dict):
        return _instance(value, depth)
    if isinstance(value, str):
        return _NO_NUMBERS.get(value, value)
    if value is None:
        raise ValueError("a field is null")
    return value


def _instance(content: dict[str, Any], depth: int) -> object:
    kind = content.get(KIND)
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise CurveUnknown(f"a curve of the kind {str(kind)[:60]!r} is not known here: a newer version may know it")
    found = {}
    unknown = content.keys() - {KIND, *shape.names}
    if unknown:
        raise CurveUnknown(f"a curve of the kind {kind} has no {', '.join(sorted(unknown))} here: a newer version may")
    for name, one in zip(shape.names, fields(shape.made), strict=True):
        if name in content:
            found[one.name] = _checked(f"{kind}.{name}", str(one.type), _built(content[name], depth + 1))
        elif one.default is MISSING:
            raise ValueError(f"{kind} has no {name}")
    return cast(object, shape.made(**found))


def _checked(name: str, wanted: str, value: object) -> object:
    """The value, if its type fits the field's. Raises ValueError."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "float": number,
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "YieldCurve": isinstance(value, YieldCurve),
        "Points": isinstance(value, tuple) and len(value) > 0 and all(_pair(one) for one in value),
        "RangeOutlook": isinstance(value, RangeOutlook),
        "tuple[VaultSlot, ...]": isinstance(value, tuple) and all(isinstance(one, VaultSlot) for one in value),
        "tuple[RewardTerm, ...]": isinstance(value, tuple) and all(isinstance(one, RewardTerm) for one in value),
        "tuple[int, ...]": isinstance(value, tuple) and all(type(one) is int for one in value),
    }
    if not fits[wanted]:
        raise ValueError(f"{name} is {str(value)[:40]!r}, which is no {wanted}")
    return value


def _pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(type(one) in (int, float) for one in value)
