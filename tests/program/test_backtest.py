"""`yieldbot backtest` as a program: an empty folder, any number of workers, wrong usage."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from tests.kit.recording import recording


def test_the_command_works_in_an_empty_folder_and_gives_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    file = recording(tmp_path)
    flags = ["backtest", "--history", str(file), "--wealth", "1000,50000", "--window", "30", "--every", "15"]
    made = [yieldbot("--json", *flags, "--processes", count, cwd=tmp_path) for count in ("1", "2")]
    one, two = (run.document for run in made)
    assert one == two and one["schema"] == "yieldbot/backtest/v1" and made[0].code == 0
    assert [(row["universe"], row["wealth"]) for row in one["results"]] == [
        ("lend on eip155:8453", 1000.0), ("lend on eip155:8453", 50000.0)
    ]  # fmt: skip
    row = one["results"][1]
    assert row["policy"] == "default" and row["windows"] == 4 and row["gain_pp"] > 0.0
    assert len(one["manifest"]["data"]) == 64 and one["manifest"]["window_days"] == 30


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--history", "nothing.csv"], "nothing.csv"),
        (["--wealth", "0"], "write dollars from 1"),
        (["--wealth", "ten"], "write dollars from 1"),
        (["--from", "yesterday"], "write a day as 2026-01-31"),
        (["--window", "400"], "write a shorter --window"),
        (["--markets", "curve"], "no two markets"),
        (["--failures", "2"], "--failures 0 to 1"),
        (["--gas", "missing.csv"], "missing.csv"),
        (["--wait", "usdc"], "write a market and days from 0 to 365"),
        (["--wait", "usdc=long"], "write a market and days from 0 to 365"),
        (["--window", "30", "--wait", "curve=7"], "no market matches"),
    ],
)
def test_wrong_usage_gets_one_line(tmp_path: Path, flags: list[str], line: str) -> None:
    file = recording(tmp_path, 70)
    if "--gas" in flags:
        file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"eip155:8453", b"eip155:1")))
    made = yieldbot("backtest", *([] if "--history" in flags else ["--history", file]), *flags, cwd=tmp_path)
    assert made.code == 2 and line in made.line


def test_the_world_of_a_command_says_which_markets_wait(tmp_path: Path) -> None:
    """The shipped policy stays out of the one that pays more but waits; the manifest's command says which it was."""
    file = recording(tmp_path)
    flags = ["--wealth", "50000", "--window", "30", "--every", "30", "--processes", "1", "--wait", "usdc=7"]
    at_once = yieldbot("--json", "backtest", "--history", file, *flags[:-2], cwd=tmp_path).document
    waits = yieldbot("--json", "backtest", "--history", file, *flags, cwd=tmp_path).document
    assert waits["manifest"]["command"].endswith("--wait usdc=7")
    assert waits["results"][0]["apy"] < at_once["results"][0]["apy"]
    assert waits["results"][0]["bound_gain_pp"] <= at_once["results"][0]["bound_gain_pp"] + 1e-9
    run = yieldbot("backtest", "--wait", "usdc=7", "sweep", cwd=tmp_path)
    assert run.code == 2 and "--wait is for one policy" in run.line
