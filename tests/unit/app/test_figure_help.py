"""``yieldbot help FIGURE``: each figure of docs/figures.md by the name that a screen writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot import resources
from yieldbot.app import figure_help
from yieldbot.app.figure_help import FigureHelpRequest, explain
from yieldbot.cli.main import main
from yieldbot.errors import ConfigError


def test_every_figure_of_the_page_is_found_by_each_of_its_names() -> None:
    rows = figure_help._page()
    tables = explain(FigureHelpRequest("")).tables
    assert len(rows) > 400 and {"Markets", "Overview page", "Metrics", "Glossary"} <= set(tables)
    for row in rows:
        assert row.meaning and (row.example or row.table == "Glossary" or row.table.startswith("docs/")), row
        for name in row.names:
            if figure_help._plain(name):
                assert row in explain(FigureHelpRequest(name)).figures, name


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("apy AFTER", ("Markets", "`APY after`")),
        ("apr", ("Glossary", "`APR`")),
        ("gas eth", ("Profit and loss since entry", "`Gas …`")),
        ("positions", ("Positions", "`Market`")),
        ("human_rejected", ("docs/execution.md", "`POLICY_LIMIT`")),
        ("UTILISATION", ("docs/risk.md", "`UTILISATION`")),
    ],
)
def test_a_name_is_found_in_any_case_and_with_a_value_in_it(word: str, first: tuple[str, str]) -> None:
    found = explain(FigureHelpRequest(word)).figures[0]
    assert (found.table, f"`{found.names[-1] if '…' in found.names[-1] else found.names[0]}`") == first


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("safty", "did you mean `safety`?"),
        ("utilisaton", "did you mean `utilisation`"),
        ("operation", "did you mean `operations`?"),
        ("xyzzy", "`yieldbot help` lists tables"),
        ("x" * 9999 + "\x1b[2J", "`yieldbot help` lists tables"),
    ],
)
def test_an_unknown_name_gets_the_nearest(word: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match="no figure or word is named") as failure:
        explain(FigureHelpRequest(word))
    assert remedy in str(failure.value)


def test_the_command_needs_no_configuration_and_names_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["help", "Cap", "left"]) == 0
    assert capsys.readouterr().out.startswith("Cap left (Markets): how much more the protocol accepts")
    assert main(["help", "dry-run"]) == 2
    assert capsys.readouterr().err == "yieldbot: dry-run is a command: `yieldbot dry-run --help` explains it\n"


def test_the_wheel_has_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docs = resources.folder("docs")
    (tmp_path / "_docs").symlink_to(docs)
    monkeypatch.setattr(resources, "CHECKOUT", tmp_path)  # no pyproject.toml is there, as in site-packages
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    figure_help._page.cache_clear()
    figure_help._by_name.cache_clear()
    assert explain(FigureHelpRequest("Cap left")).figures
    figure_help._page.cache_clear()
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'docs = "yieldbot/_docs"' in text.partition("force-include]")[2]
