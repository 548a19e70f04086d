"""Random schedules of faults, each drawn from a seed: nodes that fail, forget and lie, fees that jump, a pool that is
emptied, and kill -9 at the journal's boundaries, all in one; then a quiet end, after which the invariants are checked.

Usage: python -m tests.kit.schedules FIRST COUNT [--verbose]. Prints how often each fault was injected. The bot's runs
are forked from this process, so that each is a process of its own to be killed, without loading everything again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.control import Proxies, proxies
from tests.faults.proxy import FAILS, LIES
from tests.kit.child import BOUNDARIES, RAW, Fuse, deposit_once
from tests.kit.forked import forked
from tests.kit.small_market import FUNDS_RAW, SmallMarket, build
from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.node.anvil import stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.native import native_token
from yieldbot.model.tx import Confirmed, Expired, Replaced, Reverted

TIMEOUT_SECONDS = 0.6
"""A node's timeout in seconds while faults are injected, some of which are that it hangs. A slow machine then counts as
one more fault."""
CONFIRM_SECONDS = 1.5
PATIENT_SECONDS = 60.0
"""Timeout in seconds of nodes and confirmations in the quiet end, in which nothing hangs; long enough for a slow
machine."""
AT_ONCE = 3
"""Schedules that run at the same time in the test suite."""
LONGEST_SECONDS = 1800.0
"""Seconds within which a schedule must end, the waiting for earlier ones included."""
GWEI = 10**9


@dataclass(slots=True)
class Attempt:
    """One run of the bot: the faults of each endpoint, what happens on the chain before it, and where it is killed."""

    plans: list[dict[str, Any]]
    event: str | None
    point: str
    count: int
    ttl_seconds: int


@dataclass(slots=True)
class Tally:
    """Counts of the faults injected, over all schedules."""

    done: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a schedule: the wallet's balances and remaining allowances in base units, and the nonces of mined
    transactions, in order."""

    usdc_raw: int
    shares_raw: int
    allowance_raw: int
    nonces: tuple[int, ...]


EVENTS = ("base fee x8", "base fee above the ceiling", "pool emptied", "not mined")


def drawn(seed: int) -> tuple[int, list[Attempt]]:
    """The schedule of a seed: (number of endpoints: 1, or 3 of which one lies; the attempts before the quiet end)."""
    draw = random.Random(seed)
    count = draw.choice((1, 3))
    liar = draw.randrange(count)
    attempts = []
    for number in range(draw.randint(1, 4)):
        plans: list[dict[str, Any]] = []
        for index in range(count):
            kinds = draw.sample(FAILS, draw.randint(1, 3)) + (["wrong_chain"] if draw.random() < 0.05 else [])
            plan = {"kinds": kinds, "rate": draw.choice((0.02, 0.05, 0.15)), "most": draw.randint(1, 6)}
            if count > 1 and index == liar:
                plan = {"kinds": draw.sample(LIES, draw.randint(1, 2)), "rate": draw.choice((0.2, 1.0))}
            plans.append(plan | {"seed": seed * 100 + number * 10 + index})
        event = draw.choice(EVENTS) if draw.random() < 0.3 else None
        point = draw.choice(BOUNDARIES) if draw.random() < 0.6 else "never"
        attempts.append(Attempt(plans, event, point, draw.randint(1, 3), draw.choice((600, 600, 600, 1))))
    return count, attempts


def faults(attempts: Iterable[Attempt]) -> set[str]:
    """Every fault, event and place of a kill that these attempts have."""
    found = set[str]()
    for one in attempts:
        found |= {kind for plan in one.plans for kind in plan["kinds"]} | {one.event or "", one.point}
    return found - {"", "never"}


class Arena:
    """The node, the proxies before it, and the state that every schedule starts from."""

    def __init__(self, market: SmallMarket, ends: Proxies, tally: Tally, verbose: bool) -> None:
        self.market, self.ends, self.tally, self.verbose = market, ends, tally, verbose
        self.keys = Path(market.folder) / "main.json"

    def ask(self, *requests: tuple[str, list[Any]]) -> list[Any]:
        async def all_of() -> list[Any]:
            async with self.market.node() as node:
                return [await node.request(method, params) for method, params in requests]

        return asyncio.run(all_of())

    def schedule(self, seed: int) -> End:
        """Run one schedule. Raises AssertionError, naming the seed, if an invariant is violated."""
        count, attempts = drawn(seed)
        (snapshot,) = self.ask(("evm_snapshot", []))
        said: list[str] = []
        with tempfile.TemporaryDirectory() as name:
            shutil.copy(self.keys, Path(name) / "main.json")
            market = replace(self.market, folder=name, confirm_timeout_seconds=CONFIRM_SECONDS)
            patient = replace(market, confirm_timeout_seconds=PATIENT_SECONDS)
            try:
                for attempt in attempts:
                    for index, plan in enumerate(attempt.plans):
                        self.ends.set(index, **plan)
                    self._event(attempt.event)
                    code, line = self._run(market, self.ends.urls[:count], attempt)
                    said.append(f"{attempt.point} x{attempt.count}, {attempt.event}: {code} {line}")
                    assert code != 1 or "InvariantError" not in line, line
                    self.tally.ended["killed" if code == -signal.SIGKILL else f"exit {code}"] += 1
                    for index in range(count):
                        self.tally.done.update(self.ends.set(index))
                    if attempt.event:
                        self.tally.done[attempt.event] += 1
                    if attempt.event == "base fee above the ceiling":
                        self._calm()
                    if code == 0:
                        break
                self._quiet()
                for _ in range(4):
                    quiet = Attempt([], None, "never", 1, 600)
                    code, line = self._run(patient, self.ends.urls[:count], quiet, PATIENT_SECONDS)
                    said.append(f"quiet: {code} {line}")
                    if code == 0:
                        break
                end = asyncio.run(self._holds(market))
            except AssertionError as broken:
                told = "\n  ".join(said)
                raise AssertionError(f"seed {seed}: {broken}\n  {told}") from broken
            finally:
                self._quiet()
                self.ask(("evm_revert", [snapshot]))
        if self.verbose:
            print(f"seed {seed}: {len(attempts)} attempts before the quiet end", *said, sep="\n  ", flush=True)
        return end

    def _event(self, event: str | None) -> None:
        match event:
            case "base fee x8":
                self.ask(("anvil_setNextBlockBaseFeePerGas", [hex(8 * GWEI)]))
            case "base fee above the ceiling":
                self.ask(("anvil_setNextBlockBaseFeePerGas", [hex(90 * GWEI)]), ("evm_mine", []))
            case "pool emptied":
                self.ask(("anvil_dropAllTransactions", []))
            case "not mined":
                self.ask(("evm_setAutomine", [False]))
            case _:
                pass

    def _quiet(self) -> None:
        self.ends.honest()
        self._calm()

    def _calm(self) -> None:
        ordinary = ("anvil_setNextBlockBaseFeePerGas", [hex(GWEI)])
        self.ask(("evm_setAutomine", [True]), ordinary, ("evm_mine", []), ordinary)

    def _run(
        self, market: SmallMarket, urls: tuple[str, ...], attempt: Attempt, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> tuple[int, str]:
        """One run in a process of its own: its exit status (negative: the signal) and its last line."""
        fuse = Fuse(attempt.point, attempt.count)
        return forked(
            lambda: deposit_once(
                market, fuse, urls=urls, timeout_seconds=timeout_seconds, ttl_seconds=attempt.ttl_seconds
            )
        )

    async def _holds(self, market: SmallMarket) -> End:
        """Check the invariants after a schedule, read from the chain directly and from the journal."""
        owner = Address(market.owner)
        native = native_token(market.settings)
        async with Node(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
            held = await fetch_balances(node, owner, (market.usdc, market.shares, native))
            nonce = await node.nonce(owner)
            left = await fetch_allowance(node, market.usdc.address, owner, market.market.address)
        with Journal.open(Path(market.folder) / "journal.sqlite") as journal:
            assert journal.verify() == journal.head()[0], "the journal's hashes do not hold"
            transactions = journal.transactions()
            assert not journal.stopped_accounts(), "the account is stopped"
        with Journal.open(Path(market.folder) / "journal.sqlite") as again:
            assert again.transactions() == transactions, "the journal replays to another state"
        assert all(tx.outcome is not None for tx in transactions), "a transaction has no outcome"
        mined = [tx for tx in transactions if isinstance(tx.outcome, Confirmed | Reverted)]
        others = [tx for tx in transactions if not isinstance(tx.outcome, Confirmed | Reverted)]
        assert all(isinstance(tx.outcome, Replaced | Expired) for tx in others)
        assert sorted(tx.signed.nonce for tx in mined) == list(range(nonce)), "a nonce is missing or used twice"
        legs = Counter(
            (t.signed.plan_id, t.signed.leg, t.signed.words) for t in mined if "deposit" in t.signed.words[:8]
        )
        assert all(times == 1 for times in legs.values()), "two transactions were mined for one leg"
        assert held[market.shares] == RAW and held[market.usdc] == FUNDS_RAW - RAW, f"deposited otherwise: {held}"
        gas = sum(tx.outcome.gas_used * tx.outcome.gas_price_wei for tx in mined if isinstance(tx.outcome, Confirmed))
        assert all(isinstance(tx.outcome, Confirmed) for tx in mined), "a transaction reverted"
        assert held[native] == 10**18 - gas, (
            f"native: {10**18 - held[native]} wei spent, {gas} of it for gas we know of"
        )
        assert left == 0, f"an allowance of {left} is left over"
        nonces = tuple(sorted(tx.signed.nonce for tx in mined))
        return End(held[market.usdc], held[market.shares], left, nonces)


@contextmanager
def arena(verbose: bool = False) -> Iterator[Arena]:
    """Context manager: a node with a market, behind proxies that inject faults."""
    with tempfile.TemporaryDirectory() as name:
        anvil, market = asyncio.run(build(Path(name)))
        try:
            with proxies(market.url, 3) as ends:
                yield Arena(market, ends, Tally(), verbose)
        finally:
            stop(anvil.pid)


class Beside:
    """Runs schedules in a few other processes, each with its own arena, since most of a schedule is waiting for nodes
    that hang and for transactions that do not arrive."""

    def __init__(self, folder: Path, seeds: Sequence[int]) -> None:
        self.folder, self.tally = folder, Tally()
        shares = [seeds[at::AT_ONCE] for at in range(AT_ONCE)]
        self._children = {seed: child for share in shares if share for child in [self._forked(share)] for seed in share}

    def schedule(self, seed: int) -> End:
        """The end of a schedule. Raises AssertionError, naming the seed, if an invariant is violated."""
        until = time.monotonic() + LONGEST_SECONDS
        while not (file := self.folder / f"{seed}.json").exists():
            assert _lives(self._children[seed]) or file.exists(), f"seed {seed}: the process of its schedule has ended"
            assert time.monotonic() < until, f"seed {seed}: no end within {LONGEST_SECONDS:g} s"
            time.sleep(0.02)
        found = json.loads(file.read_text())
        self.tally.done.update(found["done"])
        self.tally.ended.update(found["ended"])
        assert found["broken"] is None, found["broken"]
        return End(*found["end"][:3], tuple(found["end"][3]))

    def close(self) -> None:
        """End the remaining processes; those that have run all their schedules end by themselves."""
        missing = {child for seed, child in self._children.items() if not (self.folder / f"{seed}.json").exists()}
        for child in set(self._children.values()):
            if _lives(child):
                if child in missing:
                    os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)

    def _forked(self, seeds: Sequence[int]) -> int:
        child = os.fork()
        if child:
            return child
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its node ends with it
        try:
            with arena() as made:
                for seed in seeds:
                    self._written(made, seed)
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(0)

    def _written(self, made: Arena, seed: int) -> None:
        made.tally = Tally()
        end, broken = None, None
        try:
            end = made.schedule(seed)
        except Exception as failure:
            broken = f"{type(failure).__name__}: {failure}" if not isinstance(failure, AssertionError) else str(failure)
        told = {"end": end and astuple(end), "broken": broken, "done": made.tally.done, "ended": made.tally.ended}
        unfinished = self.folder / f"{seed}.writing"
        unfinished.write_text(json.dumps(told))
        unfinished.rename(self.folder / f"{seed}.json")


def _lives(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG) == (0, 0)
    except ChildProcessError:  # its result was awaited before
        return False


def run(first: int, count: int, verbose: bool = False) -> Tally:
    """Schedules of the seeds ``first`` up to ``first + count - 1``. Raises AssertionError for the first that fails."""
    with arena(verbose) as made:
        for seed in range(first, first + count):
            made.schedule(seed)
        return made.tally


if __name__ == "__main__":
    began = time.monotonic()
    total = run(int(sys.argv[1]), int(sys.argv[2]), "--verbose" in sys.argv)
    document = {
        "schedules": int(sys.argv[2]),
        "runs": sum(total.ended.values()),
        "ended": dict(total.ended.most_common()),
        "faults": dict(total.done.most_common()),
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(document, indent=2))
