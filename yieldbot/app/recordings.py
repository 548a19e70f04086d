"""``history import``, ``verify`` and ``compact``: imports files of others into memory, and checks memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from yieldbot.app.memory import folder_of
from yieldbot.app.memory_documents import (
    HistoryCompactDocument,
    HistoryImportDocument,
    HistoryVerifyDocument,
    ImportedFile,
    NamedFault,
)
from yieldbot.app.step_times import step
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.history.importers.read import Given as Given
from yieldbot.history.importers.read import markets, read_file
from yieldbot.history.market_names import Names, names, with_names
from yieldbot.history.store import Store
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import counted, one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.history.reading import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Which files to import, with what they do not say themselves."""

    files: tuple[Path, ...]
    """The files, in the order of reading."""
    folder: Path | None = None
    """Memory's folder; None: the configuration's."""
    given: Given = field(default_factory=Given)
    """What the files do not say themselves."""


def import_files(request: ImportRequest, context: Context) -> tuple[HistoryImportDocument, int]:
    """Reads each file and stores its readings; the exit code is 2 if a file was refused, 1 if something could not be
    stored. Raises ConfigError if every file was refused, naming the first one's fault."""
    folder = folder_of(context, request.folder)
    store, rows, failures = Store(folder), list[ImportedFile](), dict[str, str]()
    for file in request.files:
        try:
            taken = read_file(file, request.given)
        except ConfigError as refused:
            if len(request.files) == 1:
                raise
            rows.append(_refused(file, str(refused)))
            continue
        kept = store.append(taken.readings)
        if kept.failure:
            failures[str(file)] = kept.failure
        times = [one.time for one in taken.readings]
        row = ImportedFile(
            file=str(file),
            refused=None,
            readings=len(taken.readings),
            kept=kept.rows,
            known=kept.known,
            markets=len(markets(taken.readings)),
            first=min(times),
            last=max(times),
            faults=named(taken.faults),
        )
        rows.append(row)
    several = len(request.files) > 1
    lines = [one_line(f"of {file}: {why}" if several else why) for file, why in failures.items()]
    for line in lines:
        context.complain(line)
    if all(row.refused for row in rows):
        others = f" (and {counted(len(rows) - 1, 'other file')} refused)" if rows[1:] else ""
        raise ConfigError(f"{rows[0].refused}{others}")
    document = HistoryImportDocument(history=str(folder), failure="; ".join(lines) or None, files=tuple(rows))
    return document, 1 if failures else 2 if any(row.refused for row in rows) else 0


def _refused(file: Path, why: str) -> ImportedFile:
    nothing = {"readings": 0, "kept": 0, "known": 0, "markets": 0}
    return ImportedFile(file=str(file), refused=one_line(why), first=None, last=None, faults=(), **nothing)


def named(faults: Iterable[Fault], known: Names | None = None) -> tuple[NamedFault, ...]:
    """Faults as parts of documents, in printable lines. known: names of markets, which stand in place of their ids."""
    return tuple(
        NamedFault(
            where=one_line(with_names(one.where, known or {})),
            what=one_line(with_names(one.what, known or {}), 500),
            kind=one.kind,
            taken=one.taken,
        )
        for one in faults
    )


def verify(folder: Path | None, context: Context) -> HistoryVerifyDocument:
    """Reads and checks all of memory. Raises ConfigError if no folder is named or it does not exist."""
    from yieldbot.history import verify as looks

    place = _there(folder_of(context, folder))
    with step(context.say, place, "history verify", f"checking {place}"):
        found = looks.verify(Store(place))
    return HistoryVerifyDocument(
        history=str(place),
        sound=found.sound,
        files=found.files,
        readings=found.rows,
        faults=named(found.faults, names(place)),
    )


def compact(folder: Path | None, context: Context) -> HistoryCompactDocument:
    """Merges many files into few. Raises ConfigError if there is no folder, YieldbotError if the disk refuses."""
    place = _there(folder_of(context, folder))
    try:
        with step(context.say, place, "history compact", f"merging the files of {place}"):
            gone = Store(place).compact(everything=True)
    except (OSError, Timeout) as failure:
        raise YieldbotError(f"{place} cannot be compacted ({failure}): nothing is lost, try again later") from None
    return HistoryCompactDocument(history=str(place), files_gone=gone)


def _there(place: Path) -> Path:
    if not place.is_dir():
        raise ConfigError(f"{place} is not there: nothing is stored yet, or --history names another folder")
    return place
