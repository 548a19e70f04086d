"""The report of a backtest: one file that loads nothing, foreign names as text, written whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.program import yieldbot
from yieldbot.app.export import refuse_unwritable
from yieldbot.cli.report.svg import Line, day_labels, lines, scale, stacked
from yieldbot.errors import ConfigError

EVIL = 'x"><script src=http://evil.example/a.js></script><img src=//evil.example/b>'
LOADS = ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href", "formaction", "ping")
VOID = {"meta", "br", "img", "link"}


class Reader(HTMLParser):
    """What a browser would see: tags with their attributes, and texts; every tag must be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.styles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open and self.open[-1] == "style" else self.texts).append(data)


def recording(folder: Path) -> Path:
    """Three markets over 50 days, of which the third has a name that would like to be markup."""
    path = folder / "recorded.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            [
                "timestamp",
                "chain",
                "protocol",
                "market",
                "asset",
                "supply_rate",
                "borrow_rate",
                "utilisation",
                "supplied",
                "borrowed",
                "cash",
                "reserve_factor",
                "frozen",
                "paused",
            ]
        )
        for day in range(50):
            for name, rate in (("usdc", 0.05), ("usdt", 0.03 + 0.06 * (day // 20 % 2)), (EVIL, 0.02)):
                asset = "DAI" if name == EVIL else name.upper()
                figures = [rate, rate / 0.72, 0.8, 1e8, 8e7, 2e7, 0.1, "", ""]
                rows.writerow([1_735_689_600 + day * 86_400, "eip155:8453", "le<b>nd", name, asset, *figures])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Reader]:
    """A report by the program itself: one wealth, one policy of a file beside the shipped one, plans that fail."""
    folder = tmp_path_factory.mktemp("report")
    recording(folder)
    (folder / "calm & quiet.toml").write_text("[policy]\nmove_horizon_days = 3\n")
    flags = "--history recorded.csv.gz --wealth 1234567 --window 20 --every 10 --failures 0.7 --seed 3 --processes 1"
    own = "--policy", "calm & quiet.toml", "--report", "made.html"
    run = yieldbot("--json", "backtest", *flags.split(), *own, cwd=folder)
    assert run.code == 0, run.err
    assert run.document["schema"] == "yieldbot/backtest/v1", "stdout has the document and nothing else"
    assert [one.name for one in folder.glob("*made*")] == ["made.html"], "no unfinished file is left"
    text = (folder / "made.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, "every element is closed"
    return text, reader


def test_nothing_is_loaded_whatever_the_data_are_called(made: tuple[str, Reader]) -> None:
    _, page = made
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "span", "b", "i"),
        *("ul", "li", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "pre", "dl", "dt", "dd"),
        *("svg", "path", "text", "rect", "circle"),
    }
    for tag, attributes in page.tags:
        assert not set(attributes) & set(LOADS), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    styles = "".join(page.styles)
    assert styles and "url(" not in styles and "@import" not in styles and "@font-face" not in styles
    policy = [one["content"] for tag, one in page.tags if tag == "meta" and "http-equiv" in one]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "prefers-color-scheme:dark" in styles


def test_foreign_names_are_shown_as_they_are(made: tuple[str, Reader]) -> None:
    text, page = made
    shown = "\n".join(page.texts)
    assert "le<b>nd on eip155:8453" in shown and "USDC le<b>nd" in shown and "calm & quiet.toml" in shown
    assert "<script" not in text and "le<b>nd" not in text


def test_the_report_has_charts_moves_with_reasons_figures_and_the_command(made: tuple[str, Reader]) -> None:
    text, page = made
    shown = "\n".join(page.texts)
    labels = [str(one["aria-label"]) for tag, one in page.tags if tag == "svg"]
    for wanted in ("Earned since the first day", "More than static", "Shares of the wealth", "Forecast and realised: "):
        assert any(label.startswith(wanted) for label in labels), wanted
    for name in ("static", "equal", "foresight", "default"):
        assert f">{name}</text>" in text, name
    assert "with reasons and costs" in shown and "made to fail." in shown and "DAI in the wallet" in shown
    assert any(re.search(r"mean error \d+\.\d\d pp, \d+% inside", one) for one in page.texts)
    command = next(one for one in page.texts if one.startswith("yieldbot backtest "))
    assert "--wealth 1234567 " in command and command.endswith("--report FILE.html") and "--seed 3" in command
    assert "move_horizon_days = 3" in shown


def test_the_command_of_the_report_makes_the_same_report(made: tuple[str, Reader], tmp_path: Path) -> None:
    """Word for word, on a copy of the data."""
    text, page = made
    recording(tmp_path)
    (tmp_path / "calm & quiet.toml").write_text("[policy]\nmove_horizon_days = 3\n")
    words = shlex.split(next(one for one in page.texts if one.startswith("yieldbot backtest ")))[1:]
    assert yieldbot(*words, cwd=tmp_path).code == 0
    assert (tmp_path / "FILE.html").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("file", "line"),
    [("nowhere/made.html", "there is no folder"), (".", "is a folder"), ("/proc/made.html", "nothing can be written")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, file: str, line: str) -> None:
    recording(tmp_path)
    run = yieldbot("backtest", "--history", "recorded.csv.gz", "--report", file, cwd=tmp_path)
    assert run.code == 2 and line in run.line and run.out == ""


def test_a_folder_that_refuses_us_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where we are root, to whom permissions say nothing: the system's own refusal is what counts."""

    def refuses(*given: object, **named: object) -> tuple[int, str]:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("tempfile.mkstemp", refuses)
    with pytest.raises(ConfigError, match=r"--report made\.html: nothing can be written there \(Permission denied\)"):
        refuse_unwritable(tmp_path.joinpath("made.html").relative_to(tmp_path), "--report")


def test_a_full_disk_costs_the_report_alone(tmp_path: Path) -> None:
    """A disk that takes 4 KiB: the figures are printed, the old report stays, the exit code is that of a failure."""
    recording(tmp_path)
    (tmp_path / "made.html").write_text("the last one")
    flags = "--history", "recorded.csv.gz", "--wealth", "1000", "--window", "20", "--every", "15", "--processes", "1"
    words = [sys.executable, "-m", "yieldbot.cli.main", "--json", "backtest", *flags, "--report", "made.html"]
    run = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert run.returncode == 1 and json.loads(run.stdout)["schema"] == "yieldbot/backtest/v1"
    (line,) = run.stderr.splitlines()
    assert line == "yieldbot: --report made.html cannot be written (File too large); nothing was left there"
    assert (tmp_path / "made.html").read_text() == "the last one"
    assert {one.name for one in tmp_path.iterdir() if one.is_file()} == {"made.html", "recorded.csv.gz"}


def test_scales_are_round_and_hold_all_values() -> None:
    for values in ([0.013, 0.087], [-3.0, 12.0], [5.0, 5.0], [0.0], [], [1e-9, 2e-9]):
        low, high, ticks = scale(values)
        assert len(ticks) >= 2 and low <= min([*values, ticks[0]]) and high >= max([*values, ticks[-1]])
        steps = {round((b - a) / (ticks[1] - ticks[0]), 6) for a, b in pairwise(ticks)}
        assert steps == {1.0}


def test_labels_of_days_are_months_or_days() -> None:
    first = 1_735_689_600
    assert [label for _, label in day_labels([first + 86_400 * day for day in range(150)])] == [
        "Feb", "Mar", "Apr", "May"
    ]  # fmt: skip
    short = day_labels([first + 86_400 * day for day in range(8)])
    assert short[0] == (0, "1 Jan") and short[-1] == (7, "8 Jan")


def test_lines_break_where_nothing_is_known_and_names_do_not_overlap() -> None:
    times = [86_400 * day for day in range(6)]
    drawn = [
        Line("one", [1.0, 2.0, None, None, 2.0, 3.0], "s1"),
        Line("two <", [1.0, 2.0, 2.0, 2.5, 2.9, 3.0], "s2"),
    ]
    made = lines(times, drawn, str, "t", tips=[f"<{day}>" for day in range(6)])
    assert made.count('class="line s1"') == 2 and made.count('class="line s2"') == 1
    ends = [float(y) for y in re.findall(r'<text class="name s\d" x="[\d.]+" y="([\d.]+)"', made)]
    assert abs(ends[0] - ends[1]) >= 14.0 and "two &lt;" in made and "&lt;5&gt;" in made


def test_stacked_shares_hold_until_the_next_day() -> None:
    times = [0, 86_400, 2 * 86_400]
    made = stacked(times, [Line("a", [0.5, 0.5, 1.0], "s1"), Line("b", [0.5, 0.5, 0.0], "s2")], "t", tips=["", "", ""])
    (path,) = re.findall(r'class="area s1" d="M([^"]+)Z"', made)
    points = [tuple(map(float, one.split())) for one in path.split("L")]
    half, whole = points[0][1], min(y for _, y in points)
    assert [y for x, y in points if x == max(x for x, _ in points)][:2] == [half, whole], "it rises at the last day"
