"""The pages of the documentation: their links, their anchors, and their paths in the site."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.kit import ROOT

AT_THE_TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages that people look for at the top of a repository, and their names in the site."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`+[^`\n]*`+")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^()\s]+)(\))")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)


@cache
def pages() -> tuple[Path, ...]:
    """Every page, as a path from the root: those at the top, then docs/ with its folders."""
    return (*map(Path, AT_THE_TOP), *sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/**/*.md")))


def in_site(page: Path) -> str:
    """The page's (or picture's) path in the site."""
    return AT_THE_TOP.get(str(page)) or page.relative_to("docs").as_posix()


def links(text: str) -> Iterator[str]:
    """Targets of the inline links and pictures of a page; those in code are none."""
    for found in LINK.finditer(_CODE.sub("", _FENCE.sub("", text))):
        yield unquote(found[2])


def is_relative(target: str) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:|//", target)


def target_of(page: Path, target: str) -> tuple[Path, str]:
    """Where a relative link of a page leads: the file, as a path from the root, and the anchor ("" for none)."""
    name, _, anchor = target.partition("#")
    if not name:
        return page, anchor
    return (ROOT / page.parent / name).resolve().relative_to(ROOT), anchor


@cache
def anchors(text: str) -> frozenset[str]:
    """Anchors of a page's headings that GitHub and the site make alike: a link may name no other."""
    headings = [_plain(found[1]) for found in _HEADING.finditer(_FENCE.sub("", text))]
    return frozenset(_numbered(map(_github, headings), "-") & _numbered(map(_markdown, headings), "_"))


def nav(entries: list[Any] | None = None) -> Iterator[str]:
    """The pages in the site's navigation, in order."""
    if entries is None:
        entries = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    for entry in entries:
        for value in [entry] if isinstance(entry, str) else entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from nav(value)


def _plain(heading: str) -> str:
    return LINK.sub(lambda m: m[1].strip("![]("), heading).replace("`", "").replace("*", "")


def _github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _markdown(heading: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def _numbered(slugs: Iterator[str], mark: str) -> set[str]:
    """The anchors of headings, those that occur again with their number."""
    seen: Counter[str] = Counter()
    made = set()
    for slug in slugs:
        made.add(f"{slug}{mark}{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return made
