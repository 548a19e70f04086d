"""What memory costs: size on the disk, one market's year, the panel of a backtest; beside SQLite holding the same.

500 markets of five chains that are read every ten minutes for a year are 26.28 million rows. ``--rows`` (a million by
default) takes fewer markets for the whole year; what follows for all of them is said as an extrapolation. Rows are
drawn so that each reading differs from the one before in every figure that interest moves, as on a chain: amounts with
six decimals, rates and indices with all their digits, a curve of 100 to 900 characters.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from yieldbot.history import columns, files, query
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store, _write

CHAINS = ("eip155:1", "eip155:8453", "eip155:42161", "eip155:10", "eip155:137")
MARKETS, DAYS, STEP = 500, 365, 600
A_DAY = 86_400 // STEP
FULL_ROWS = MARKETS * DAYS * A_DAY
T0 = 1_735_689_600
"""2025-01-01."""
SQLITE_ROWS = 1_000_000
"""At most: a row of it is five times as large."""
APPENDS = 24


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench history")
    made.add_argument("--rows", type=int, default=1_000_000, help=f"rows in all (26280000: the whole; {FULL_ROWS:,})")
    made.add_argument("--folder", type=Path, help="where files are written, and deleted after; a temporary one")
    return made


def keys_of(count: int) -> list[MarketKey]:
    """Markets in turn on each chain, with names as long as real ones."""
    return [
        MarketKey(
            chain=CHAINS[n % len(CHAINS)],
            market=f"aave_v3/{CHAINS[n % len(CHAINS)][7:]}/0x{n % 7 * 10**30:040x}/0x{n * 7919:040x}",
            protocol=("aave_v3", "compound_v3", "morpho_blue", "metamorpho")[n % 4],
            asset=("USDC", "USDT", "DAI", "WETH")[n // 4 % 4],
            asset_address=f"0x{n * 7919:040x}",
        )
        for n in range(count)
    ]


class Drawn:
    """A chain's markets as they move from day to day. The same numbers for the same seed."""

    def __init__(self, keys: list[MarketKey], seed: int) -> None:
        self.keys, self.draw = keys, np.random.default_rng(seed)
        self.vaults = [int(key.asset_address, 16) // 7919 % 10 == 1 for key in keys]
        count = len(keys)
        self.supplied = 10 ** self.draw.uniform(6, 9, count)
        self.used = self.draw.uniform(0.4, 0.92, count)
        self.index = self.draw.uniform(1.0, 1.3, count)
        self.rate = np.zeros(count)

    def day(self, day: int) -> pa.Table:
        """All readings of a day, ascending by market and time."""
        draw, count = self.draw, len(self.keys)
        shape = (count, A_DAY)
        used = np.clip(self.used[:, None] + np.cumsum(draw.normal(0, 0.002, shape), axis=1), 0.05, 0.999)
        moved = np.cumsum(np.where(draw.random(shape) < 0.4, draw.normal(0, 0.003, shape), 1e-7), axis=1)
        supplied = np.round(self.supplied[:, None] * np.exp(moved), 6)
        borrowed = np.round(supplied * used, 6)
        used = borrowed / supplied
        borrow_rate = np.where(used < 0.9, used * 0.06, 0.054 + (used - 0.9) * 4.0)
        rate = borrow_rate * used * 0.9
        index = self.index[:, None] * np.exp(np.cumsum(rate, axis=1) * STEP / 31_557_600)
        after = [borrow_rate * (borrowed / (supplied + x)) * 0.9 * used / used for x in (1e3, 1e4, 1e5, 1e6, 1e7)]
        self.rate = rate[:, -1]
        self.used, self.supplied, self.index = used[:, -1], supplied[:, -1], index[:, -1]
        times = np.tile(T0 + day * 86_400 + np.arange(A_DAY, dtype=np.int64) * STEP + 7, count)
        flat = {
            "supply_rate": rate,
            "mean_rate": rate * (1 + draw.normal(0, 1e-4, shape)),
            "index": index,
            "borrow_rate": borrow_rate,
            "utilisation": used,
            "supplied": supplied,
            "borrowed": borrowed,
            "cash": np.round(supplied - borrowed, 6),
            "capacity": np.round(self.supplied[:, None] * 2 - supplied, 6),
            "reserve_factor": np.full(shape, 0.1),
            "held": np.zeros(shape),
            "token_supply": np.broadcast_to(1e10 + (day * A_DAY + np.arange(A_DAY)) * 1e3, shape),
            "traded_usd": np.round(1 + draw.normal(0, 2e-4, shape), 8),
            "price_usd": np.repeat(np.round(1 + draw.normal(0, 2e-4, (count, 24)), 8), A_DAY // 24, axis=1),
        }
        made: dict[str, Any] = {name: value.ravel() for name, value in flat.items()}
        made |= {name: value.ravel().astype(np.float32) for name, value in zip(columns.AFTER, after, strict=True)}
        made |= {name: _repeated([getattr(key, name) for key in self.keys]) for name in columns.KEY}
        made |= {"time": times, "height": times // 12, "mean_since": times - STEP}
        rows = count * A_DAY
        made |= {name: _repeated([value] * count) for name, value in (("source", "observed"), ("status", "active"))}
        made |= {name: pa.nulls(rows, pa.string()) for name in ("rewards", "flags")}
        made["backing"] = pa.array(list(self.backing(day)), pa.string())
        made["curve"] = pa.array(list(self.curves(supplied, borrowed)), pa.string())
        return pa.table({name: made[name] for name in columns.schema().names}, schema=columns.schema())

    def backing(self, day: int) -> Iterator[str | None]:
        """Supplies of collaterals: four of each tenth market, one of each second, none of the others."""
        for market in range(len(self.keys)):
            tokens = range(4) if self.vaults[market] else range(market % 2)
            for hour in range(24):
                supply = 1e26 + (day * 24 + hour) * 1e20
                said = {f"0x{token * 7907 + 1:040x}": supply for token in tokens}
                yield from [json.dumps(said, separators=(",", ":")) if said else None] * (A_DAY // 24)

    def curves(self, supplied: Any, borrowed: Any) -> Iterator[str]:
        """A pool's curve as text; each tenth market is a vault over four pools."""
        head, tail = '{"schema":"yieldbot/curve/v1","curve":', "}"
        points = '"points":[[0.0,0.0],[0.9,0.054],[1.0,0.454]],"keep":0.9,"deficit":0.0}'
        for market in range(len(self.keys)):
            for others, lent in zip(supplied[market].tolist(), borrowed[market].tolist(), strict=True):
                pool = f'{{"kind":"kinked","others":{others!r},"borrowed":{lent!r},{points}'
                if not self.vaults[market]:
                    yield head + pool + tail
                    continue
                slots = ",".join(
                    f'{{"kind":"vault_slot","curve":{{"kind":"adaptive","others":{others * part!r},'
                    f'"borrowed":{lent * part!r},"fee":0.0,"rate_at_target":0.04}},"held":{others * part / 7!r},'
                    f'"room":"inf","liquidity":{(others - lent) * part!r},"pool":"morpho_blue/8453/0x{at:064x}"}}'
                    for at, part in enumerate((0.4, 0.3, 0.2, 0.1))
                )
                vault = f'{{"kind":"look_through","others":{others!r},"ours":0.0,"fee":0.1,"slots":[{slots}],'
                yield head + vault + '"withdraw_order":[0,1,2,3]}' + tail


def _repeated(values: list[str]) -> pa.Array:
    found = pa.array(np.repeat(np.arange(len(values), dtype=np.int32), A_DAY))
    return pa.DictionaryArray.from_arrays(found, pa.array(values, pa.string())).cast(pa.string())


def compare(rows: int = 1_000_000, folder: Path | None = None) -> dict[str, Any]:
    """Write, look and delete again."""
    count = max(len(CHAINS), min(MARKETS, round(rows / DAYS / A_DAY)))
    place = Path(tempfile.mkdtemp(prefix="yieldbot-history-", dir=folder))
    try:
        return _compare(count, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _compare(count: int, place: Path) -> dict[str, Any]:
    keys, store = keys_of(count), Store(place / "history")
    rows = count * DAYS * A_DAY
    drawn = {c: Drawn([key for key in keys if key.chain == c], at) for at, c in enumerate(CHAINS)}
    began = time.monotonic(), time.process_time()
    for day in range(DAYS):
        for chain, markets in drawn.items():
            span = files.span_of_day(T0 + day * 86_400)
            _write(files.folder_of(store.folder, chain, span[:7]), span, whole=True, content=markets.day(day))
        if day % 30 == 29:
            print(f"day {day + 1} of {DAYS}, {time.monotonic() - began[0]:.0f} s", file=sys.stderr, flush=True)
            store.compact(now=T0 + (day + 1) * 86_400)
    store.compact(now=T0 + (DAYS + 40) * 86_400, everything=True)
    wrote = time.monotonic() - began[0], time.process_time() - began[1]
    size = sum(one.stat().st_size for one in store.folder.rglob("*.parquet"))
    key = keys[count // 2]
    looked = _median(lambda: len(query.frame(store, key)))
    panel = _panel(store.folder)
    whole = FULL_ROWS / rows
    return {
        "measurement": "history",
        "rows": rows,
        "markets": count,
        "days": DAYS,
        "files": len(list(store.folder.rglob("*.parquet"))),
        "bytes_a_row": round(size / rows, 1),
        "gigabytes": round(size / 1e9, 3),
        "gigabytes_of_26_million_rows": round(size * whole / 1e9, 2),
        "drawn_and_written_seconds": [round(one, 1) for one in wrote],
        "append_of_a_reading_of_all_markets_ms": _appends(place / "appended", keys),
        "one_markets_year_ms": looked,
        "panel_of_days": panel,
        "panel_of_26_million_rows_seconds": [round(one * whole, 1) for one in panel["again"]],
        "sqlite": _sqlite(place / "history.sqlite", keys, rows),
        "seconds_are": "of the clock, then of the processor",
    }


def _median(look: Callable[[], object], times: int = 7) -> list[float]:
    """Milliseconds of the clock and of the processor."""
    look()
    found = []
    for _ in range(times):
        began = time.perf_counter(), time.process_time()
        look()
        found.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return [round(1000 * statistics.median(one[at] for one in found), 1) for at in (0, 1)]


PANEL = """
import json, sys, time
from pathlib import Path
from yieldbot.history import query
from yieldbot.history.store import Store
seconds = []
for _ in range(2):
    began = time.perf_counter(), time.process_time()
    found = query.panel(Store(Path(sys.argv[1])))
    seconds.append([round(time.perf_counter() - began[0], 2), round(time.process_time() - began[1], 2)])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1024  # ru_maxrss would be at least that of the process that started this one
print(json.dumps({"shape": found.quoted.shape, "first": seconds[0], "again": seconds[1], "megabytes": round(peak)}))
"""
"""The first time with the import of what it needs."""


def _panel(folder: Path) -> dict[str, Any]:
    """In a process of its own, so that its memory can be told."""
    done = subprocess.run([sys.executable, "-c", PANEL, folder], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _appends(folder: Path, keys: list[MarketKey]) -> list[float]:
    """What a command that observes pays to remember one reading of every market of one chain, a day's 24th one."""
    store, chain = Store(folder), CHAINS[0]
    mine = [key for key in keys if key.chain == chain]
    curve = next(Drawn(mine, 1).curves(np.full((1, 1), 1e6), np.full((1, 1), 8e5)))
    at = iter(range(T0, T0 + 10**6, STEP))

    def append() -> None:
        moment = next(at)
        readings = [
            Reading(
                key=key, time=moment, supply_rate=0.04, supplied=1e6, index=1.0, rates_after=(0.1,) * 5, curve=curve
            )
            for key in mine
        ]
        assert not store.append(readings).failure

    for _ in range(APPENDS - 8):
        append()
    return _median(append)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _sqlite(path: Path, keys: list[MarketKey], rows: int) -> dict[str, Any]:
    """The same rows in a table with market and time as its key."""
    count = max(len(CHAINS), min(len(keys), round(SQLITE_ROWS / DAYS / A_DAY)))
    keys = keys[:count]
    names = [name for name in columns.schema().names if name not in ("protocol", "asset", "asset_address")]
    base = sqlite3.connect(path)
    try:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute(f"CREATE TABLE readings ({', '.join(map(_quoted, names))}, PRIMARY KEY (chain, market, time))")
        began, wrote = time.monotonic(), 0
        drawn = {c: Drawn([key for key in keys if key.chain == c], at) for at, c in enumerate(CHAINS)}
        for day in range(DAYS):
            for markets in drawn.values():
                content = markets.day(day).select(names)
                values = zip(*(column.to_pylist() for column in content.columns), strict=True)
                base.executemany(f"INSERT OR IGNORE INTO readings VALUES ({', '.join('?' * len(names))})", values)
                wrote += content.num_rows
            base.commit()
        seconds = time.monotonic() - began
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        key = keys[count // 2]
        year = (
            "SELECT time, supply_rate, mean_rate, utilisation, supplied, cash FROM readings WHERE chain=? AND market=?"
        )
        looked = _median(lambda: base.execute(year, (key.chain, key.market)).fetchall(), 3)
        panel = (
            'SELECT market, (time + 86399) / 86400, supply_rate, utilisation, supplied, cash, borrow_rate, "index", '
            "max(time) FROM readings GROUP BY chain, market, (time + 86399) / 86400"
        )
        grid = _median(lambda: base.execute(panel).fetchall(), 1)
    finally:
        base.close()
    size = path.stat().st_size
    return {
        "rows": wrote,
        "bytes_a_row": round(size / wrote, 1),
        "gigabytes_of_26_million_rows": round(size / wrote * FULL_ROWS / 1e9, 2),
        "written_seconds": round(seconds, 1),
        "one_markets_year_ms": looked,
        "panel_of_26_million_rows_seconds": [round(one / 1000 * FULL_ROWS / wrote, 1) for one in grid],
        "peak_megabytes_of_this_process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
