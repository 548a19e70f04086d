"""``allocate``: solves an allocation problem given as a document, without a chain or a configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yieldbot.allocator.answer import pose, solve
from yieldbot.allocator.document import ProblemError, read
from yieldbot.app.allocate_documents import AllocationDocument
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

MOST_BYTES = 64 * 2**20
PIPED = "-"
"""Stands for standard input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateRequest:
    """An allocation problem to solve."""

    problem: str
    """The file of a yieldbot/problem/v1 document; ``-``: standard input."""
    piped: Callable[[int], bytes]
    """Reads at most this many bytes of standard input."""


def allocate(request: AllocateRequest) -> AllocationDocument:
    """The best allocation. Raises ConfigError for a malformed problem, with the path of its first bad field."""
    name = "standard input" if request.problem == PIPED else request.problem
    try:
        posed = pose(read(_loaded(request, name)))
    except ProblemError as wrong:
        raise ConfigError(f"{name}: {wrong}: see docs/allocator.md") from None
    return AllocationDocument.of(solve(posed))


def _loaded(request: AllocateRequest, name: str) -> Any:
    """The parsed document. Raises ConfigError where it cannot be read, is too large or is not JSON."""
    try:
        if request.problem == PIPED:
            raw = request.piped(MOST_BYTES + 1)
        else:
            with Path(request.problem).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except OSError as failure:
        raise ConfigError(f"{name}: cannot be read: {failure.strerror}: name a problem document") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{name}: is larger than {MOST_BYTES // 2**20} MiB: give a smaller problem")
    try:
        return loads(raw)
    except json.JSONDecodeError as wrong:
        raise ConfigError(f"{name}: line {wrong.lineno}, column {wrong.colno}: is not JSON: {wrong.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{name}: is not JSON text: write it as UTF-8") from None
