"""What may be spent a day, in tokens and money: each request is counted before it is sent, with the most that it can
take, and corrected afterwards. Kept in a file, so that a restart forgets nothing; the same rows are the metrics."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import InvariantError, YieldbotError
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.assistant.messages_api import Tokens
    from yieldbot.model.assistance import Assistance, Price

FOLDER, FILE = "assistant", "usage.db"
KEPT_DAYS = 400
DAY = 86_400
_TABLE = """CREATE TABLE IF NOT EXISTS used (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
    tokens INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL,
    nanodollars INTEGER NOT NULL, milliseconds INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS used_at ON used (at);"""
_COLUMNS = "at, prompt, model, outcome, tokens, input, cached, output, nanodollars, milliseconds"


class OverBudget(YieldbotError):
    """The day's budget does not suffice for a request."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One request."""

    at: int
    """When it was sent, in unix seconds."""
    prompt: str
    """The version of the prompt."""
    model: str
    """The model."""
    outcome: str
    """``done``, ``open``, or the kind of failure."""
    tokens: int
    """Tokens in all."""
    input: int
    """Tokens that were sent."""
    cached: int
    """Those of them that the service had kept."""
    output: int
    """Tokens that were returned."""
    nanodollars: int
    """The price."""
    milliseconds: int
    """The time until it ended."""


class Budget:
    """The budget of one data directory, shared by every process on it."""

    def __init__(self, data_dir: Path, now: Callable[[], float] = time.time) -> None:
        self._file, self._now = data_dir / FOLDER / FILE, now

    def take(self, settings: Assistance, prompt: str, model: str, tokens: int, nanodollars: int) -> int:
        """Count a request with the most that it can take, before it is sent. Returns its number. Raises OverBudget,
        and InvariantError where the file cannot be used: what cannot be counted is not sent."""
        now = int(self._now())
        with self._open() as data:
            data.execute("BEGIN IMMEDIATE")
            data.execute("DELETE FROM used WHERE at < ?", (now - KEPT_DAYS * DAY,))
            spent, used = data.execute(
                "SELECT COALESCE(SUM(nanodollars), 0), COALESCE(SUM(tokens), 0) FROM used WHERE at >= ?",
                (now - now % DAY,),
            ).fetchone()
            if spent + nanodollars > settings.daily_nanodollars:
                data.rollback()
                raise OverBudget(
                    f"the assistant has spent {dollars(spent)} of {dollars(settings.daily_nanodollars)} today, and the "
                    f"next request may cost {dollars(nanodollars)}: ask again after 00:00 UTC, or raise "
                    "assistant.daily_usd"
                )
            if used + tokens > settings.daily_tokens:
                data.rollback()
                raise OverBudget(
                    f"the assistant has used {used} of {settings.daily_tokens} tokens today, and the next request may "
                    f"take {tokens}: ask again after 00:00 UTC, or raise assistant.daily_tokens"
                )
            values = (now, prompt, model, "open", tokens, 0, 0, 0, nanodollars, 0)
            marks = ", ".join("?" * len(values))
            number = data.execute(f"INSERT INTO used ({_COLUMNS}) VALUES ({marks})", values).lastrowid
            data.commit()
        assert number is not None
        return number

    def settle(self, number: int, tokens: Tokens, price: Price, outcome: str, seconds: float) -> int:
        """Correct a request to what it took. Returns its price in nanodollars."""
        cost = cost_of(tokens, price)
        sent = tokens.input + tokens.cache_write + tokens.cache_read
        with self._open() as data:
            data.execute(
                "UPDATE used SET outcome = ?, tokens = ?, input = ?, cached = ?, output = ?, nanodollars = ?,"
                " milliseconds = ? WHERE id = ?",
                (outcome, tokens.total, sent, tokens.cache_read, tokens.output, cost, int(seconds * 1000), number),
            )
            data.commit()
        return cost

    def failed(self, number: int, outcome: str, seconds: float, taken: bool) -> None:
        """Record that a request failed. taken: whether the service may have worked on it: what that took is not known,
        so the most that it could take stays counted."""
        free = "" if taken else ", tokens = 0, nanodollars = 0"
        with self._open() as data:
            data.execute(
                f"UPDATE used SET outcome = ?, milliseconds = ?{free} WHERE id = ?",
                (outcome, int(seconds * 1000), number),
            )
            data.commit()

    def rows(self, days: int = 7) -> list[Row]:
        """The requests of the last days, the oldest first; none where nothing was ever asked."""
        if not self._file.exists():
            return []
        with self._open() as data:
            since = int(self._now()) - days * DAY
            return [
                Row(*one) for one in data.execute(f"SELECT {_COLUMNS} FROM used WHERE at >= ? ORDER BY id", (since,))
            ]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
            data = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        except (OSError, sqlite3.Error) as failure:
            raise InvariantError(f"{self._file}: {failure}: move it away to begin anew") from None
        try:
            data.executescript(_TABLE)
            yield data
        except sqlite3.Error as failure:
            raise InvariantError(f"{self._file}: {failure}: move it away to begin anew") from None
        finally:
            data.close()


def cost_of(tokens: Tokens, price: Price) -> int:
    """The price of tokens, in nanodollars."""
    return (
        tokens.input * price.input
        + tokens.output * price.output
        + tokens.cache_write * price.cache_write
        + tokens.cache_read * price.cache_read
    )


def dollars(nanodollars: int) -> str:
    """An amount in words, as 1.25 USD."""
    return f"{nanodollars / 10**9:z.4f}".rstrip("0").ljust(1).rstrip(".") + " USD"
