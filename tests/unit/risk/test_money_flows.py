"""Which flows are large, and what is said of the largest depositor; what the exit side of a grade makes of it."""

from __future__ import annotations

import pytest

from tests.kit.market_builder import kinked, market
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.money_flows import Holders, MarketFlows, MoneyFlow
from yieldbot.model.risk import Component
from yieldbot.risk.exit_side import exit_liquidity
from yieldbot.risk.facts import Around, Facts
from yieldbot.risk.money_flows import MOST_LINES, Measure, concentration, large_flows
from yieldbot.risk.scales import scales

A, B = Address("0x" + "a" * 40), Address("0x" + "b" * 40)


def flow(amount: float, index: int = 0, account: Address = A) -> MoneyFlow:
    return MoneyFlow(market=MarketId("m"), amount=amount, account=account, block=7, index=index)


def flows(*some: MoneyFlow, count: int = 0) -> MarketFlows:
    ordered = tuple(sorted(some, key=lambda one: -abs(one.amount)))
    return MarketFlows(since=5, deposited=1e6, withdrawn=2e6, count=count or len(some), largest=ordered)


def measure(supplied: float, usd: float | None = 1.0, safety: int | None = 80) -> Measure:
    return Measure(supplied=supplied, symbol="USDC", usd=usd, safety=safety)


@pytest.mark.parametrize(
    ("by", "least"),
    [
        (measure(100_000), 10_000.0),  # a tenth of a small market
        (measure(1_000_000), 40_000.0),  # 50,000 dollars * 80 / 100
        (measure(1_000_000, safety=20), 10_000.0),  # the worse the market, the less it takes
        (measure(1_000_000, usd=2_000.0), 1_000.0),  # a thousandth of the market at least
        (measure(1_000_000_000), 1_000_000.0),
        (measure(1_000_000, usd=None), 100_000.0),
        (measure(1_000_000, safety=None), 1_000.0),
    ],
)
def test_from_what_on_a_flow_is_large(by: Measure, least: float) -> None:
    assert by.least == pytest.approx(least)
    assert large_flows(flows(flow(-least)), by) and not large_flows(flows(flow(0.99 * least)), by)


def test_large_flows_are_lines_and_many_are_summed() -> None:
    (line,) = large_flows(flows(flow(-20_000)), measure(100_000))
    assert line == f"withdrawal of 20,000 USDC (20.0% of it) by {A} (block 7)"
    lines = large_flows(flows(*(flow(20_000 + n, n) for n in range(12)), count=40), measure(100_000))
    assert len(lines) == MOST_LINES + 1 and "all of 40 flows: 1,000,000 USDC in, 2,000,000 out" in lines[-1]
    (line,) = large_flows(flows(flow(1, account=B), flow(2)), measure(100_000), {B})
    assert line.endswith("an address that is followed") and B in line


def test_the_largest_depositor_is_told_when_its_part_changes() -> None:
    some = Holders(top=((A, 0.4), (B, 0.2)), seen=0.6, since=5)
    line, part = concentration(some, None, 0.3)
    assert part == 0.4 and f"{A}, holds 40% of what others supplied, the top ten 60%" in line
    assert concentration(some, 0.35, 0.3) == ("", 0.35)
    assert concentration(Holders(top=((A, 0.05),), seen=0.05), None, 0.3) == ("", None)
    line, _ = concentration(Holders(top=((A, 0.2),), seen=0.2), None, 0.3)
    assert "up to 30% may be one's" in line


def side(holders: Holders | None) -> Component:
    state = market("m", kinked(1e6, 6e5), borrowed=6e5, liquidity=4e5)
    return exit_liquidity(state, Facts(around=Around(size=1e4), holders=holders), scales())


def test_the_exit_side_takes_the_largest_depositor_that_was_measured() -> None:
    unknown = side(None)
    assert "largest depositor" in unknown.missing
    few = side(Holders(top=((A, 0.9),), seen=0.9, since=5, block=9))
    assert few.score < unknown.score and "largest depositor" not in few.missing, "nearly all is one's"
    many = side(Holders(top=((A, 0.05),), seen=0.97, since=5, block=9))
    assert many.score >= unknown.score and "largest depositor" not in many.missing
    some = side(Holders(top=((A, 0.05),), seen=0.05, since=5, block=9))
    assert "largest depositor" in some.missing, "what nobody named holds may be one's"
    (shown,) = [one for one in many.evidence if one.what == "largest depositor seen"]
    assert shown.value.startswith("5.0%") and shown.block == 9 and "block 5" in shown.source
