"""What is read of the past is what was observed then, to the unit; and what observing remembers on a real node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.kit.program import yieldbot
from yieldbot.config.load import load
from yieldbot.history import query
from yieldbot.history.reading import Reading
from yieldbot.history.store import Store
from yieldbot.sandbox.evm.node import Sandbox

HOURS = 6 * 3600


def at(sandbox: Sandbox, seconds: int) -> None:
    """Mine a block at this time."""
    sandbox.rpc("evm_setNextBlockTimestamp", hex(seconds))
    sandbox.rpc("evm_mine")


def newest(sandbox: Sandbox) -> int:
    """The newest block's time."""
    return int(sandbox.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_the_past_is_read_to_the_unit(sandbox: Sandbox) -> None:
    home = sandbox.directory
    start = newest(sandbox) + 3600
    times = [start + n * HOURS for n in range(4)]
    for time in times:
        at(sandbox, time)
        seen = yieldbot("observe", "--json", cwd=home)
        assert seen.code == 0, seen.err
        assert seen.document["kept"] > 5 and seen.document["failure"] is None
    memory = load(sandbox.config).data_dir / "history"
    observed = query.readings(Store(memory))
    words = ("history", "backfill", "--from", iso(start), "--to", iso(times[-1]), "--every", "6h", "--history", "past")
    done = yieldbot(*words, "--rate", "1000", "--json", cwd=home)
    assert done.code == 0, done.err
    said = done.document
    assert (said["times"], said["read"], said["known"], said["absent"]) == (4, 4, 0, 0)
    past = query.readings(Store(home / "past"))
    assert [bare(one) for one in past] == [bare(one) for one in observed]
    assert {one.source for one in past} == {"backfill"} and said["kept"] == len(observed)
    earning = [one for one in past if one.mean_rate is not None]
    assert len(earning) >= len(past) // 2 and all(0.0 <= (one.mean_rate or 0.0) < 3.0 for one in earning)
    again = yieldbot(*words, "--json", cwd=home).document
    assert (again["known"], again["read"], again["requests"]) == (4, 0, 0)
    for file in (home / "past").rglob("*.parquet"):
        if file.stat().st_mtime_ns == max(one.stat().st_mtime_ns for one in (home / "past").rglob("*.parquet")):
            file.unlink()  # cut off before its last time
            break
    resumed = yieldbot(*words, "--json", cwd=home).document
    assert (resumed["known"], resumed["read"]) == (3, 1)
    assert [bare(one) for one in query.readings(Store(home / "past"))] == [bare(one) for one in observed]


def bare(one: Reading) -> Reading:
    return replace(one, source="")


def test_before_a_market_was_there_is_no_error(sandbox: Sandbox) -> None:
    """From before the chain's first block on, over its deployments, to now."""
    home = sandbox.directory
    height, end = int(sandbox.rpc("eth_blockNumber"), 16), newest(sandbox)
    first = int(sandbox.rpc("eth_getBlockByNumber", "0x1", False)["timestamp"], 16)
    step = max(60, (end - first) // 6 // 60 * 60)
    words = ("--from", iso(first - 3 * step), "--to", iso(end), "--every", f"{step // 60}m")
    done = yieldbot("history", "backfill", *words, "--history", "past", "--rate", "1000", "--json", cwd=home)
    assert done.code == 0 and height > 100, done.err
    said = done.document
    assert said["absent"] >= 3 and said["read"] + said["absent"] == said["times"]
    shown = yieldbot("history", "backfill", *words, "--history", "past", cwd=home)
    assert shown.code == 0 and "at which there was nothing" in shown.out


def test_commands_that_observe_remember_and_a_full_disk_ends_none(sandbox: Sandbox) -> None:
    home = sandbox.directory
    memory = load(sandbox.config).data_dir / "history"
    for command in ("markets", "plan", "positions", "dry-run"):
        at(sandbox, newest(sandbox) + 12)  # two blocks of one second are one reading
        before = len(query.readings(Store(memory)))
        done = yieldbot(command, cwd=home)
        assert done.code == 0, done.err
        assert len(query.readings(Store(memory))) > before, (command, done.err)
    shown = yieldbot("history", "show", cwd=home)
    assert shown.code == 0 and "aave_v3" in shown.out
    keep_out(memory)
    done = yieldbot("plan", "--json", cwd=home)
    assert done.code == 0 and done.document["schema"] == "yieldbot/plan/v1"
    assert [line for line in done.err.splitlines() if "nothing is remembered" in line]


def keep_out(memory: Path) -> None:
    """A file in place of memory's folder: nothing can be written there, whoever we are."""
    memory.rename(memory.with_name("aside"))
    memory.write_text("")


def test_words_of_a_backfill_that_cannot_be(sandbox: Sandbox) -> None:
    for words, says in (
        (("--from", "2030-01-01", "--to", "2029-01-01", "--every", "6h"), "lies after --to"),
        (("--from", "2015-08-01", "--every", "1s"), "times"),
        (("--from", "never", "--every", "6h"), "is no time"),
        (("--from", "2026-01-01", "--every", "6h", "--rate", "0"), "--rate must be more"),
        (("--every", "6h"), "--from"),
    ):
        done = yieldbot("history", "backfill", *words, cwd=sandbox.directory)
        assert done.code == 2 and says in done.line, done
