"""``lp add``, ``remove``, ``collect``, ``compound`` and ``rerange``: a person moves liquidity.

The whole order is rehearsed on a fork and shown; after consent each of its transactions goes through the same stages as
any other (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Literal

from yieldbot.allocator.liquidity_market import market_id
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.job_reports import DONE, FAILED, REFUSED, code_of
from yieldbot.app.liquidity import accounts
from yieldbot.app.liquidity_orders import intended_order
from yieldbot.app.move_liquidity_documents import LiquidityDocument, LiquidityRehearsal, RehearsedCall
from yieldbot.app.parts import BalanceChange, Block, Refusal, transaction
from yieldbot.app.thinking import consent
from yieldbot.app.wiring import JobFilter, jobs_of, world_of
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.liquidity.execute import UNREADABLE, execute_order
from yieldbot.chains.evm.liquidity.rehearse import rehearse_steps
from yieldbot.chains.evm.liquidity.wayout import rehearse_exit
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.session import account_of
from yieldbot.errors import ConfigError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.execution.persons import alone
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Declined
from yieldbot.model.settings import SafeOwner
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.liquidity_orders import IntendedOrder
    from yieldbot.chains.evm.execution.account import Account
    from yieldbot.chains.evm.liquidity.rehearse import Back, OrderRehearsal
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

Action = Literal["add", "remove", "collect", "compound", "rerange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityRequest:
    """Move the liquidity of one wallet on one chain."""

    action: Action
    """What is to be done; ``rerange`` rebalances the range."""
    jobs: JobFilter = field(default_factory=JobFilter)
    """Which wallet and chain, where several have jobs."""
    pool: str = ""
    """For add: the pool's address, or its name as USDC/WETH/500 (the fee in 1e-6)."""
    give: tuple[str, ...] = ()
    """For add: the most that goes in, each as TOKEN=AMOUNT, once a token."""
    to: int | None = None
    """For add: the NFT number of our position to add to; None: open a new one."""
    position: str = ""
    """For the other actions: the position's NFT number, or a Uniswap v2 pair's address for its LP tokens."""
    share: float = 1.0
    """For remove: the fraction of the position's liquidity, above 0, at most 1."""
    range: str = "best"
    """For add and rerange: ``best``, ``full``, or LOW:HIGH as prices in the unit in which pools are listed."""
    anyway: bool = False
    """For add and rerange: do it even if the policy says that it does not pay."""
    slippage_bps: float = 50.0
    """How far the price may move until execution, in basis points, above 0 and below 1000."""
    dry_run: bool = False
    """Rehearse and show the order; nothing is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedOrder:
    """A rehearsed order: what a person consents to."""

    warnings: tuple[str, ...]
    """What a person should know before saying yes."""
    rehearsal: OrderRehearsal
    """Its transactions, and what they did to our balances."""
    native: Token
    """The chain's own coin, in which fees are paid."""


def move_liquidity(
    request: LiquidityRequest,
    context: Context,
    *,
    show: Callable[[RehearsedOrder], None],
    ask: Callable[[], bool | None],
) -> LiquidityDocument:
    """Carries out an order under the run lock, or only rehearses it. Raises ConfigError for a request that names no
    single wallet and chain, pool, position, range or amount.

    ``show`` is called with the rehearsed order before anything is signed, and then ``ask`` unless it is a dry run,
    while other runs may have the lock: nothing is signed unless ``ask`` returns True.
    """
    if not request.dry_run:
        alone(context.settings.policy)
    job = _job(request, context)
    if not 0 < request.slippage_bps < 1_000:
        raise ConfigError(f"--slippage-bps {request.slippage_bps:g}: name a number above 0 and below 1000")
    lock = nullcontext() if request.dry_run else run_lock(context.settings.data_dir, "lp")
    with lock as held, world_of(context, lambda journal: DeclineAll()) as world:
        deadline, answer = Deadline(world, held), partial(consent, world.journal, held, ask)
        return run_within(deadline, job, lambda: _act(request, context, deadline.world, job, show, answer))


def _job(request: LiquidityRequest, context: Context) -> Job:
    """A job of the one wallet and chain that the request is for. Raises ConfigError where there is none, or several."""
    found = accounts(jobs_of(request.jobs, context))
    if not found:
        raise ConfigError("no chain of these jobs lists an exchange with a position manager (docs/liquidity.md)")
    if len(found) > 1:
        names = ", ".join(f"--wallet {job.wallet.name} --chain {job.chain.name}" for job in found)
        raise ConfigError(f"several wallets or chains match: add one of {names}")
    if isinstance(found[0].wallet.held, SafeOwner):
        raise ConfigError(f"wallet {found[0].wallet.name} is a Safe: liquidity is moved for its owners' own keys only")
    return found[0]


async def _act(
    request: LiquidityRequest,
    context: Context,
    world: Wiring,
    job: Job,
    show: Callable[[RehearsedOrder], None],
    ask: Callable[[], bool | Declined],
) -> LiquidityDocument:
    async with connect(job.chain) as node:
        await node.verify_chain()
        account = account_of(world, job, node)
        if not request.dry_run:
            await settle(account)
        intended = await intended_order(request, context, account, job)
        if isinstance(intended, Declined):
            return _document(request, job, refused=intended, code=REFUSED)
        order, pool = intended.prepared.order, intended.state.pool
        position = order.share or Token(job.chain.chain, order.manager, "position", 0)
        pair = sorted((pool.token0, pool.token1), key=lambda token: token != job.asset)
        tokens = (*pair, position)
        pair += [order.share] if order.share else []
        block = await account.node.block()
        back = _back(account, intended, request.slippage_bps / 10_000)
        rehearsed = await rehearse_steps(account, intended.prepared.steps, pair, order.spenders, block, back)
        if isinstance(rehearsed, Declined):
            return _document(request, job, intended, refused=rehearsed, code=REFUSED)
        show(RehearsedOrder(warnings=intended.warnings, rehearsal=rehearsed, native=account.native))
        if request.dry_run:
            dry = Declined("DRY_RUN", "nothing is signed in a dry run")
            return _document(request, job, intended, rehearsed, refused=dry, code=DONE)
        if (answer := ask()) is not True:
            refusal = answer or Declined("HUMAN_REJECTED", "you said no")
            return _document(request, job, intended, rehearsed, refused=refusal, code=code_of(refusal))
        ended = await execute_order(account, intended.prepared.steps, rehearsed, tokens, market_id(pool), order)
        refused = next((one for one in ended if isinstance(one, Declined)), None)
        return _document(request, job, intended, rehearsed, refused=refused, ended=ended, code=exit_code(ended))


def _back(account: Account, intended: IntendedOrder, slippage: float) -> Back | None:
    """How the rehearsal takes out again what the order puts in; None if it puts nothing in."""
    before = intended.before
    if before is None:
        return None
    return lambda fork, fees, put: rehearse_exit(
        account, fork, fees, put, intended.state, before, slippage, intended.out, intended.swaps
    )


def exit_code(ended: Sequence[Outcome | Declined]) -> int:
    """1 if a transaction did not succeed or the pool could not be read, 4 if one was refused, else 0."""
    if any(one.code == UNREADABLE if isinstance(one, Declined) else not isinstance(one, Confirmed) for one in ended):
        return FAILED
    return REFUSED if any(isinstance(one, Declined) for one in ended) else DONE


def _document(
    request: LiquidityRequest,
    job: Job,
    intended: IntendedOrder | None = None,
    rehearsed: OrderRehearsal | None = None,
    *,
    refused: Declined | None,
    ended: Sequence[Outcome | Declined] = (),
    code: int,
) -> LiquidityDocument:
    return LiquidityDocument(
        exit_code=code,
        action=request.action,
        wallet=job.wallet.name,
        owner=job.wallet.address,
        chain_id=job.chain.chain,
        pool=intended.state.pool.name if intended else None,
        rehearsal=_rehearsal(rehearsed) if rehearsed else None,
        warnings=intended.warnings if intended else (),
        declined=Refusal.or_none(refused),
        transactions=tuple(transaction(one) for one in ended if not isinstance(one, Declined)),
    )


def _rehearsal(rehearsed: OrderRehearsal) -> LiquidityRehearsal:
    fee = rehearsed.rollup
    return LiquidityRehearsal(
        block=Block.of(rehearsed.block),
        gas_used=rehearsed.gas_used,
        l1_fee_wei=str(fee.l1_wei),
        operator_fee_wei=str(fee.operator_wei),
        l1_gas=fee.l1_gas,
        calls=tuple(RehearsedCall(words=tx.description, to=tx.to, gas_used=tx.gas_used) for tx in rehearsed.txs),
        deltas=tuple(BalanceChange.of(change) for change in rehearsed.deltas),
    )
