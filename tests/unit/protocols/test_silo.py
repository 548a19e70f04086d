"""Silo's rate model in integers: figures of the real contract, its caps, and what is no silo of this kind."""

from __future__ import annotations

import pytest

from yieldbot.errors import MarketError
from yieldbot.math.silo import MOST_A_SECOND, RateTerms, SiloCurve, exactly, used_of, worth
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.units import WAD
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.protocols.silo import TERMS

USDC = Token(ChainId("eip155:1"), Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
SILO = Address("0x78bB3aEC3d855431bd9289fD98dA13F9ebB7ef15")
DAY = 86_400
STABLE = (
    *(800_000_000_000_000_000, 900_000_000_000_000_000, 500_000_000_000_000_000),
    *(183_506, 237_823_439_878, 31_709_791_984, 1_585_489_599, 27_777_777_777_778),
)
"""The terms of Silo's stable pairs."""
REAL = (
    ((1585489599, 0, 850_000, 30 * DAY), (35547779887340798, 25367089599, 0, 800001059987664000)),
    ((1585489599, 0, 600_000, 30 * DAY), (2474288910375619, 951293759, 0, 29999999983824000)),
    ((1585489599, 0, 400_000, 10 * DAY), (548095354293079, 634195839, 0, 19999999978704000)),
    (
        (9876543210, 555 * 10**15, 953_217, 20 * DAY),
        (855085400937946980, 58460991210, 48555000000000384000, 21622402094565888000),
    ),
    ((300_000_000, 0, 123_457, 3 * DAY), (50737040388899, 195739789, 0, 6172849985904000)),
    ((1585489599, 0, 700_000, 300 * DAY), (29191237868423507, 1109842719, 0, 34999999986384000)),
    ((1585489599, 0, 979_797, 12), (246797400670, 1585885515, 333333333333336, 648689478364656000)),
)
"""(integrator, surcharge, debt of 1,000,000 supplied, seconds), and what the real InterestRateModelV2 (340a49b)
answers: (growth, integrator, surcharge, stated annual rate)."""


def test_the_model_answers_as_the_real_one() -> None:
    for (ri, tcrit, debt, seconds), (growth, after_ri, after_tcrit, stated) in REAL:
        terms, used = RateTerms(*STABLE, ri, tcrit), used_of(10**6, debt)
        assert terms.growth(used, seconds) * WAD == pytest.approx(growth, abs=2, rel=1e-12)
        after = terms.after(used, seconds)
        assert (after.ri, after.tcrit, terms.stated(used, seconds)) == (after_ri, after_tcrit, stated)


def test_the_integrator_moves_the_rate_until_the_horizon_and_its_floor_holds() -> None:
    terms = RateTerms(*TERMS)
    high, low = 85 * WAD // 100, 60 * WAD // 100
    assert terms.after(high, 30 * DAY).ri > terms.ri > 60 * terms.klin // 100
    assert terms.after(low, 300 * DAY).ri == 60 * terms.klin // 100  # never below the least rate
    assert terms.after(95 * WAD // 100, DAY).tcrit == terms.beta * DAY
    rising = [terms.stated(high, days * DAY) for days in (0, 10, 30)]
    assert rising == sorted(rising) and rising[0] < rising[-1]
    assert terms.growth(high, 30 * DAY) == pytest.approx(terms.growth(high, 30 * DAY, exactly), rel=1e-3)


def test_growth_beyond_the_cap_is_cut_and_sets_the_model_back() -> None:
    terms = RateTerms(*TERMS[:8], 10**14, 0)
    assert terms.growth(WAD, DAY) == MOST_A_SECOND / WAD * DAY
    assert (terms.after(WAD, DAY).ri, terms.after(WAD, DAY).tcrit) == (0, 0)
    assert terms.growth(WAD, 10**6) == MOST_A_SECOND / WAD * 10**6  # beyond the exponent that is computed


def test_marginal_is_the_slope_of_income_without_the_contracts_steps() -> None:
    curve = SiloCurve(others=1_000_000.0, borrowed=850_000.0, keep=0.85, terms=TERMS)
    for x in (0.0, 50_000.0, 400_000.0):
        step = 2_000.0
        wide = ((x + step) * curve.apr(x + step, 30 * DAY) - x * curve.apr(x, 30 * DAY)) / step
        between = (curve.marginal(x, 30 * DAY) + curve.marginal(x + step, 30 * DAY)) / 2
        assert between == pytest.approx(wide, rel=0.01)
    assert [round(x) for x in curve.breakpoints()] == [62_500, 700_000]


def test_shares_are_worth_what_a_withdrawal_pays() -> None:
    assert worth(999, 10**6, 10**9 - 1000) == 0 and worth(1_001, 10**6, 10**9 - 1000) == 1  # rounded down
    assert worth(5, 10**6, 0) == 0 and used_of(0, 5) == 0 and used_of(5, 10) == WAD


def test_what_is_no_silo_is_unfit() -> None:
    adapter = adapters()["silo"]
    flow = adapter.discover(Deployment("silo", USDC.chain, "Silo", {"silos": [SILO]}, (USDC,)))
    reads = next(flow)
    with pytest.raises(StopIteration) as done:
        while True:
            reads = flow.send([b"" for _ in reads])
    (market,) = done.value.value
    with pytest.raises(MarketError, match="Silo"):
        next(adapter.observe(market, SILO, BlockRef(USDC.chain, 1, "0x" + "00" * 32, 1)))
