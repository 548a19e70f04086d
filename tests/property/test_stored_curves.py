"""A curve that was kept is rebuilt to the bit: every class, whatever its numbers."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import pkgutil
import struct
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import yieldbot.math
from tests.kit.draws import draws
from yieldbot.errors import CurveUnknown
from yieldbot.history.curves import KINDS, SHAPES, _checked, rebuilt, written
from yieldbot.model.curve import YieldCurve

numbers = st.floats(allow_nan=False) | st.sampled_from([math.inf, -math.inf, 0.0, -0.0, 5e-324, 0.1 + 0.2])
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5).map(tuple)


def of(kind: str, depth: int = 0) -> st.SearchStrategy[object]:
    """Any object of a kind; curves within it are at most two deep."""
    inner = [one for one, shape in SHAPES.items() if hasattr(shape.made, "apr")]
    flat = [one for one in inner if "YieldCurve" not in str([field.type for field in fields(SHAPES[one].made)])]
    some = st.sampled_from(flat if depth else inner).flatmap(lambda one: of(one, depth + 1))
    by_type: dict[str, st.SearchStrategy[object]] = {
        "float": numbers | st.integers(-(2**53), 2**53),
        "bool": st.booleans(),
        "str": st.text('abc/0é"\\', max_size=12),
        "Points": points,
        "YieldCurve": some,
        "tuple[int, ...]": st.lists(st.integers(0, 9), max_size=4).map(tuple),
    }
    nested = {"RangeOutlook": "outlook", "tuple[VaultSlot, ...]": "vault_slot", "tuple[RewardTerm, ...]": "reward_term"}
    parts = {}
    for field in fields(SHAPES[kind].made):
        wanted = str(field.type)
        if wanted in nested:
            one = of(nested[wanted], depth)
            parts[field.name] = one if wanted == "RangeOutlook" else st.lists(one, max_size=3).map(tuple)
        else:
            parts[field.name] = by_type[wanted]
    return st.builds(SHAPES[kind].made, **parts)


def bits(value: object) -> object:
    """All of a value, floats by their bits, so that -0.0 is not 0.0 and 1 is not 1.0."""
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, tuple):
        return [bits(one) for one in value]
    if is_dataclass(value):
        return [type(value), *(bits(getattr(value, one.name)) for one in fields(value))]
    return (type(value), value)


curve_kinds = sorted(kind for kind, shape in SHAPES.items() if hasattr(shape.made, "apr"))


@pytest.mark.parametrize("kind", curve_kinds)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_curve_is_rebuilt_to_the_bit(kind: str, data: st.DataObject) -> None:
    curve = data.draw(of(kind))
    assert isinstance(curve, YieldCurve)
    text = written(curve)
    assert bits(rebuilt(text)) == bits(curve)
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_every_curve_of_math_has_a_kind() -> None:
    found = set()
    for module in pkgutil.iter_modules(yieldbot.math.__path__):
        for thing in vars(importlib.import_module(f"yieldbot.math.{module.name}")).values():
            if isinstance(thing, type) and all(hasattr(thing, one) for one in ("apr", "marginal", "breakpoints")):
                found.add(thing)
    found.discard(YieldCurve)
    assert len(found) >= 13 and found <= KINDS.keys()


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_field_has_a_name_of_its_own_and_a_type_that_is_checked(kind: str) -> None:
    shape = SHAPES[kind]
    own = fields(shape.made)
    assert len(own) == len(shape.names) == len(set(shape.names))
    for field in own:
        with pytest.raises(ValueError):
            _checked(kind, str(field.type), None)


STORED = [
    ('{"kind":"kinked","others":900.0,"borrowed":800.0,"points":[[0.0,0.0],[0.8,0.05],[1.0,0.9]],"keep":0.9}', 0.036),
    (
        '{"kind":"hub","others":900.0,"borrowed":800.0,"points":[[0.0,0.0],[0.8,0.05],[1.0,0.9]],"keep":0.9,'
        '"deficit":10.0,"beside":4.0}',
        0.0356435644,
    ),
    ('{"kind":"supply_kinked","others":900.0,"borrowed":800.0,"points":[[0.0,0.0],[0.8,0.05],[1.0,0.9]]}', 0.05),
    ('{"kind":"adaptive","others":900.0,"borrowed":900.0,"fee":0.1,"rate_at_target":0.04}', 0.0324533186),
    ('{"kind":"constant","rate":0.07}', 0.07),
    ('{"kind":"stated","rate":0.05,"held":100.0,"entry_cost":0.0}', 0.0501028806),
    (
        '{"kind":"vesting","others":900.0,"income_per_year":50.0,"seconds_left":1296000.0,"later_per_year":30.0}',
        0.04,
    ),
    ('{"kind":"diluted","others":900.0,"income_per_year":40.0}', 0.04),
    (
        '{"kind":"integrated","others":900.0,"borrowed":800.0,"keep":0.9,"terms":[800000000000000000,900000000000000000,'
        "500000000000000000,146805,317097919837,105699306612,4439370878,1388888888888,951293759,0]}",
        0.0810123065,
    ),
    ('{"kind":"entered","others":900.0,"income_per_year":40.0,"held":100.0,"entry_cost":0.01}', 0.04),
    (
        '{"kind":"unlocking","others":900.0,"locked":10.0,"seconds_left":1e6,"income_per_year":36.5}',
        0.1458116647,
    ),
    ('{"kind":"sampled","points":[[0.0,0.06],[200.0,0.04]]}', 0.05),
    (
        '{"kind":"look_through","others":900.0,"ours":100.0,"fee":0.1,"slots":[{"kind":"vault_slot","curve":'
        '{"kind":"constant","rate":0.05},"held":1000.0,"room":"inf","liquidity":50.0,"pool":"p"}],"withdraw_order":[0]}',
        0.045,
    ),
    (
        '{"kind":"slots","others":900.0,"borrowed":800.0,"points":[[0.0,0.0],[1.0,0.1]],"keep":0.9,'
        '"slot_seconds":0.5,"compounds":true,"fixed":0.0,"fees":0.0}',
        0.0577898,
    ),
    (
        '{"kind":"moving_line","others":900.0,"borrowed":800.0,"points":[[0.0,0.01],[0.85,0.09],[1.0,0.41]],"keep":0.9,'
        '"low":0.75,"high":0.85,"least":0.05,"most":100.0,"half_life":172800.0}',
        (0.01 + 0.08 * 0.8 / 0.85) * 0.8 * 0.9,
    ),
    (
        '{"kind":"whole_bp","others":900.0,"free":0.0,"borrowed":800.5,"points":[[0.0,0.0],[8000.0,500.0],'
        '[10000.0,9000.0]],"keep":0.9,"paying":1.0,"price":1.05}',
        0.0521 * 0.8005 * 0.9,
    ),
    (
        '{"kind":"stake","others":900.0,"staked":1000.0,"held":100.0,"growth":0.0004,"fee":0.1,'
        '"epoch_seconds":172800.0,"entry_cost":0.0}',
        0.0658645021,
    ),
    ('{"kind":"undrained","base":{"kind":"diluted","others":900.0,"income_per_year":40.0},"least":200.0}', 40 / 1100),
    ('{"kind":"less_fee","base":{"kind":"constant","rate":0.04},"fee":0.01}', 0.03),
    ('{"kind":"scaled","base":{"kind":"constant","rate":0.04},"factor":0.5}', 0.02),
    (
        '{"kind":"rewarded","base":{"kind":"constant","rate":0.05},"terms":[{"kind":"reward_term","others":900.0,'
        '"value_per_year":10.0,"seconds_left":"inf","claim_cost":0.0}]}',
        0.06,
    ),
    (
        '{"kind":"provided","stays":{"kind":"outlook","fees":100.0,"others":900.0,"lost":0.02,"gas":0.0,"once":0.0},'
        '"enters":{"kind":"outlook","fees":90.0,"others":900.0,"lost":0.02,"gas":0.0,"once":0.0},"held":100.0,'
        '"entry_cost":0.0}',
        0.08,
    ),
    (  # 100 buy a PT's so many that a * 1.0005 / (ln((50000 - a) / (60000 + a)) / 50 + 1.03) is 100
        '{"kind":"fixed_term","held":0.0,"shares":0.0,"total_pt":50000.0,"total_asset":60000.0,"scalar":50.0,'
        '"anchor":1.03,"fee":1.0005,"seconds_left":7776000.0}',
        (102.57654503881525 / 100 - 1) * 365 / 90,
    ),
]


@pytest.mark.parametrize(("text", "rate"), STORED)
def test_what_was_written_by_an_earlier_version_means_the_same(text: str, rate: float) -> None:
    """Texts and rates (at a holding of 100, over 30 days) as the first version wrote them: they never change."""
    curve = rebuilt(f'{{"schema":"yieldbot/curve/v1","curve":{text}}}')
    assert curve.apr(100.0, 30 * 86_400.0) == pytest.approx(rate, rel=1e-5)


def test_every_kind_of_curve_is_among_what_was_written_earlier() -> None:
    assert {json.loads(text)["kind"] for text, _ in STORED} == set(curve_kinds)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no curve"),
        ("[]", "'None' is not known"),
        ('{"schema":"yieldbot/curve/v2","curve":{}}', "v2' is not known"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"quantum"}}', "kind 'quantum'"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"constant"}}', "constant has no rate"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":"high"}}', "no float"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":true}}', "no float"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":null}}', "null"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":1,"colour":2}}', "has no colour here"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"sampled","points":[]}}', "no Points"),
        ('{"schema":"yieldbot/curve/v1","curve":{"kind":"outlook"}}', "part of one"),
        ('{"schema":"yieldbot/curve/v1","curve":7}', "part of one"),
        ('{"schema":"yieldbot/curve/v1","curve":' + "[" * 100_000, "no curve"),
    ],
)
def test_what_is_not_known_is_a_named_error(text: str, says: str) -> None:
    with pytest.raises(CurveUnknown, match=says):
        rebuilt(text)


def test_vaults_within_vaults_without_end_are_no_curve() -> None:
    text = '{"kind":"constant","rate":1.0}'
    for _ in range(30):
        text = f'{{"kind":"undrained","base":{text},"least":1.0}}'
    with pytest.raises(CurveUnknown, match="without end"):
        rebuilt(f'{{"schema":"yieldbot/curve/v1","curve":{text}}}')


def test_a_class_without_a_kind_cannot_be_written() -> None:
    class Strange:
        def apr(self, x: float, horizon_seconds: float) -> float:
            return 0.0

        marginal = apr

        def breakpoints(self) -> tuple[float, ...]:
            return ()

    with pytest.raises(CurveUnknown, match="Strange has no kind"):
        written(Strange())


@settings(max_examples=draws(40, 100), deadline=None)
@given(st.text('{}[]":,abc0123.e-', max_size=80))
def test_no_text_crashes(text: str) -> None:
    for one in (text, f'{{"schema":"yieldbot/curve/v1","curve":{text}}}'):
        with contextlib.suppress(CurveUnknown):
            rebuilt(one)
