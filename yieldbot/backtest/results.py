"""A folder of finished pieces, each in a file named by the hash of what it was computed from.

A file appears whole or not at all (written under another name, then renamed), and holds the hash of its own content: a
piece torn by a crash of the machine is computed again. Several sweeps may share one folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.model.json_text import loads
from yieldbot.resources import why


class Results:
    """The folder; created when the first piece is stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> dict[str, Any] | None:
        """A finished piece; None if there is none that is whole."""
        try:
            digest, _, text = self._path(key).read_text(encoding="utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        if digest != _digest(key, text):
            return None
        found = loads(text)
        return found if isinstance(found, dict) else None

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Store a piece. Raises ConfigError if the folder cannot be written."""
        path, text = self._path(key), json.dumps(result)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(f"{_digest(key, text)}\n{text}", encoding="utf-8")
            os.replace(part, path)
        except OSError as failure:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise ConfigError(f"{self.folder} keeps no results: {why(failure, path)}") from None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _digest(key: str, text: str) -> str:
    """Hash of a file's content and its key, so that a renamed file is refused."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()
