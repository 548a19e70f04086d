"""The lines of alarms that stand."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.market_builder import market, snapshot
from yieldbot.cli.render import alarms
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.risk import Act, Alarm


def test_of_many_markets_without_our_money_some_are_named_and_of_those_with_it_all() -> None:
    order = Alarm(code="EXIT_ORDERED", act=Act.LEAVE, saw="you ordered the exit", since=1)
    states = [
        replace(market(f"{held:g}m{number}", ConstantCurve(0.05), held=held), alarms=(order,))
        for held in (0.0, 7.0)
        for number in range(8)
    ]
    empty, ours = (str(line) for line in alarms(snapshot(0, *states)))
    assert empty == "ALARM EXIT_ORDERED (leave) 0m0, 0m1, 0m2, 0m3, 0m4, 3 more: you ordered the exit"
    assert ours == f"ALARM EXIT_ORDERED (leave) {', '.join(f'7m{n}' for n in range(8))}: you ordered the exit"
