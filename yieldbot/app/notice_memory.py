"""The files of notices in data_dir/notices: their memory (``state.json``), and findings that are not in the journal
(``inbox.jsonl``). The folder exists once notices are configured; without it nothing is written."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yieldbot.app.notice_rules import Line, NoticeMemory, Waiting
from yieldbot.errors import TransientError
from yieldbot.model.json_text import loads
from yieldbot.model.notices import Finding, Severity, Topic
from yieldbot.resources import read_text

FOLDER = "notices"
MOST_INBOX_BYTES = 256 * 1024
"""Most bytes of the inbox; further findings are lost until it is emptied."""


class Busy(TransientError):
    """Another process is sending notices now."""


@contextmanager
def alone(data_dir: Path) -> Iterator[Path]:
    """Holds a lock on the folder and yields its path. Raises Busy at once if another process holds it, and OSError."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy("another process is sending notices now") from None
        yield folder


def load(folder: Path) -> tuple[NoticeMemory | None, str | None]:
    """(the memory, or None where there is none yet; why a damaged file was renamed and not used, or None)."""
    file = folder / "state.json"
    try:
        return _memory(loads(read_text(file, 64 * 2**20))), None
    except FileNotFoundError:
        return None, None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        aside = file.with_suffix(".damaged")
        file.replace(aside)
        return None, f"{file} could not be read and is now {aside}: notices begin with what comes from now on"


def save(folder: Path, memory: NoticeMemory) -> None:
    """Store the memory, completely or not at all. Raises OSError."""
    file = folder / "state.json"
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(asdict(memory), out, ensure_ascii=True)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def put(data_dir: Path, findings: Sequence[Finding], *, make: bool = False) -> None:
    """Add findings to the inbox, to be sent by the next process that sends notices. Never raises, so that the work that
    found them goes on.

    make: whether to create the inbox if no notice was ever sent; if False, findings before the first notice are
    dropped."""
    folder = data_dir / FOLDER
    if make and findings:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not findings or not folder.is_dir():
        return
    with contextlib.suppress(OSError), (folder / "inbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = "".join(json.dumps(asdict(one)) + "\n" for one in findings).encode()
        with os.fdopen(os.open(folder / "inbox.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as out:
            if os.fstat(out.fileno()).st_size + len(text) <= MOST_INBOX_BYTES:
                out.write(text)


def taken(folder: Path) -> tuple[Finding, ...]:
    """The findings in the inbox, where they stay until ``forget``; damaged lines are left out. Raises OSError."""
    file, aside = folder / "inbox.jsonl", folder / "inbox.taken"
    with (folder / "inbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not aside.exists() and file.exists():
            file.replace(aside)
    if not aside.exists():
        return ()
    found = []
    for line in read_text(aside).splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found.append(_of(loads(line)))
    return tuple(found)


def forget(folder: Path) -> None:
    """Remove the findings that ``taken`` returned. Raises OSError."""
    (folder / "inbox.taken").unlink(missing_ok=True)


def _memory(doc: dict[str, Any]) -> NoticeMemory:
    cursor = doc["cursor"]
    return NoticeMemory(
        cursor=None if cursor is None else int(cursor),
        known={str(key): int(at) for key, at in doc["known"].items()},
        lines={str(name): _line(line) for name, line in doc["lines"].items()},
        failing={str(job): int(count) for job, count in doc["failing"].items()},
        summaries={str(name): str(label) for name, label in doc["summaries"].items()},
    )


def _line(doc: dict[str, Any]) -> Line:
    return Line(
        waiting=[_waiting(one) for one in doc["waiting"]],
        sending=[_waiting(one) for one in doc["sending"]],
        failures=int(doc["failures"]),
        not_before=int(doc["not_before"]),
        sent=[int(at) for at in doc["sent"]],
        dropped=int(doc["dropped"]),
    )


def _waiting(doc: dict[str, Any]) -> Waiting:
    return Waiting(_of(doc["finding"]), bool(doc["passed_on"]))


def _of(doc: dict[str, Any]) -> Finding:
    again, ends = doc["again_seconds"], doc["ends"]
    return Finding(
        key=str(doc["key"]),
        topic=Topic(doc["topic"]),
        severity=Severity(doc["severity"]),
        text=str(doc["text"]),
        at=int(doc["at"]),
        again_seconds=None if again is None else int(again),
        ends=None if ends is None else str(ends),
        plan_id=None if doc.get("plan_id") is None else str(doc["plan_id"]),
    )
