"""When farms and emissions end, by their accounts."""

from __future__ import annotations

import base64
import json
import random
import struct
from dataclasses import replace

import pytest

from tests.kit.recorded import folder
from tests.kit.solana.flow_chain import key
from tests.unit.risk.test_issuance import NO_ONE, facts, on_collateral
from yieldbot.errors import MarketError
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.protocols.solana.reward_ends import (
    AVAILABLE_AT,
    CURVE_AT,
    DECIMALS_AT,
    FARM_BYTES,
    FARM_TAG,
    ISSUED_AT,
    LATEST,
    POINTS,
    PRICES_AT,
    REWARD_BYTES,
    REWARDS_AT,
    STAKED_AT,
    TYPE_AT,
    UNIT_AT,
    RewardEnd,
    bank_ends,
    farm_ends,
    farm_of,
    runs_out,
)
from yieldbot.risk.other_sides import yield_quality
from yieldbot.risk.scales import scales

NOW, UNUSED = 1_700_000_000, 2**64 - 1


def farm(*rewards: tuple[Address, int, int, list[tuple[int, int]], int], staked: int = 0) -> bytearray:
    """A farm with rewards: (mint, available, issued at, curve, type)."""
    data = bytearray(FARM_BYTES)
    data[:8] = FARM_TAG
    struct.pack_into("<QQQ", data, 7232, len(rewards), 0, staked)
    for place, (mint, left, since, curve, kind) in enumerate(rewards):
        at = REWARDS_AT + place * REWARD_BYTES
        data[at : at + 32] = key_bytes(mint)
        struct.pack_into("<Q", data, at + AVAILABLE_AT, left)
        struct.pack_into("<Q", data, at + ISSUED_AT, since)
        data[at + TYPE_AT], data[at + DECIMALS_AT] = kind, 2
        for number in range(POINTS):
            point = curve[number] if number < len(curve) else (UNUSED, 0)
            struct.pack_into("<QQ", data, at + CURVE_AT + 16 * number, *point)
    return data


def test_a_farm_ends_when_its_rewards_are_used_up_or_its_schedule_says_so() -> None:
    steady = (key(1), 1_000, NOW - 10, [(0, 50)], 0)  # 0.50 a second
    ending = (key(2), 10**12, NOW - 10, [(0, 50), (NOW + 500, 0)], 0)
    empty = (key(3), 0, NOW - 10, [(0, 50)], 0)
    spent = (key(4), 3, NOW - 10, [(0, 50)], 0)
    data = farm(steady, ending, empty, spent)
    assert farm_ends(bytes(data), NOW) == (RewardEnd(key(1), NOW - 10 + 2_000), RewardEnd(key(2), NOW + 500))
    by_stake = farm((key(1), 1_000, NOW, [(0, 1)], 1), staked=50)
    assert farm_ends(bytes(by_stake), NOW) == (RewardEnd(key(1), NOW + 2_000),)
    for at, value in ((UNIT_AT, 1), (PRICES_AT, 9), (REWARDS_AT + TYPE_AT, 7)):
        odd = bytearray(data)
        odd[at] = value
        assert farm_ends(bytes(odd), NOW)[0].at is None, "what cannot be computed is not known"
    assert STAKED_AT == 7248
    for junk in (b"", bytes(FARM_BYTES), bytes(data)[:-1]):
        with pytest.raises(MarketError):
            farm_ends(junk, NOW)


@pytest.mark.parametrize("seed", range(60))
def test_the_end_is_the_one_that_second_by_second_issuance_has(seed: int) -> None:
    draw = random.Random(seed)
    starts = sorted(draw.sample(range(0, 400), draw.randint(1, 5)))
    curve = [(start, draw.choice((0, draw.randint(1, 9)))) for start in starts]
    left, since = draw.randint(1, 1_500), starts[0] + draw.randint(0, 300)
    rates = [next((rate for start, rate in reversed(curve) if start <= second), 0) for second in range(3_000)]
    rest, expected = left, None
    for second in range(since, 3_000):
        if not any(rates[second:]):
            expected = second
            break
        rest -= rates[second]
        if rest <= 0:
            expected = second + 1
            break
    assert runs_out(left, since, [*curve, (UNUSED, 0)]) == expected


def test_recorded_banks_and_the_recorded_reserve_are_read() -> None:
    for name in ("bonk_bank", "cloud_bank", "pyusd_bank"):
        document = json.loads((folder() / "solana" / f"{name}.json").read_text())
        data = base64.b64decode(document["account"]["data"][0])
        for one in bank_ends(data, NOW):
            assert one.at is None or NOW <= one.at < LATEST
        emitting = bytearray(data)
        emitting[840:848] = (int.from_bytes(data[840:848], "little") | 2).to_bytes(8, "little")
        emitting[848:856] = (10**6).to_bytes(8, "little")
        emitting[856:872] = (10**6 << 48).to_bytes(16, "little")
        (one,) = bank_ends(bytes(emitting), NOW)
        assert one.at is None or one.at >= NOW
    document = json.loads((folder() / "solana" / "kamino_usdc_reserve.json").read_text())
    found = farm_of(base64.b64decode(document["account"]["data"][0]))
    assert found is None or len(found) > 30
    assert farm_of(b"") is None


def test_an_end_that_the_yield_does_not_count_is_an_input_of_its_quality() -> None:
    state, known = on_collateral(), facts(NO_ONE)
    at = state.block.timestamp
    plain = yield_quality(state, known, scales(), 0.0)
    soon, late, never = (
        yield_quality(state, replace(known, reward_ends=(("JTO", end),)), scales(), 0.0)
        for end in (at + 86_400, at + 200 * 86_400, None)
    )
    assert soon.score < never.score < late.score and late.score >= plain.score
    assert any(one.value.startswith("in 1 day (not counted") for one in soon.evidence)
    assert "when rewards in JTO end" in never.missing
