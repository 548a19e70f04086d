"""Euler's arithmetic: caps of sixteen bits, lines of rate models; vaults that are not what their row says."""

from __future__ import annotations

from fractions import Fraction

import pytest
from eth_abi.abi import encode

from yieldbot.errors import MarketError
from yieldbot.math.euler import EVEN, MOST_RATE, RAY, WHOLE, VaultTotals, cap_of, points_of, rate_at, worth
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols import adapters

CHAIN = ChainId("eip155:1")
USDC = Token(CHAIN, Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
VAULT = "0xBEEF01735c132Ada46AA9aA4c54623cAA92A64CB"
YEAR = 31_536_000


@pytest.mark.parametrize(
    ("encoded", "cap"),
    [
        (0, None),
        (120 << 6 | 12, 1_200_000 * 10**6),
        (100 << 6 | 0, 1),
        (1 << 6 | 1, 0),
        (1023 << 6 | 63, 1023 * 10**61),
    ],
)
def test_a_cap_is_a_mantissa_of_hundredths_and_an_exponent(encoded: int, cap: int | None) -> None:
    assert cap_of(encoded) == cap


def test_points_on_a_line_are_left_out_and_rates_are_bounded() -> None:
    corner = WHOLE * 9 // 10 + 1
    asked = sorted({*EVEN, corner})
    slope = RAY // 10 // YEAR // WHOLE
    rates = [u * slope if u <= corner else corner * slope + (u - corner) * slope * 20 for u in asked]
    points = points_of(asked, rates)
    assert [u for u, _ in points] == pytest.approx([0.0, 0.9, 1.0])
    assert rate_at(points, 0.45) == pytest.approx(0.045, rel=1e-6)
    assert points_of((0, WHOLE), (0, 2**256 - 1))[-1][1] == MOST_RATE * SECONDS_PER_YEAR / RAY
    bent = points_of(EVEN, [u * u // WHOLE * slope for u in EVEN])
    assert len(bent) == len(EVEN)


def test_the_curve_is_the_vaults_growth_to_a_millionth() -> None:
    """By exact powers: debt grows every second, fees and the virtual deposit take their parts."""
    totals = VaultTotals(
        cash_raw=200_000 * 10**6,
        borrowed_raw=800_000 * 10**6,
        assets_raw=1_000_000 * 10**6,
        supply=990_000 * 10**6,
        fee=1000,
        points=((0.0, 0.01), (0.9, 0.09), (1.0, 0.5)),
    )
    more, days = 500_000, 10
    used = Fraction(800_000, 1_000_000 + more)
    second = (Fraction(1, 100) + used / Fraction(9, 10) * Fraction(8, 100)) / YEAR
    debt = 800_000 * (1 + float(second)) ** (days * 86_400) - 800_000
    growth = debt * 0.9 / (1_000_000 + more + 1)
    apr = totals.curve(10**6, 0).apr(float(more), days * 86_400.0)
    assert apr == pytest.approx(growth * 365 / days, rel=1e-6)
    assert worth(990_000 * 10**6, totals.assets_raw, totals.supply) == 999_999_989_899


@pytest.mark.parametrize(("asset", "why"), [(VAULT, "not among"), (None, "does not answer")])
def test_a_vault_of_another_asset_or_kind_is_unfit(asset: str | None, why: str) -> None:
    adapter = adapters()["euler"]
    flow = adapter.discover(Deployment("euler", CHAIN, "Euler", {"vaults": [VAULT]}, (USDC,)))
    reads = next(flow)
    word = encode(["address"], [asset or VAULT])
    answers = [b"" if asset is None else word for _ in reads]
    if asset is not None:
        answers[1], answers[2] = encode(["string"], ["eUSDC"]), encode(["uint8"], [6])
        answers[-1] = encode(["address[]"], [[]])
    with pytest.raises(StopIteration) as done:
        rounds = flow.send(answers)
        flow.send([b"" for _ in rounds])
    (market,) = done.value.value
    with pytest.raises(MarketError, match=why):
        next(adapter.observe(market, Address(VAULT), BlockRef(CHAIN, 1, "0x" + "00" * 32, 1_700_000_000)))
