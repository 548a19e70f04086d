"""What the lock files pin: Python packages (as ``uv pip compile`` writes them) and npm packages (package-lock.json)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import ROOT

INSTALLED = ROOT / "requirements.lock"
"""What .venv holds: to run, with every extra but ``cluster``, and to develop and test."""
CLUSTER = ROOT / "scripts" / "cluster.lock"
"""What .cache/cluster holds: to run, with the extra ``cluster``."""
CONTAINER = ROOT / "scripts" / "container.lock"
"""What the image of ``Containerfile`` holds: to run, with the extras ``serve`` and ``kms``; pins of INSTALLED alone."""
PYTHON = (INSTALLED, CLUSTER, ROOT / "scripts" / "uv.lock", ROOT / "scripts" / "audit.lock")
NPM = ROOT / "package-lock.json"
INSPECTOR = ROOT / "tests" / "kit" / "inspector" / "package-lock.json"
"""What .cache/inspector holds: a program that only tests run."""

_HEAD = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH = re.compile(r"^\s+--hash=sha256:([0-9a-f]{64})\s*\\?$")
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?(\S.*)$")
_OURS = re.compile(r"^yieldbot \(")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A Python package at one version. It may be there twice: at other versions for other interpreters.

    marker: where it is installed, as PEP 508 writes it; empty: everywhere.
    sha256: of each of its files, hexadecimal.
    parents: names of the pinned packages that ask for it; ``direct``: whether pyproject.toml does.
    """

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]
    parents: tuple[str, ...]
    direct: bool


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A package of node_modules. integrity: as npm writes it, ``sha512-`` and base64; children: names, as it asks."""

    path: str
    name: str
    version: str
    integrity: str
    license: str
    children: tuple[str, ...]


def canonical(name: str) -> str:
    """A Python package's one name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: Path) -> tuple[Pinned, ...]:
    """The packages of a lock file. Raises ValueError for a line that is none of what uv writes."""
    found: list[Pinned] = []
    head: tuple[str, str, str] | None = None
    hashes: list[str] = []
    via: list[str] = []

    def close() -> None:
        if head is not None:
            parents = tuple(sorted({canonical(name) for name in via if not _OURS.match(name)}))
            found.append(Pinned(*head, tuple(hashes), parents, any(_OURS.match(name) for name in via)))

    for number, line in enumerate(lock.read_text().splitlines(), 1):
        if start := _HEAD.match(line):
            close()
            head, hashes, via = (canonical(start[1]), start[2], start[3] or ""), [], []
        elif digest := _HASH.match(line):
            hashes.append(digest[1])
        elif parent := _VIA.match(line):
            via += [parent[1]] if parent[1] != "via" and not parent[1].startswith("-c ") else []
        elif line.strip():
            raise ValueError(f"{lock.name}:{number}: {line}: not a line of a lock file: make it again")
    close()
    return tuple(found)


def npm_packages(lock: Path = NPM) -> tuple[NpmPackage, ...]:
    """The packages of package-lock.json (version 3)."""
    document: dict[str, Any] = json.loads(lock.read_text())
    found = []
    for path, entry in document["packages"].items():
        if path:
            name = entry.get("name") or path.rpartition("node_modules/")[2]
            asked = entry.get("dependencies", {}) | entry.get("optionalDependencies", {})
            facts = (entry.get("integrity", ""), str(entry.get("license", "")), tuple(sorted(asked)))
            found.append(NpmPackage(path, name, entry["version"], *facts))
    return tuple(found)
