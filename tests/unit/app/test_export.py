"""The export without a terminal and without a chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.kit.config.files import written
from tests.kit.wiring import CHAIN, OWNER, USDC
from yieldbot.app.context import Context
from yieldbot.app.export import ExportRequest, _Noticed, export
from yieldbot.books.ledger import RowKind
from yieldbot.errors import ConfigError

OFFLINE = ExportRequest(offline=True)


def test_an_account_without_a_past_has_a_head_and_no_rows(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    document = export(OFFLINE, context).as_json()
    assert document["schema"] == "yieldbot/export/v1" and document["rows"] == document["exit_code"] == 0
    assert document["content"].count("\n") == 1 and document["output"] is None
    (account,) = document["accounts"]
    assert account["chain_id"] == "eip155:31337" and account["block"] is None and account["checks"] == []
    file = tmp_path / "out.csv"
    assert export(replace(OFFLINE, output=file), context).content is None
    assert file.read_text().splitlines() == document["content"].splitlines()
    with pytest.raises(ConfigError, match="--force"):
        export(replace(OFFLINE, output=file), context)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (replace(OFFLINE, first_day="2026-13-01"), "write a day as"),
        (replace(OFFLINE, first_day="2026-02-01", last_day="2026-01-01"), "is after --to"),
        (replace(OFFLINE, output=Path()), "not a regular file"),
    ],
)
def test_what_is_no_span_or_no_file_is_refused(request_: ExportRequest, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        export(request_, Context(written(tmp_path)))


def test_a_token_that_was_there_at_the_beginning_without_a_cost_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yieldbot.app.export.Sums", lambda: SimpleNamespace(add=lambda row: None))
    account, names = (CHAIN, OWNER), SimpleNamespace(wallet=lambda account: "main", chains={CHAIN: "base"})
    gathered: Any = SimpleNamespace(accounts=(account,), entries=(), names=names)
    entry = SimpleNamespace(account=account, market_id=None)

    def noted(cost: int | None) -> str:
        noticed = _Noticed()
        row = {
            "what": RowKind.OPENING,
            "value": 5,
            "raw": 5,
            "cost": cost,
            "token": USDC,
            "entry": entry,
            "market": None,
        }
        monkeypatch.setattr("yieldbot.app.export.tables.is_trade", lambda row: False)
        noticed.add(cast("Any", SimpleNamespace(**row)))
        return "\n".join(noticed.missing(gathered))

    assert "main,base,USDC,," in noted(None) and noted(5) == ""
