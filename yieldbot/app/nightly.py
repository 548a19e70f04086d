"""The night's summary in words: the file that keeps what the assistant was asked and answered
(``data_dir/assistant/nightly.json``), and the lines of the answer as notices. The daily summary of figures
(``notice_summary``) waits for none of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.notices import Finding, NoticeTimes, Severity, Topic, zone_of
from yieldbot.resources import read_text

FOLDER, FILE, LOCK = "assistant", "nightly.json", "nightly.lock"
LATE_SECONDS = 6 * 3600
"""A summary whose time passed longer ago is not asked for any more."""
DAY = 86_400
MOST_BYTES = 4 * 2**20
SENDING, WAITING, AGAIN, DONE = "sending", "waiting", "again", "done"
"""The request is being sent; the service works on it; it was not taken, and is sent again; it ended."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A document that the model is given."""

    kind: str
    """What it is (``answer_documents.Supplier``)."""
    name: str
    """Its name for people and the model."""
    document: Any
    """The document as JSON values."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night's summary."""

    label: str
    """The date on which its day ends."""
    until: int
    """When its day ends, in unix seconds."""
    state: str
    """``sending``, ``waiting``, ``again`` or ``done``."""
    began: float = 0.0
    """When the request was made, in unix seconds."""
    batch: str = ""
    """The batch's identifier; empty: there is none."""
    number: int = 0
    """The request's number in the budget."""
    model: str = ""
    """The model."""
    prompt: str = ""
    """The versions of the prompts."""
    facts: tuple[Fact, ...] = ()
    """What the model was given."""
    lines: tuple[str, ...] = ()
    """The lines of the notice; empty: there is nothing to say."""
    answer: Mapping[str, Any] | None = None
    """The complete ``AnswerDocument`` as JSON values; None: there is none."""

    def ended(self, lines: Sequence[str] = (), answer: Mapping[str, Any] | None = None) -> Night:
        """It has ended; what the model was given is not needed any more."""
        return replace(self, state=DONE, facts=(), lines=tuple(lines), answer=answer)


def last(minute: int, zone: str, now: int) -> tuple[str, int, int]:
    """(label, since, until) of the newest day that ends at this minute of a day."""
    here = datetime.fromtimestamp(now, zone_of(zone))
    newest = here.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
    if newest.timestamp() > now:
        newest -= timedelta(days=1)
    return f"{newest:%Y-%m-%d}", int((newest - timedelta(days=1)).timestamp()), int(newest.timestamp())


@contextmanager
def alone(data_dir: Path) -> Iterator[bool]:
    """Yields whether no other process works at the night's summary; holds it off meanwhile. Raises OSError."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def load(data_dir: Path) -> Night | None:
    """The newest summary; None: there is none, or its file is damaged. Raises OSError."""
    try:
        doc = loads(read_text(data_dir / FOLDER / FILE, MOST_BYTES))
        return Night(
            label=str(doc["label"]),
            until=int(doc["until"]),
            state=str(doc["state"]),
            began=float(doc["began"]),
            batch=str(doc["batch"]),
            number=int(doc["number"]),
            model=str(doc["model"]),
            prompt=str(doc["prompt"]),
            facts=tuple(Fact(str(one["kind"]), str(one["name"]), one["document"]) for one in doc["facts"]),
            lines=tuple(str(one) for one in doc["lines"]),
            answer=None if doc["answer"] is None else dict(doc["answer"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, YieldbotError):
        return None


def save(data_dir: Path, night: Night) -> None:
    """Store it, completely or not at all. Raises OSError."""
    file = data_dir / FOLDER / FILE
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(asdict(night), out, ensure_ascii=True)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def findings(data_dir: Path, times: NoticeTimes, now: int) -> tuple[Finding, ...]:
    """The summary's lines, from the time of the daily notice on and for a day; those that were sent are known to the
    notices by their keys. Never raises: no notice waits for a model's words."""
    found = None
    with contextlib.suppress(OSError):
        found = load(data_dir)
    if found is None or found.state != DONE:
        return ()
    at = found.until
    if times.daily_minute is not None:
        end = datetime.fromtimestamp(found.until, zone_of(times.time_zone))
        due = end.replace(hour=times.daily_minute // 60, minute=times.daily_minute % 60, second=0, microsecond=0)
        at = int((due if due >= end else due + timedelta(days=1)).timestamp())
    if not 0 <= now - at < DAY:
        return ()
    return tuple(
        Finding(
            key=f"summary:words:{found.label}:{index}",
            topic=Topic.SUMMARY,
            severity=Severity.INFO,
            text=f"assistant: {line}",
            at=now,
        )
        for index, line in enumerate(found.lines)
    )
