"""The journal's rows as they are on the disk, read without the program's own code."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    at: int
    kind: str
    chain: str
    owner: str
    plan_id: str
    body: dict[str, Any]

    @property
    def account(self) -> tuple[str, str]:
        return self.chain, self.owner


def after(file: Path, seq: int) -> list[Row]:
    """The rows behind number ``seq``."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        found = connection.execute(
            "SELECT seq, at, kind, chain, owner, plan_id, body FROM events WHERE seq > ? ORDER BY seq", (seq,)
        ).fetchall()
    finally:
        connection.close()
    return [Row(*row[:6], json.loads(row[6])) for row in found]


class Repeats:
    """Finds rows that say what the last one of their job says, on the same day, though nothing else of the account
    happened in between, nor right behind them. What was only counted is written before the row that differs from the
    last one, in the same pass: such rows are passed over."""

    def __init__(self) -> None:
        self._last: dict[str, Row] = {}
        self._events: dict[tuple[str, str], int] = {}
        """The number of each account's newest row that tells of something."""

    def among(self, rows: Sequence[Row]) -> Iterator[str]:
        """rows: those of one pass."""
        for at, row in enumerate(rows):
            job, said = _said(row)
            if job is None or said is None:
                self._events[row.account] = row.seq
                if job is not None:
                    self._last.pop(job, None)
                continue
            if any(_said(later)[0] == job for later in rows[at + 1 :]):
                continue
            before, self._last[job] = self._last.get(job), row
            if before is None or _day(row) != _day(before) or not _same(_said(before)[1], said):
                continue
            behind = any(one.account == row.account and not _same(_said(one)[1], said) for one in rows[at + 1 :])
            if not behind and self._events.get(row.account, 0) < before.seq:
                yield f"row {row.seq} ({row.kind}) of {job} repeats row {before.seq}: {str(said)[:300]}"


def twice(rows: Sequence[Row]) -> Iterator[str]:
    """Alarms of a market that several accounts wrote in one pass."""
    seen = dict[str, Row]()
    for row in rows:
        if row.kind.startswith("alarm."):
            key = f"{row.kind} {[row.chain, row.owner, row.body['market_id'], row.body['code'], row.body['act']]}"
            if key in seen:
                yield f"rows {seen[key].seq} and {row.seq} are the same: {key}"
            seen[key] = row


def _day(row: Row) -> int:
    began = row.body["began"] if row.kind == "run.ended" else row.body["block"]["timestamp"]
    return int(began) // DAY_SECONDS


def _said(row: Row) -> tuple[str | None, Any]:
    """(the job that a row is of, what it says); what it says is None where every such row is to be written."""
    body = row.body
    if row.kind == "run.ended":
        job = "|".join((row.chain, row.owner, ",".join(body["assets"]), body["command"]))
        words = re.sub(r"[0-9][0-9.,:]*", "0", body["reason"])
        calm = body["outcome"] in ("held", "queued")
        return job, (body["outcome"], body["code"], words, row.plan_id) if calm else None
    if row.kind == "observed" and "forecasts" in body["facts"] and "predicted" not in body["facts"]:
        held = {market: (int(one["held_raw"]), one["apr"]) for market, one in body["facts"]["forecasts"].items()}
        return "|".join(("observed", row.chain, row.owner, str(body.get("asset")))), (
            body["facts"].get("idle_raw"),
            held,
        )
    return None, None


def _same(before: Any, now: Any) -> bool:
    if before is None or not isinstance(now[-1], dict) or not isinstance(before[-1], dict):
        return bool(before == now)
    if before[0] != now[0] or before[1].keys() != now[1].keys():
        return False
    pairs = [(was, now[1][market]) for market, was in before[1].items()]
    return all(abs(a - b) <= 0.004 * a and abs(x - y) <= 0.004 for (a, x), (b, y) in pairs)
