"""A loss too small for the digits shown is a plain zero, never "-0.00"."""

from __future__ import annotations

from tests.kit.market_builder import usdc
from yieldbot.cli.render import money, percent
from yieldbot.model.amounts import Amount, Apy
from yieldbot.web import figures


def test_no_figure_is_minus_zero() -> None:
    lost = Amount(usdc(1).token, -30)
    assert (money(lost, 4), money(lost)) == ("0.0000", "0.00")
    assert money(Amount(lost.token, -60), 4) == "-0.0001"
    assert percent(Apy(-1e-9)) == "0.000 %"
    shown = str(figures.money({"text": "-0.00003", "symbol": "USDC"}, 4))
    assert ">0.0000<" in shown and ">0.00&#8239;%<" in str(figures.percent(-1e-9))
    tiny = {"text": "-0.000000001", "symbol": "USDC"}
    shown = [figures.money(tiny), figures.compact(tiny | {"text": "-0.0"}), figures.number(-1e-9, 2)]
    shown += [figures.amount(-1e-9), figures.decimal("-0.000000001"), figures.percent(-1e-9, 0)]
    assert not [one for one in shown if ">-" in str(one)]
