"""What ``plan`` shows of forecasts: quoted, expected with its interval, why, and what the certificate is a bound of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from tests.kit.market_builder import market, snapshot
from tests.kit.policies import loose
from tests.unit.risk.test_protections import JOB
from yieldbot.app.plan_documents import ForecastUsed
from yieldbot.cli.why_table import explained
from yieldbot.decision.decide import decide
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import RateForecast, Snapshot
from yieldbot.model.plan import Plan

SPIKE = "spike: 14.2 % now, 4.1 % over 7 days"
SAID = RateForecast(mean=0.041, low=0.03, high=0.0625, days=7.0, reason=SPIKE)
SPIKING = replace(market("spiking", ConstantCurve(0.142)), forecast=SAID)
STEADY = market("steady", ConstantCurve(0.05))


def shown(view: Snapshot) -> str:
    found = decide(view, loose(), JOB, 0).outcome
    assert isinstance(found, Plan)
    console = Console(width=250, file=None, force_terminal=False)
    with console.capture() as taken:
        console.print(*explained([(JOB, view, found)], loose()))
    return taken.get()


def test_quoted_forecast_and_why_stand_beside_each_other() -> None:
    view = snapshot(10_000, SPIKING, STEADY)
    text = shown(view)
    (row,) = (line for line in text.splitlines() if "spiking" in line and SPIKE in line)
    assert "4.184 % (3.0-6.4)" in row and SPIKE in row
    assert "APY after" in text and "Forecast APY, 7 d (80 %)" in text
    assert "no allocation exceeds" in text and "if markets pay what is forecast" in text
    assert "steady pays 5.12 % APY after our deposit" in text, "money does not follow the spike"
    used = ForecastUsed.of(view)
    assert used == (
        ForecastUsed(market_id=SPIKING.market.id, quoted=0.142, mean=0.041, low=0.03, high=0.0625, days=7.0, why=SPIKE),
    )


def test_the_reason_of_a_move_says_that_it_is_by_forecast() -> None:
    better = replace(SPIKING, forecast=replace(SAID, mean=0.08, reason=""))
    assert "spiking pays 8.32 % APY after our deposit, Wallet 0.00 % by forecast over 7 days" in shown(
        snapshot(10_000, better, STEADY)
    )


def test_without_a_forecast_all_is_as_it_was() -> None:
    view = snapshot(10_000, replace(SPIKING, forecast=None), STEADY)
    text = shown(view)
    assert "Forecast" not in text and "APY expected" not in text and "forecast" not in text
    assert ForecastUsed.of(view) == ()


def test_equal_tables_are_printed_once_with_the_names_of_their_wallets() -> None:
    view = snapshot(10_000, STEADY)
    second = replace(JOB, wallet=replace(JOB.wallet, name="second"))
    poorer = replace(JOB, wallet=replace(JOB.wallet, name="third"))
    found = decide(view, loose(), JOB, 0).outcome
    other = snapshot(5_000, STEADY)
    jobs = [(JOB, view, found), (second, view, found), (poorer, other, decide(other, loose(), JOB, 0).outcome)]
    console = Console(width=250, force_terminal=False)
    with console.capture() as captured:
        console.print(*explained(jobs, loose()))
    text = captured.get()
    assert text.count("Net marginal APY") == 2 and f"Why: as for {JOB.wallet.name}" in text
    assert f"Why, for {JOB.wallet.name}, second" in text and "third" not in text.partition("Why, for")[2].split("\n")[0]


@pytest.mark.parametrize("gwei", [1.0, 100.0])
def test_a_forecast_is_what_is_decided_on(gwei: float) -> None:
    """The spike quotes 14 %: without a forecast all of the money would go there."""
    at = snapshot(100_000, SPIKING, STEADY, gwei=gwei)
    found = decide(at, loose(), JOB, 0).allocation
    assert not found.targets[SPIKING.market.id] and found.targets[STEADY.market.id]
    followed = decide(
        replace(at, states=at.states | {SPIKING.market.id: replace(SPIKING, forecast=None)}), loose(), JOB, 0
    )
    assert followed.allocation.targets[SPIKING.market.id]
