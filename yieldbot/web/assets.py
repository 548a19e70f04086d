"""Files that browsers load: our style and script, and the two libraries from npm that an install brings along."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass

FOLDER = Path(__file__).parent / "static"
LIBRARIES = ("htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css")
"""Files in ``static/lib``, which `scripts/_install` copies from npm's packages; none is in the repository."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    body: bytes
    """Its content."""
    media: str
    """Its media type."""
    address: str
    """Its path with a part of its SHA-256, so that browsers may keep it for ever."""


@cache
def assets() -> dict[str, Asset]:
    """Every file by its path in ``static``. Raises ConfigError where the libraries are not installed."""
    lacking = [name for name in LIBRARIES if not (FOLDER / "lib" / name).is_file()]
    if lacking:
        raise ConfigError(
            f"the web page lacks {', '.join(lacking)}, which this install was built without: install a wheel that "
            "`./scripts/wheel` made in a checkout, or run `./scripts/_install` there"
        )
    found: dict[str, Asset] = {}
    for file in sorted(FOLDER.rglob("*")):
        if file.suffix in TYPES and file.is_file():
            name, body = file.relative_to(FOLDER).as_posix(), file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:16]
            found[name] = Asset(body, TYPES[file.suffix], f"/static/{digest}/{name}")
    return found
