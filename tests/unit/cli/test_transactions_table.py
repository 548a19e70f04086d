"""The tables of transactions say what each transaction does, not only which leg it belongs to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rich.console import Console

from tests.kit.wiring import USDC
from yieldbot.cli import render
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Leaving
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.tx import Confirmed


def shown(part: Any) -> str:
    console = Console(width=200)
    with console.capture() as found:
        console.print(part)
    return found.get()


def test_an_allowance_is_no_deposit_and_shares_of_a_served_request_are_claimed() -> None:
    vault = MarketId("erc4626/eip155:8453/0xaa")

    def usdc(units: int) -> Amount:
        return Amount(USDC, units)

    block: Any = None
    gone = Leaving(requested=usdc(3), ready=usdc(0), back=usdc(2), entered=7)
    snapshot: Any = SimpleNamespace(states={vault: SimpleNamespace(leaving=gone)})
    legs = [Leg(LegKind.DEPOSIT, vault, usdc(1))] * 2
    legs += [Leg(LegKind.CANCEL, vault, amount) for amount in (gone.back, gone.requested)]
    outcomes = tuple((leg, Confirmed(f"0x{at}", block, 5, 1, ())) for at, leg in enumerate(legs))
    words = {"0x0": "allow Vault to take 1 USDC", "0x1": "deposit 1 USDC into Vault"}
    report: Any = SimpleNamespace(outcomes=outcomes, words=words, snapshot=snapshot)
    table = shown(render.transactions(report, {vault: "Vault"}))
    assert [line.split("  ")[0].strip() for line in table.splitlines() if "confirmed" in line] == [
        "allow Vault to take 1 USDC",
        "deposit 1 USDC into Vault",
        "claim Vault",
        "cancel Vault",
    ]
