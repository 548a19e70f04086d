"""``scripts/docs``: copies the pages for the site's builder (``lay``), and checks the links of what it built
(``look``)."""

from __future__ import annotations

import re
import shutil
import sys
from html.parser import HTMLParser
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote

from tests.docs.pages import AT_THE_TOP, LINK, ROOT, in_site, is_relative, pages, target_of

SITE = ROOT / ".cache" / "site"
PAGES, HTML = SITE / "pages", SITE / "html"
_FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
_LIBRARIES = {"mermaid", "glightbox", "pyodide"}
"""Classes for which the theme's script loads a library from another host: drawings are SVG files of ours."""
_REMOTE_IN_CSS = re.compile(r"(?:@import\s+|url\()\s*[\"']?(?:https?:)?//")


def lay() -> None:
    """Copy the settings and the pages to where the site has them, with links that hold there."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    shutil.copy(ROOT / "zensical.toml", SITE)
    for page in pages():
        (PAGES / in_site(page)).write_text(moved(page, (ROOT / page).read_text()))


def moved(page: Path, text: str) -> str:
    here = Path(in_site(page)).parent

    def again(found: re.Match[str]) -> str:
        if not is_relative(found[2]) or found[2].startswith("#"):
            return found[0]
        file, anchor = target_of(page, found[2])
        if str(file) not in AT_THE_TOP and file.parts[0] != "docs":
            return found[0]  # an example in code; the suite lets no page link to what is no page
        there = relpath(in_site(file), here)
        return f"{found[1]}{there}{'#' if anchor else ''}{anchor}{found[3]}"

    return LINK.sub(again, text)


class _Page(HTMLParser):
    """What a built page links to, its anchors, and what a browser would fetch for it by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.fetched: list[str] = []
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.classes |= set(named.get("class", "").split())
        self.anchors |= {named[key] for key in ("id", "name") if key in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if (key := _FETCHED.get(tag)) in named and "canonical" not in named.get("rel", ""):
            self.fetched.append(named[key or ""])


def faults(html: Path) -> list[str]:
    """Every link of a built site that leads nowhere, and everything that it would fetch from another host."""
    built = {path: _Page(path.read_text()) for path in sorted(html.rglob("*.html"))}
    found = []
    for path, page in built.items():
        name = path.relative_to(html)
        for target in page.fetched:
            if not is_relative(target) and not target.startswith("data:"):
                found.append(f"{name}: fetches {target}")
        found += [f"{name}: {kind}: the theme fetches a library for it" for kind in sorted(page.classes & _LIBRARIES)]
        if name.name == "404.html":
            continue  # it is served at any address: its links begin at the site's root
        for target in filter(is_relative, page.links):
            where, _, anchor = unquote(target).partition("#")
            there = (path.parent / where).resolve() if where else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                found.append(f"{name}: links to {target}, which is not there")
            elif anchor and there in built and anchor not in built[there].anchors:
                found.append(f"{name}: links to {target}: no such heading")
    sheets = (path for path in html.rglob("*.css") if _REMOTE_IN_CSS.search(path.read_text()))
    return found + [f"{path.relative_to(html)}: fetches" for path in sheets]


def look() -> int:
    """Name what is wrong with the built site."""
    found = faults(HTML)
    if (count := len(list(HTML.rglob("*.html")))) < len(pages()):
        found.append(f"the site has {count} pages, the documentation {len(pages())}")
    print("\n".join(found) or f"{count} pages, every link holds: {HTML / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lay"]:
            lay()
        case ["look"]:
            sys.exit(look())
        case _:
            sys.exit("python -m tests.docs lay | look: called by scripts/docs")
