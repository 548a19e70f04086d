"""Random schedules of faults on Solana, each drawn from a seed: nodes that fail, forget and lie, transactions that
never land, forks that are left, slots that race past blockhashes, and kill -9 at the journal's boundaries, all in one;
then a quiet end, after which the invariants are checked. Each run is the whole product, from settling to confirming.

Usage: python -m tests.kit.solana_schedules FIRST COUNT [--verbose]. Prints how often each fault was injected.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.faults.control import Proxies, proxies
from tests.faults.proxy import FAILS, LIES
from tests.kit.child import Fuse, FusedJournal
from tests.kit.forked import forked
from tests.kit.schedules import Attempt, Tally
from tests.kit.solana.several_assets import BASE
from yieldbot.app import cycle
from yieldbot.chains.solana import session as wiring
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.chains.solana.signing.keystore import KeystoreSigner
from yieldbot.config.load import load
from yieldbot.errors import YieldbotError
from yieldbot.execution.approvals import Auto
from yieldbot.execution.lock import run_lock
from yieldbot.execution.passphrases import passphrase
from yieldbot.execution.world import Wiring
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Confirmed, Expired
from yieldbot.sandbox.solana.node import SvmSandbox, running

BOUNDARIES = ("before signed", "after signed", "before sent", "after sent", "before settled", "after settled")
EVENTS = ("never lands", "fork switch", "slots race", "behind")
FAST_SLOT_SECONDS = 0.05
CONFIRM_SECONDS = 4.0
TIMEOUT_SECONDS = 0.8
"""A node's timeout in seconds while faults are injected, some of which are that it hangs. A slow machine then counts as
one more fault."""
PATIENT_SECONDS = 60.0
"""Timeout in seconds of nodes and confirmations in the quiet end, in which nothing hangs."""
QUIET_RUNS = 8
"""Most runs in the quiet end, each with slots twice as slow as the one before, since a blockhash must last as long as a
slow machine takes to sign."""
FUNDS_RAW = 100_000 * 10**6
SWAPPED_AT_MOST_RAW = 50 * 10**6
"""Most base units that swapping half of the wealth may cost."""
EACH_THIRD = 3
"""Every third seed has a job over both stablecoins, one of which is bought by swaps."""
IDLE_AT_MOST_RAW = 700 * 10**6
"""Most base units that stay idle: the policy's buffer, and less than its minimum move."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a schedule: our wealth and the idle part of it in base units, and the number of legs that landed."""

    wealth_raw: int
    idle_raw: int
    legs: int


def over_both(seed: int) -> bool:
    """Whether a schedule's job is one over several assets."""
    return seed % EACH_THIRD == 0


def drawn(seed: int) -> tuple[int, list[Attempt]]:
    """The schedule of a seed: (number of endpoints: 1, or 3 of which one lies; the attempts before the quiet end)."""
    draw = random.Random(seed)
    count = draw.choice((1, 3))
    liar = draw.randrange(count)
    attempts = []
    for number in range(draw.randint(1, 4)):
        plans = []
        for index in range(count):
            kinds = draw.sample(FAILS, draw.randint(1, 3)) + (["wrong_chain"] if draw.random() < 0.05 else [])
            plan = {"kinds": kinds, "rate": draw.choice((0.02, 0.05, 0.1)), "most": draw.randint(1, 4)}
            if count > 1 and index == liar:
                plan = {"kinds": draw.sample(LIES, draw.randint(1, 2)), "rate": draw.choice((0.2, 1.0))}
            plans.append(plan | {"seed": seed * 100 + number * 10 + index})
        event = draw.choice(EVENTS) if draw.random() < 0.5 else None
        point = draw.choice(BOUNDARIES) if draw.random() < 0.6 else "never"
        attempts.append(Attempt(plans, event, point, draw.randint(1, 3), 600))
    return count, attempts


async def cycle_once(home: Path, urls: tuple[str, ...], fuse: Fuse, patience: float | None = None) -> int:
    """One `yieldbot run --approve auto` over ``urls``; returns its exit code, errors are on stderr. patience: timeout
    in seconds of an answer and of a confirmation; None: the shorter ones of the time with faults."""
    settings = load(home / "yieldbot.toml")
    (job,) = settings.jobs
    quorum = len(urls) // 2 + 1
    wait = patience or CONFIRM_SECONDS
    chain = replace(job.chain, rpc_urls=urls, quorum=quorum, poll_seconds=0.03, confirm_timeout_seconds=wait)
    settings = replace(settings, jobs=(replace(job, chain=chain),))
    plain = Quorum.send

    async def send(nodes: Quorum, raw: bytes) -> None:
        fuse.at("before sent")
        await plain(nodes, raw)
        fuse.at("after sent")

    # This process is a fork that ends with the run: nobody else sees these.
    Quorum.send = send  # type: ignore[method-assign]
    seconds = patience or TIMEOUT_SECONDS
    wiring.connect = partial(connect, timeout_seconds=seconds)  # type: ignore[attr-defined]
    try:
        with run_lock(home), FusedJournal.open(home / "journal.sqlite") as journal:
            journal.fuse = fuse
            world = Wiring(
                settings=settings,
                journal=journal,
                approver=Auto(journal, settings.policy),
                signer_of=lambda wallet: KeystoreSigner(wallet.keystore, passphrase(wallet, {}, None)),  # type: ignore
                now=lambda: int(time.time()),
                say=lambda line: None,
            )
            report = await cycle.run_job(world, settings.jobs[0])
            for said in (report.skipped, report.declined):
                if said is not None:
                    print(said, file=sys.stderr)
            return int(report.skipped is not None or report.declined is not None or report.failed)
    except YieldbotError as failure:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
        return failure.exit_code


@dataclass(slots=True)
class Arena:
    """The cluster, the proxies before it, and the state that every schedule starts from."""

    sandbox: SvmSandbox
    ends: Proxies
    verbose: bool = False
    tally: Tally = field(default_factory=Tally)

    def schedule(self, seed: int) -> End:
        """Run one schedule. Raises AssertionError, naming the seed, if an invariant is violated."""
        count, attempts = drawn(seed)
        said: list[str] = []
        with tempfile.TemporaryDirectory() as name:
            home = Path(name) / "home"
            shutil.copytree(self.sandbox.directory, home, ignore=shutil.ignore_patterns("journal*", "run.lock"))
            if over_both(seed):
                text = (home / "yieldbot.toml").read_text()
                (home / "yieldbot.toml").write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
            try:
                for attempt in attempts:
                    code, line = self._attempt(home, count, attempt)
                    said.append(f"{attempt.point} x{attempt.count}, {attempt.event}: {code} {line}")
                    assert "InvariantError" not in line, line
                for number in range(QUIET_RUNS):
                    self.sandbox.rpc("svm_setPace", FAST_SLOT_SECONDS * 2**number)
                    quiet = partial(cycle_once, home, self.ends.urls[:count], Fuse("never", 1), PATIENT_SECONDS)
                    code, line = forked(quiet)
                    said.append(f"quiet: {code} {line}")
                    if code == 0:
                        break
                end = asyncio.run(self._holds(home))
            except AssertionError as broken:
                told = "\n  ".join(said)
                raise AssertionError(f"seed {seed}: {broken}\n  {told}") from broken
            finally:
                self.ends.honest()
                self.sandbox.rpc("svm_setPace", FAST_SLOT_SECONDS)
                self.sandbox.rpc("svm_revert")
        if self.verbose:
            print(f"seed {seed}: {len(attempts)} attempts before the quiet end", *said, sep="\n  ", flush=True)
        return end

    def _attempt(self, home: Path, count: int, attempt: Attempt) -> tuple[int, str]:
        for index, plan in enumerate(attempt.plans):
            self.ends.set(index, **plan)
        match attempt.event:
            case "never lands":
                self.sandbox.rpc("svm_dropTransactions", 1)
            case "slots race":
                self.sandbox.rpc("svm_setPace", FAST_SLOT_SECONDS / 10)
            case "behind":
                self.sandbox.rpc("svm_staleBy", 6)
            case "fork switch":
                self.sandbox.rpc("svm_forkSwitch", 2)
            case _:
                pass
        code, line = forked(lambda: cycle_once(home, self.ends.urls[:count], Fuse(attempt.point, attempt.count)))
        if attempt.event == "fork switch" and code == -signal.SIGKILL:
            self.sandbox.rpc("svm_forkSwitch", 1)  # a transaction that a killed run had sent is undone
        self.tally.ended["killed" if code == -signal.SIGKILL else f"exit {code}"] += 1
        for index in range(count):
            self.tally.done.update(self.ends.set(index))
        if attempt.event:
            self.tally.done[attempt.event] += 1
        self.sandbox.rpc("svm_dropTransactions", 0)
        self.sandbox.rpc("svm_staleBy", 0)
        self.sandbox.rpc("svm_setPace", FAST_SLOT_SECONDS)
        return code, line

    async def _holds(self, home: Path) -> End:
        """Check the invariants after a schedule, read from the cluster itself and from the journal."""
        settings = load(home / "yieldbot.toml")
        with Journal.open(home / "journal.sqlite") as journal:
            assert journal.verify() == journal.head()[0], "the journal's hashes do not hold"
            transactions = journal.transactions()
            assert not journal.stopped_accounts(), "the account is stopped"
            world = Wiring(
                settings=settings,
                journal=journal,
                approver=Auto(journal, settings.policy),
                signer_of=lambda wallet: KeystoreSigner(wallet.keystore, passphrase(wallet, {}, None)),  # type: ignore
                now=lambda: int(time.time()),
                say=lambda line: None,
            )
            snapshot = await cycle.observe_job(world, settings.jobs[0])
        with Journal.open(home / "journal.sqlite") as again:
            assert again.transactions() == transactions, "the journal replays to another state"
        assert all(isinstance(tx.outcome, Confirmed | Expired) for tx in transactions), [
            t.outcome for t in transactions
        ]
        landed = set(self.sandbox.rpc("svm_addresses"))
        settled = {tx.signed.hash for tx in transactions if isinstance(tx.outcome, Confirmed)}
        assert landed == settled, "the journal and the cluster differ about what landed"
        legs = Counter(
            (tx.signed.plan_id, tx.signed.leg, tx.signed.words) for tx in transactions if tx.signed.hash in landed
        )
        assert all(times == 1 for times in legs.values()), "two transactions landed for one leg"
        wealth = sum(state.held.raw for state in snapshot.states.values())
        idle = sum(s.held.raw for s in snapshot.states.values() if s.market.protocol == "idle")
        least = FUNDS_RAW - 10 - (SWAPPED_AT_MOST_RAW if settings.jobs[0].base else 0)
        assert least <= wealth <= FUNDS_RAW * 1.001, f"{wealth} is not what there was, and a little interest"
        assert idle <= IDLE_AT_MOST_RAW, f"{idle} lies idle still"
        return End(wealth, idle, len(legs))


@contextmanager
def arena(verbose: bool = False) -> Iterator[Arena]:
    """Context manager: a cluster with a market, behind proxies that inject faults."""
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as sandbox, proxies(sandbox.rpc_url, 3) as ends:
        sandbox.rpc("svm_setPace", FAST_SLOT_SECONDS)
        sandbox.rpc("svm_snapshot")
        yield Arena(sandbox, ends, verbose)


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
