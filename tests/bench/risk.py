"""What grading costs a warm cycle: 500 markets of one chain, whose memory has a reading each ten minutes for 90 days;
and what looking through them costs: the rounds, the reads, and the processor's time for what answers mean.

In milliseconds of CPU time: statistics from memory (``history/market_statistics.py``; once a day, then kept), grades
(``risk/grade.py``), and alarms (``app/alarms.py``): what memory has of nine days, and the judgement of
markets that may show a sign. Reading who controls the contracts is no part of it: that is the watch's, and is kept from
look to look.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.bench.history import T0, Drawn
from tests.kit.market_builder import BLOCK, USDC, kinked, market, snapshot, usdc
from tests.unit.protocols import test_backing as backing
from tests.unit.protocols.test_backing import at, pool, run, vault
from yieldbot.app.alarms import with_alarms
from yieldbot.app.graded import facts_of, with_grades
from yieldbot.app.memory import FOLDER
from yieldbot.history import files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.reading import MarketKey
from yieldbot.history.store import Store, _write
from yieldbot.model.amounts import Apr
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.reads import EthCall
from yieldbot.protocols.backing import Root, backing_of
from yieldbot.protocols.evm.backing_pools import Known, token_key
from yieldbot.protocols.evm.backing_reads import next_known, read_holdings

CHAIN, TRIES = "eip155:1", 5
TODAY = 22
"""Files of today that are not merged yet."""


class Bare(Drawn):
    """Readings with short curves: grades do not read them."""

    def __init__(self, keys: list[MarketKey], seed: int) -> None:
        super().__init__(keys, seed)
        self.vaults = [place % 10 == 1 for place in range(len(keys))]

    def curves(self, supplied: Any, borrowed: Any) -> Iterator[str]:
        yield from ("{}" for _ in range(supplied.size))


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench risk``."""
    made = argparse.ArgumentParser(prog="scripts/bench risk")
    made.add_argument("--markets", type=int, default=500)
    made.add_argument("--days", type=int, default=90)
    return made


def compare(markets: int = 500, days: int = 90) -> dict[str, Any]:
    """Write memory, grade, and delete it again."""
    place = Path(tempfile.mkdtemp(prefix="yieldbot-risk-"))
    try:
        seen = _remembered(place, markets, days)
        said: list[str] = []
        began = time.process_time()
        facts_of(seen, place, said.append)
        first = time.process_time() - began
        asked = _median(lambda: facts_of(seen, place, said.append))
        whole = _median(lambda: with_grades(seen, place, Policy(), said.append))
        assert not said, said
        alarms = _median(lambda: with_alarms(seen, place, Policy(), said.append))
        alarmed, _ = with_alarms(seen, place, Policy(), said.append)
        graded = with_grades(seen, place, Policy(), said.append)
        assert all(state.grade and "30 days of rates" not in state.grade.missing for state in graded.markets)
        return {
            **look_through(markets),
            "measurement": "risk",
            "markets": markets,
            "rows": markets * days * 144,
            "first_of_a_day_ms": round(first * 1e3, 1),
            "memory_ms": round(asked * 1e3, 1),
            "grades_ms": round((whole - asked) * 1e3, 1),
            "alarms_ms": round(alarms * 1e3, 1),
            "with_an_alarm": sum(bool(state.alarms) for state in alarmed.markets),
            "whole_ms": round((whole + alarms) * 1e3, 1),
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)


def look_through(markets: int) -> dict[str, Any]:
    """Ten Aave pools of 40 reserves, and a fifth of the markets each: in those pools, on one collateral, MetaMorpho
    vaults of ten markets (two fifths), vaults of unknown kind. First what a first look takes, then the next one."""
    answers: dict[EthCall, bytes] = {}
    providers: dict[str, tuple[Address, Address]] = {}
    for number in range(10):
        tokens = {at(0x90000 + n): (900 + n, 800, 7800) for n in range(40)}
        providers |= pool(answers, at(0x5000 + 10 * number), tokens).providers
    roots, vaults = [], []
    for number in range(markets):
        tokens_of = [token_key(at(0x90000 + (number + n) % 60)) for n in range(10)]
        if number % 5 == 0:
            children = [(f"aave:{at(0x5000 + 10 * (number // 5 % 10))}", 1.0)]
        elif number % 5 == 1:
            children = [(tokens_of[0], 1.0)]
        elif number % 5 < 4:
            children = [(key, 1.0 + n) for n, key in enumerate(tokens_of)]
        else:
            vaults.append(at(0x70000 + number))
            vault(answers, vaults[-1], backing.USDC, 1000, idle=400)
            children = [(token_key(vaults[-1]), 1.0)]
        held = HeldBy(children=tuple(children), asset=token_key(backing.USDC))
        roots.append(Root(market=MarketId(f"m{number}"), asset=token_key(backing.USDC), held=held))
    keys = list(dict.fromkeys(key for root in roots for key, _ in root.held.children))
    found: dict[str, Any] = {}
    known = Known(providers=providers, shares={token_key(backing.USDC): tuple(vaults)})
    for name in ("cold", "warm"):
        began = time.process_time()
        graph, rounds, reads = run(read_holdings(keys, known), lambda read: answers.get(read, b""))
        for root in roots:
            backing_of(root, graph.nodes, 0, 0)
        spent = time.process_time() - began
        found |= {f"look_{name}_ms": round(spent * 1e3, 1), f"look_{name}_rounds": rounds, f"look_{name}_reads": reads}
        leaves, calls = next_known(graph)
        known = replace(known, leaves=leaves, calls=calls)
    return found


def _remembered(place: Path, markets: int, days: int) -> Snapshot:
    states = [market(f"m{n}", kinked(1e8, 8e7)) for n in range(markets)]
    keys = [
        MarketKey(chain=CHAIN, market=one.market.id, protocol="lend", asset="USDC", asset_address=USDC.address.lower())
        for one in states
    ]
    drawn, store = Bare(keys, 1), Store(place / FOLDER)
    now = T0 + days * 86_400 - 300
    for day in range(days):
        span = files.span_of_day(T0 + day * 86_400)
        folder, content = files.folder_of(store.folder, CHAIN, span[:7]), drawn.day(day)
        times = as_numpy(content["time"])
        newest = sorted(set(times.tolist()))[-TODAY:] if day == days - 1 else []
        before = content.filter(pa.array(times < newest[0])) if newest else content
        _write(folder, span, whole=True, content=before)
        for moment in newest:  # today as runs leave it: a file each, of which each 24 are merged
            _write(folder, span, whole=False, content=content.filter(pa.array(times == moment)))
        if day % 30 == 29:
            print(f"day {day + 1} of {days}", file=sys.stderr, flush=True)
    store.compact(now=now)
    at = replace(BLOCK, timestamp=now)
    live = []
    for n, one in enumerate(states):
        supplied, used = float(drawn.supplied[n]), float(drawn.used[n])
        coins = range(4) if drawn.vaults[n] else range(n % 2)
        params = {"collaterals": {str(coin): f"0x{coin * 7907 + 1:040x}" for coin in coins}}
        lent = market(f"m{n}", kinked(supplied, supplied * used), borrowed=supplied * used)
        live.append(
            replace(
                lent, market=replace(one.market, params=params), supplied=usdc(supplied), index=float(drawn.index[n]),
                liquidity=usdc(supplied * (1 - used)), block=at, quoted=Apr(float(drawn.rate[n])),
            )
        )  # fmt: skip
    seen = snapshot(1e6, *live)
    supplies = {USDC.address: 10**16 + days * 144 * 10**9}
    supplies |= {f"0x{coin * 7907 + 1:040x}": 10**26 + days * 24 * 10**20 for coin in range(4)}
    seen = replace(seen, supplies=supplies, pegs={USDC: Price(1.0, now, traded=1.0)})
    return replace(seen, block=at)


def _median(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return statistics.median(once() for _ in range(TRIES))
