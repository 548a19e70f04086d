"""``paper``: what the policy would do with imaginary money: live readings, a simulated ledger, and the same decisions
as runs. No key is read and nothing is signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import paper_state as store
from yieldbot.app.account_entries import journalled
from yieldbot.app.judged import judged
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.paper_documents import PaperDocument, PaperWallet
from yieldbot.app.paper_jobs import Wanted, job_for, job_of, owner_of
from yieldbot.app.paper_parts import wallet_part
from yieldbot.app.paper_records import records_of
from yieldbot.app.paper_state import PaperState
from yieldbot.app.paper_step import Begins, Stepped, decided, first, grown
from yieldbot.app.wiring import Keyless
from yieldbot.backtest.paper import as_held, tried
from yieldbot.chains.open import session, watch
from yieldbot.config.policy_names import unmatched_names
from yieldbot.decision.decide import decide
from yieldbot.decision.gas_learned import with_learnt_gas
from yieldbot.decision.why_held import explained
from yieldbot.errors import ConfigError, TransientError, YieldbotError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.execution.world import Wiring
from yieldbot.history import holdings, recorded
from yieldbot.journal.journal_entries import JournalEntry, Observed, PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Hold, Plan

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.ports import Watch
    from yieldbot.journal.fold import Record
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job

MOST_WEALTH = 10**12
"""Most whole tokens of a paper wallet: more is taken for a typing error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRequest:
    """One step of paper wallets."""

    name: str = ""
    """The name of one wallet; empty: all existing ones, or a first one."""
    wealth: str = ""
    """Initial wealth of a new wallet, in whole tokens; empty: no wallet is created."""
    wanted: Wanted = field(default_factory=Wanted)
    """The job that a new wallet manages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One chain at one block, as the real wallet and as the paper wallet observe it."""

    real: Snapshot
    """The snapshot with the real wallet's holdings."""
    now: PaperState
    """The paper wallet, including what its holdings have earned."""
    paper: Snapshot
    """The snapshot with the paper wallet's holdings instead."""


def paper(request: PaperRequest, context: Context) -> tuple[PaperDocument, int]:
    """Makes one step of each requested paper wallet; the exit code is 1 if a chain could not be served.

    Raises ConfigError for a wallet that does not exist and is not created, YieldbotError if another process steps it,
    InvariantError if its journal was changed.
    """
    names = _names(request, context)
    if len(names) == 1:
        one = _stepped(names[0], request, context)
        return PaperDocument(wallets=(one,)), int(one.skipped is not None)
    found, code = [], 0
    for name in names:
        try:
            found.append(_stepped(name, request, context))
        except YieldbotError as failure:  # a fault of one wallet must not keep the others waiting
            context.complain(f"paper wallet {name}: {failure}")
            code = max(code, failure.exit_code)
    return PaperDocument(wallets=tuple(found)), max(code, *(int(one.skipped is not None) for one in found), 0)


def _names(request: PaperRequest, context: Context) -> Sequence[str]:
    if request.name or request.wealth:
        return (request.name or store.DEFAULT,)
    return store.existing(context.settings.data_dir) or (store.DEFAULT,)


def _stepped(name: str, request: PaperRequest, context: Context) -> PaperWallet:
    folder = store.folder_of(context.settings.data_dir, name)
    if not (folder / store.FILE).exists():
        if not request.wealth:
            raise ConfigError(
                f"there is no paper wallet {name!r}: create it with --wealth and --coin: `{context.program} paper "
                f"--name {name} --wealth 10000 --coin USDC`"
            )
        _job(name, request, None, context)  # invalid arguments leave no files behind
    with run_lock(folder, "paper"), Journal.open(folder / store.FILE) as journal:
        before = next(iter(store.states(journal, journal.history(limit=1))), None)  # a step ends with its ledger
        job, begins = _job(name, request, before, context)
        context.say(f"observing {job.chain.name} for paper wallet {name}")
        try:
            seen = asyncio.run(_observed(_world(context, journal), job, before, begins, context))
        except TransientError as passing:
            return wallet_part(name, before, job, skipped=str(passing))
        if seen is None:
            return wallet_part(name, before, job, known=True)
        return _decided(name, job, before, seen, journal, context)


def _job(name: str, request: PaperRequest, before: PaperState | None, context: Context) -> tuple[Job, Begins | None]:
    """The wallet's job and, if this is its first step, what it begins with."""
    if before is None:
        if not request.wealth:
            raise ConfigError(
                f"paper wallet {name!r} never began: say --wealth and --coin, as --wealth 10000 --coin USDC"
            )
        job = job_for(request.wanted, context)
        return job, _begins(request, job)
    job, wanted = job_of(before, context), request.wanted
    other = [
        f"{flag} {said}"
        for flag, said, known in (
            ("--wealth", request.wealth, before.wealth),
            ("--coin", wanted.coin, before.coin),
            ("--chain", wanted.chain, before.chain),
            ("--wallet", wanted.wallet, job.wallet.name),
        )
        if said and said != known
    ]
    if other:
        raise ConfigError(
            f"paper wallet {name!r} began with {before.wealth} {before.coin} on {before.chain}: leave "
            f"{', '.join(other)} out, or begin another one by --name"
        )
    return job, None


def _begins(request: PaperRequest, job: Job) -> Begins:
    coin = next((token for token in job.assets if token.symbol == request.wanted.coin), job.asset)
    try:
        amount = coin.parse(request.wealth)
    except ValueError as bad:
        raise ConfigError(f"--wealth: {bad}") from None
    if not 0 < amount.raw <= MOST_WEALTH * coin.one:
        raise ConfigError(f"--wealth {request.wealth}: write more than 0 and at most 10^12 whole {coin.symbol}")
    return Begins(wealth=request.wealth, amount=amount)


def _world(context: Context, journal: Journal) -> Wiring:
    """The wiring of a dry run: nothing is approved, no key is read. The journal is the paper wallet's."""
    return Wiring(
        settings=context.settings,
        journal=journal,
        approver=DeclineAll(),
        signer_of=Keyless,
        now=lambda: int(time.time()),
        say=context.say,
    )


@asynccontextmanager
async def _opened(world: Wiring, job: Job) -> AsyncIterator[Watch]:
    """The chain, opened as a run opens it: with a fork on which simulated holders of opaque vaults are paid out; if no
    fork can be made, for reading only."""
    async with AsyncExitStack() as stack:
        try:
            live: Watch = await stack.enter_async_context(session(world, job))
        except ConfigError as missing:
            world.say(f"{missing}; without it no paper money goes into vaults that nobody can look into")
            live = await stack.enter_async_context(watch(job))
        yield live


async def _observed(
    world: Wiring, job: Job, before: PaperState | None, begins: Begins | None, context: Context
) -> _Seen | None:
    """What both wallets observe; None if there is no block after the last step's."""
    policy, records = context.settings.policy, journalled(context)
    async with _opened(world, job) as live:
        await live.verify_chain()
        real = await live.observe(records, () if before is None else before.in_markets)
        keep(context.settings.data_dir / FOLDER, [real], world.say)
        for host, why in live.left_out:
            world.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
        for line in unmatched_names(policy, context.settings.jobs, [(job, real)]):
            world.say(line)
        if before is not None and real.block.height <= before.height:
            return None
        real = judged(real, context.settings.data_dir, policy, world.say, records)
        if before is None:
            assert begins is not None
            now = first(begins, job, owner_of(job), real)
        else:
            now = grown(before, real, _means(records, before, real))
        paper = as_held(real, now.holdings, now.rewards, now.visited, job.base)
        paper = await live.with_exits(paper, records, policy)
    return _Seen(real=real, now=now, paper=with_learnt_gas(tried(paper, now.visited), records))


def _means(records: Sequence[Record], before: PaperState, real: Snapshot) -> dict[MarketId, float]:
    """Whole tokens that the real wallet held in each market on average since the last step, from its runs' records; for
    markets without a record, the mean of the two readings."""
    days = (real.block.timestamp - before.time) / 86_400
    found: dict[MarketId, float] = {}
    for token in real.assets:
        noted = recorded.mean_held(records, real, token, days)
        if noted is not None:
            ours = (state.market.id for state in real.markets if state.market.asset == token)
            found |= {market_id: noted.get(market_id, 0.0) for market_id in ours}
    return found


def _decided(
    name: str,
    job: Job,
    before: PaperState | None,
    seen: _Seen,
    journal: Journal,
    context: Context,
) -> PaperWallet:
    """Decide as a run does, simulate the plan, and store both in one transaction."""
    policy, now = context.settings.policy, int(time.time())
    block, owner = seen.real.block, job.wallet.address
    own = records_of(journal.plans(), before, block, owner, policy)
    unread = tuple(
        one for token in job.assets for one in holdings.unread(own, seen.paper.of_asset(token), token, policy)
    )
    made = decide(seen.paper, policy, job, now, unread=unread, records=own)
    outcome = explained(made, seen.paper, policy, job, now, own).outcome
    did = outcome.reason if isinstance(outcome, Hold) else ""
    stepped = decided(seen.now, seen.paper, seen.real, outcome, policy, did)
    journal.append(*_entries(job, seen, outcome, stepped))
    return wallet_part(
        name,
        stepped.state,
        job,
        outcome=outcome,
        unread=unread,
        contradicted=seen.real.contradicted,
        begun=before is None,
    )


def _entries(job: Job, seen: _Seen, outcome: Plan | Hold, stepped: Stepped) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    if isinstance(outcome, Plan):
        status = PlanStatus.FAILED if stepped.failure else PlanStatus.EXECUTED
        found += [PlanWritten(outcome), PlanMarked(outcome.id, status, store.BY, stepped.failure)]
    block = seen.real.block
    return [*found, Observed(block.chain, job.wallet.address, block, paper=store.written(stepped.state))]
