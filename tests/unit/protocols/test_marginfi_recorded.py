"""marginfi's layouts on accounts recorded from mainnet, whose owner was changed to another program."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.kit.recorded import folder
from yieldbot.errors import MarketError
from yieldbot.math.curves import KinkedCurve
from yieldbot.math.marginfi import ONE
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes, layout, pda
from yieldbot.protocols.solana.marginfi import bank_of, points_of

PROGRAM = Address("MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA")
SECONDS_PER_DAY = 86_400


def recorded(name: str) -> tuple[Any, bytes]:
    document = json.loads((folder() / "solana" / f"{name}.json").read_text())
    return document, base64.b64decode(document["account"]["data"][0])


def test_the_group() -> None:
    document, data = recorded("mainnet_group")
    group = layout("marginfi").decode("MarginfiGroup", data)
    assert group["admin"] == "CYXEgwbPHu2f9cY3mcUkinzDoDcsSan7myh1uBvYRbEw" and group["pause_flags"] == 0
    assert group["program_fee_rate"] / ONE == pytest.approx(0.075)
    assert document["pubkey"] == "4qp6Fx6tnZkY5Wropq9wUYgtFxXKwE6viZxFHg3rdAG8"


@pytest.mark.parametrize(
    ("name", "mint", "decimals", "supplied", "used", "optimal", "plateau"),
    [
        ("bonk_bank", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, 868_838_403_951.489, 0.0117607, 0.8, 0.3),
        ("cloud_bank", "CLoUDKc4Ane7HeQcPpE3YHnznRxhMimJ4MyaUqyHFzAu", 9, 678_976.4829937, 0.0736403, 0.8, 0.1),
        ("pyusd_bank", "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", 6, 2.4713015, 0.1419421, 0.85, 0.1),
    ],
)
def test_banks(
    name: str, mint: str, decimals: int, supplied: float, used: float, optimal: float, plateau: float
) -> None:
    document, data = recorded(name)
    fields = layout("marginfi").decode("Bank", data)
    assert (fields["mint"], fields["mint_decimals"], fields["operational_state"]) == (mint, decimals, 1)
    group = layout("marginfi").decode("MarginfiGroup", recorded("mainnet_group")[1])
    bank = bank_of(fields, group)
    assert bank.assets_fx / ONE / 10**decimals == pytest.approx(supplied)
    assert bank.liabilities_fx / bank.assets_fx == pytest.approx(used, abs=1e-7)
    assert points_of(bank) == ((0.0, 0.0), pytest.approx((optimal, plateau)), (1.0, pytest.approx(3.0)))
    curve = KinkedCurve(bank.assets_fx / ONE, bank.liabilities_fx / ONE, points_of(bank), 1.0)
    month = bank.accrued(fields["last_update"] + 30 * SECONDS_PER_DAY)
    earned = (month.asset_value_fx / bank.asset_value_fx - 1) * 365 / 30
    assert curve.apr(0.0, 30 * SECONDS_PER_DAY) == pytest.approx(earned, abs=1e-8)
    program = PROGRAM if name != "pyusd_bank" else Address(document["account"]["owner"])
    assert fields["liquidity_vault"] == pda(program, b"liquidity_vault", key_bytes(document["pubkey"]))


def test_an_account_of_another_kind_is_none() -> None:
    with pytest.raises(MarketError, match="no Bank"):
        layout("marginfi").decode("Bank", recorded("mainnet_group")[1])
