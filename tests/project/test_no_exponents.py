"""No amount, price or supply is ever shown as "1.9e-05": significant digits are written by ``numbers.significant``."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.kit import ROOT
from yieldbot.cli.balance_changes import signed
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.numbers import significant
from yieldbot.model.tx import Delta

EXPONENT = re.compile(r"""(?<=[^\\%]):[^\s{}'":]*\.(?:\d+|\{[^{}]+\})[geGE]\}""")
"""The format of a number in an f-string that turns to an exponent where the number is small or large."""
OF_NO_AMOUNT = {
    "app/alert_rules.py": "a percentage",
    "app/backtest.py": "a flag's value, for a command that reads it again",
    "chains/evm/rollups.py": "a fee that cannot be",
    "cli/alert.py": "a percentage",
    "cli/report/charts.py": "percentages",
    "allocator/document.py": "the power of ten above which no amount is taken",
    "history/columns.py": "a column's name",
    "history/market_statistics.py": "a float, rounded",
    "model/bounds.py": "a price that cannot be",
    "model/contradiction.py": "a rate that cannot be",
    "model/controls.py": "a duration",
    "model/numbers.py": "significant itself",
    "protocols/evm/comet_queue.py": "a percentage",
    "protocols/evm/vault_v2.py": "a percentage",
    "rpc/endpoint.py": "seconds",
    "web/figures.py": "a duration",
}
"""By file, what its formats of significant digits are of."""


def test_only_what_is_no_amount_is_formatted_with_a_possible_exponent() -> None:
    for wrong in ("{gas:.4g}", "{gas:,.6g}", "{gas:+.{digits}g}", "{gas:.3e}"):
        assert EXPONENT.search(f'f"{wrong}"'), wrong
    assert not EXPONENT.search('f"{gas:z,.2f} {hours:g} {name:>8}"')
    home = ROOT / "yieldbot"
    found = {str(one.relative_to(home)) for one in home.rglob("*.py") if EXPONENT.search(one.read_text())}
    assert found - set(OF_NO_AMOUNT) == set(), "write amounts by yieldbot/model/numbers.significant"
    assert set(OF_NO_AMOUNT) - found == set(), "no longer needed"


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (1.895e-05, 4, "0.00001895"),
        (Decimal("-0.000042024"), 4, "-0.00004202"),
        (1_234_567.89, 6, "1,234,568"),
        (999_999.7, 6, "1,000,000"),
        (1e24, 8, "1,000,000,000,000,000,000,000,000"),
        (0.5, 4, "0.5"),
        (1_500.0, 3, "1,500"),
        (-0.0, 3, "0"),
        (float("inf"), 3, "inf"),
    ],
)
def test_significant_digits_have_no_exponent(value: float | Decimal, digits: int, said: str) -> None:
    assert significant(value, digits) == said


def test_a_change_of_a_balance_is_signed_and_plain() -> None:
    chain = ChainId("eip155:1")
    ether = Token(chain, Address("0x" + "11" * 20), "ETH", 18)
    amounts = (-42_020_000_000_000, 49_840_000_000, 1_895 * 10**15, 10**21, -(10**14))
    shown = ["-0.00004202 ETH", "+0.00000004984 ETH", "+1.895 ETH", "+1,000 ETH", "-0.0001 ETH"]
    assert [signed(Delta(ether, raw)) for raw in amounts] == shown
