"""The documentation holds together: every relative link and anchor leads somewhere, every page is in the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.__main__ import faults as built_faults
from tests.docs.__main__ import moved
from tests.docs.pages import AT_THE_TOP, ROOT, anchors, in_site, is_relative, links, nav, pages, target_of


def faults(page: Path, text: str) -> list[str]:
    found = []
    for target in filter(is_relative, links(text)):
        file, anchor = target_of(page, target)
        if not (ROOT / file).is_file():
            found.append(f"{target}: no such file")
        elif file.suffix != ".md" and file.parts[0] != "docs":
            found.append(f"{target}: is no page; name it as code")
        elif file.suffix == ".md" and file not in pages():
            found.append(f"{target}: is no page of the site")
        elif anchor and anchor not in anchors((ROOT / file).read_text()):
            found.append(f"{target}: no such heading (or GitHub and the site make its anchor differently)")
    return found


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert faults(page, (ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "[gone](docs/gone.md)",
        "[gone](docs/execution.md#gone)",
        "![gone](docs/gone.svg)",
        "[gone](#gone)",
        "[code](yieldbot/errors.py)",
        "[no page](.github/none.md)",
    ],
)
def test_a_link_that_leads_nowhere_is_found(text: str) -> None:
    assert len(faults(Path("README.md"), f"# Title\n{text}\n")) == 1


def test_what_is_no_link() -> None:
    text = "`[a](b.md)`\n```\n[a](b.md)\n# heading\n```\n[outside](https://example.org/x) ![in](docs/demo.svg)\n"
    assert [target for target in links(text) if is_relative(target)] == ["docs/demo.svg"]
    assert anchors(text) == set()


def test_anchors_are_those_that_github_and_the_site_agree_about() -> None:
    assert anchors("# What `x` is\n## One, two\n## One, two\n## A + b\n") == {"what-x-is", "one-two"}


def test_every_page_is_in_the_sites_navigation_once() -> None:
    assert sorted(nav()) == sorted(in_site(page) for page in pages())


def test_no_page_of_docs_takes_the_name_of_one_at_the_top() -> None:
    assert not [name for name in AT_THE_TOP.values() if (ROOT / "docs" / name).exists()]


def test_a_built_site_that_fetches_or_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text('<h2 id="here">b</h2><link href="b.css" rel="stylesheet">')
    (tmp_path / "b.css").write_text("@import url(https://fonts.example/f.css);")
    (tmp_path / "404.html").write_text('<a href="/x.html">x</a>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#gone">2</a><a href="gone.html">3</a>'
        '<a href="https://x.example">4</a>'
        '<script src="https://cdn.example/x.js"></script><pre class="a mermaid"></pre>'
        '<img src="data:image/png;base64,">'
    )
    found = built_faults(tmp_path)
    assert len(found) == 5 and {line.split(":")[0] for line in found} == {"a.html", "b.css"}


def test_links_of_a_page_at_the_top_hold_where_the_site_has_it() -> None:
    text = "[a](docs/execution.md#keys) [b](CONTRIBUTING.md) [c](#here) ![d](docs/demo.svg) [e](https://x.example/docs/y.md)"
    wanted = "[a](execution.md#keys) [b](contributing.md) [c](#here) ![d](demo.svg) [e](https://x.example/docs/y.md)"
    assert moved(Path("README.md"), text) == wanted
    assert (
        moved(Path("docs/decisions/README.md"), "[a](../../README.md) [b](0001-x.md)")
        == "[a](../index.md) [b](0001-x.md)"
    )


THREATS = (ROOT / "docs" / "threat-model.md").read_text()
CITED = sorted(set(re.findall(r"`(test_\w+\.py(?:::test_\w+)?)`", THREATS)))
NAMED = sorted(set(re.findall(r"`([A-Za-z_]\w*)\(\)`", THREATS)))


def test_every_test_that_the_threat_model_cites_is_there() -> None:
    files: dict[str, str] = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        files[file.name] = files.get(file.name, "") + file.read_text()
    for cited in CITED:
        name, _, test = cited.partition("::")
        assert name in files and (not test or f"def {test}(" in files[name]), cited
    assert len(CITED) > 50


def test_every_function_that_the_threat_model_names_is_there() -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "yieldbot").rglob("*.py"))
    defined = set(re.findall(r"^\s*(?:async )?(?:def|class) (\w+)", code, re.MULTILINE))
    assert not set(NAMED) - defined
    assert len(NAMED) > 30


ROOMS = ROOT / "yieldbot"


@pytest.mark.skipif(not (ROOMS / "app").is_dir() or not (ROOMS / "risk").is_dir(), reason="rooms are being moved")
def test_the_architecture_names_every_room_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {name.split("/")[0] for name in re.findall(r"^\| `([\w<>/]+)/` \|", page, re.MULTILINE)}
    there = {file.parent.name for file in ROOMS.glob("*/__init__.py")}
    assert named == there
