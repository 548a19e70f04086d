"""``yieldbot lp add | remove | collect | compound | rerange``: liquidity moved by a person's word.

Rehearsed as a whole on a fork, shown, asked for, then one transaction each by the stages of every other.
"""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from yieldbot.allocator.provide import market_id
from yieldbot.app import documents as docs
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.liquidity import accounts, appraised, facing, price_at
from yieldbot.app.wiring import jobs_of, world_of
from yieldbot.chains.evm.execution.balances import balances
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.liquidity.judge import carry_out, rehearse_steps
from yieldbot.chains.evm.liquidity.look import look
from yieldbot.chains.evm.liquidity.orders import adding, collecting, compounding, manager_of, removing, reranging
from yieldbot.chains.evm.liquidity.pair_orders import adding_shares, removing_shares
from yieldbot.chains.evm.liquidity.swaps import Terms, fair_price, sound_feeds
from yieldbot.chains.evm.liquidity.wayout import come_back
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.session import account_of
from yieldbot.cli.flags import decimal, filter_of, natural
from yieldbot.cli.lp_ends import ending, exit_code, outcomes, rehearsal
from yieldbot.cli.prompts import confirmed
from yieldbot.errors import ConfigError, MarketError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.math.liquidity import around, full_range
from yieldbot.math.positions import Range
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.numbers import number
from yieldbot.model.plan import Declined
from yieldbot.model.policy import SafeOwner

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.documents import Doc
    from yieldbot.chains.evm.execution.account import Account
    from yieldbot.chains.evm.liquidity.judge import Back, LpRehearsal
    from yieldbot.chains.evm.liquidity.look import LpView
    from yieldbot.chains.evm.liquidity.orders import Prepared
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.execution.world import World
    from yieldbot.model.exchange import Pool
    from yieldbot.model.liquidity import LpPosition, LpState
    from yieldbot.model.policy import Job

SETTLES_SECONDS = 3600
"""The longest that an order lives."""


class Meant(NamedTuple):
    """What is to be done in which pool; warnings: what the person should know before saying yes; before: our positions
    there, where something is to be put in; out: base units of both tokens that come out of a position for that; swaps:
    the fraction of it that swaps in the pool may take."""

    state: LpState
    prepared: Prepared
    warnings: tuple[str, ...] = ()
    before: tuple[LpPosition, ...] | None = None
    out: tuple[int, int] = (0, 0)
    swaps: float = 0.0


def register(listed: Listed) -> None:
    group = listed.add_parser("lp")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True, parser_class=type(group))
    words = {
        "add": "open a position in a pool, or add to one",
        "remove": "take liquidity and fees out of a position",
        "collect": "take out the fees that wait in a position",
        "compound": "put the fees that wait in a position into its liquidity",
        "rerange": "take a position out and lay its range anew around the price",
    }
    for name, help_ in words.items():
        parser = actions.add_parser(name, help=help_, description=help_)
        if name == "add":
            parser.add_argument("pool", metavar="POOL", help="its address, or as USDC/WETH/500 (the fee in 1e-6)")
            give = "TOKEN=AMOUNT"
            parser.add_argument("--give", action="append", default=[], metavar=give, help="at most this; once a token")
            parser.add_argument("--to", type=natural, metavar="ID", help="add to this position of ours")
        else:
            parser.add_argument("id", metavar="ID", help="the position's number, or a pair's address for shares of it")
        if name == "remove":
            parser.add_argument("--share", type=decimal, default=1.0, help="of its liquidity (default 1: all)")
        if name in ("add", "rerange"):
            range_ = "best, full, or LOW:HIGH as prices in the way that `markets --kind lp` shows them"
            parser.add_argument("--range", default="best", metavar="RANGE", help=range_)
            parser.add_argument("--anyway", action="store_true", help="even where the policy says that it does not pay")
        parser.add_argument(
            "--slippage-bps", type=decimal, default=50.0, metavar="BPS", help="how far the price may move (default 50)"
        )
        for flag in ("wallet", "chain"):
            parser.add_argument(f"--{flag}", metavar="NAME", help=f"the {flag}, where several have jobs")
        parser.add_argument("--dry-run", action="store_true", help="rehearse and show it; nothing is signed")
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask on the terminal")
        parser.set_defaults(command="lp", action=name, handler=lp, asset=None)


def lp(args: argparse.Namespace, context: Screen) -> int:
    job = _job(args, context)
    if not args.yes and not args.dry_run and not sys.stdin.isatty():
        raise ConfigError("lp asks on a terminal, and there is none: add --yes where nobody can be asked")
    if not 0 < args.slippage_bps < 1_000:
        raise ConfigError(f"--slippage-bps {args.slippage_bps:g}: name a number above 0 and below 1000")
    lock = nullcontext() if args.dry_run else run_lock(context.settings.data_dir)
    with lock, world_of(context, lambda journal: DeclineAll()) as world:
        deadline = Deadline(world)
        row, code = run_within(deadline, job, lambda: _act(args, context, deadline.world, job))
    context.show(docs.document("lp", exit_code=code, action=args.action, **row), lambda: ending(row))
    return code


def _job(args: argparse.Namespace, context: Screen) -> Job:
    """The one wallet and chain that is meant."""
    found = accounts(jobs_of(filter_of(args), context))
    if not found:
        raise ConfigError("no chain of these jobs lists an exchange with a position manager (docs/liquidity.md)")
    if len(found) > 1:
        names = ", ".join(f"--wallet {job.wallet.name} --chain {job.chain.name}" for job in found)
        raise ConfigError(f"several wallets or chains could be meant: add one of {names}")
    if isinstance(found[0].wallet.held, SafeOwner):
        raise ConfigError(f"wallet {found[0].wallet.name} is a Safe: liquidity is moved for its owners' own keys only")
    return found[0]


async def _act(args: argparse.Namespace, context: Screen, world: World, job: Job) -> tuple[Doc, int]:
    async with connect(job.chain) as node:
        await node.verify_chain()
        account = account_of(world, job, node)
        if not args.dry_run:
            await settle(account)
        meant = await _meant(args, context, account, job)
        row: Doc = {"wallet": job.wallet.name, "owner": job.wallet.address, "chain_id": job.chain.chain}
        row |= {"pool": None, "rehearsal": None, "warnings": [], "declined": None, "transactions": []}
        if isinstance(meant, Declined):
            return row | {"declined": docs.declined(meant)}, 4
        order, pool = meant.prepared.order, meant.state.pool
        position = order.share or Token(job.chain.chain, order.manager, "position", 0)
        pair = sorted((pool.token0, pool.token1), key=lambda token: token != job.asset)
        tokens = (*pair, position)
        pair += [order.share] if order.share else []
        block = await account.node.block()
        back = _back(account, meant, args.slippage_bps / 10_000)
        rehearsed = await rehearse_steps(account, meant.prepared.steps, pair, order.spenders, block, back)
        row |= {"pool": pool.name, "warnings": list(meant.warnings)}
        if isinstance(rehearsed, Declined):
            return row | {"declined": docs.declined(rehearsed)}, 4
        row["rehearsal"] = rehearsal(rehearsed)
        _tell(context, meant, rehearsed, account.native)
        if args.dry_run:
            return row | {"declined": docs.declined(Declined("DRY_RUN", "nothing is signed in a dry run"))}, 0
        if not args.yes and not _yes():
            return row | {"declined": docs.declined(Declined("HUMAN_REJECTED", "you said no"))}, 4
        market = market_id(pool)
        ended = await carry_out(account, meant.prepared.steps, rehearsed, tokens, market, order)
        return row | outcomes(ended), exit_code(ended)


def _back(account: Account, meant: Meant, slippage: float) -> Back | None:
    """How what is put in is taken out again in the rehearsal; None where nothing is."""
    before = meant.before
    if before is None:
        return None
    return lambda fork, fees, put: come_back(
        account, fork, fees, put, meant.state, before, slippage, meant.out, meant.swaps
    )


async def _meant(args: argparse.Namespace, context: Screen, account: Account, job: Job) -> Meant | Declined:
    """The order, or why the policy does not let it be given. Raises ConfigError for what cannot be meant."""
    node, policy, owner = account.node, context.settings.policy, job.wallet.address
    view = await look(node, job.chain, owner, only_ours=args.action != "add")
    now = account.now()
    terms = Terms(
        id=f"lp-{args.action}-{now:x}",
        owner=owner,
        slippage=args.slippage_bps / 10_000,
        deadline=now + min(policy.plan_ttl_seconds, SETTLES_SECONDS),
    )
    if args.action == "add":
        state = pool_of(args.pool, view)
        position = _position(str(args.to), view) if args.to is not None else None
    else:
        position = _position(args.id, view)
        state = position.state
    if state.spacing:
        manager_of(state)
    warnings: list[str] = []
    if args.action != "collect":
        if (unsound := sound_feeds(view, state.pool, job.chain, policy)) is not None:
            return unsound
        pair = {state.pool.token0, state.pool.token1}
        others = [
            s.pool
            for s in view.states.values()
            if s.pool.protocol == "uniswap_v3" and {s.pool.token0, s.pool.token1} == pair
        ]
        prices = await fair_price(node, state, view.usd, terms.slippage, others)
        if isinstance(prices, Declined):
            return prices
    match args.action:
        case "add":
            ticks, refused = await _range(args, context, account, job, view, state, position)
            if refused is not None and not args.anyway:
                return refused
            warnings += [refused.reason] if refused else []
            have = await _have(args.give, account, state.pool)
            prepared = (
                adding(state, have, ticks, args.to, terms) if state.spacing else adding_shares(state, have, terms)
            )
        case "rerange":
            assert position is not None
            shown = await appraised(node, policy, job, view, ours=True)
            advice = shown.triggers[view.positions.index(position)]
            wanted = _wanted(args.range, state, view)
            if (advice is None or advice.advice.value != "rerange") and not args.anyway:
                why = advice.reason if advice else "its value is not known"
                return Declined("RANGE_STAYS", f"a new range is not called for: {why} (--anyway lays it all the same)")
            ticks = wanted or (advice.ticks if advice and advice.ticks else _anew(position))
            prepared = reranging(position, view.deployments[state.pool.id], ticks, view.usd, terms)
        case "remove":
            assert position is not None
            if not 0.0 < args.share <= 1.0:
                raise ConfigError(f"--share {args.share:g}: name a share above 0, 1 at most")
            prepared = (
                removing(position, _part(position.liquidity, args.share), terms)
                if state.spacing
                else removing_shares(position, args.share, terms)
            )
        case "collect":
            assert position is not None
            prepared = collecting(position, terms)
        case _:
            assert position is not None
            prepared = compounding(position, terms)
    before = tuple(one for one in view.positions if one.state.pool.id == state.pool.id)
    meant = Meant(state, prepared, tuple(warnings), before if args.action in ("add", "compound", "rerange") else None)
    if args.action == "compound" and position is not None:
        return meant._replace(out=position.fees)
    if args.action == "rerange":
        return meant._replace(out=prepared.expected, swaps=state.fee + terms.slippage)
    return meant


def _part(liquidity: int, share: float) -> int:
    """A share of liquidity; exactly all of it for 1."""
    return liquidity if share == 1.0 else liquidity * round(share * 10**9) // 10**9


def _anew(position: LpPosition) -> Range:
    """As wide as it was, around the price."""
    low, high = position.ticks or (0, 0)
    return around(position.state.tick, (high - low) // 2, position.state.spacing)


async def _range(
    args: argparse.Namespace,
    context: Screen,
    account: Account,
    job: Job,
    view: LpView,
    state: LpState,
    position: LpPosition | None,
) -> tuple[Range, Declined | None]:
    """The range, and why the policy would not enter this pool now."""
    shown = await appraised(account.node, context.settings.policy, job, view, ours=False)
    found = next((one for one in shown.appraisals if one.state.pool == state.pool), None)
    vetoes = found.vetoes if found else ("its tokens, or gas, have no USD feed",)
    refused = Declined("LIQUIDITY_DOES_NOT_PAY", "; ".join(vetoes)) if vetoes else None
    if position is not None:
        return Range(*(position.ticks or (0, 0))), refused
    wanted = _wanted(args.range, state, view)
    if wanted is None:
        if found is None:
            raise ConfigError("--range best needs USD feeds of the pool's tokens and of gas: name LOW:HIGH, or full")
        wanted = found.best.ticks
    return wanted, refused


def _wanted(text: str, state: LpState, view: LpView) -> Range | None:
    """--range; None for best. Raises ConfigError."""
    if text == "best":
        return None
    if text == "full" or not state.spacing:
        return full_range(state.spacing or 1)
    try:
        lowest, highest = text.split(":")
    except ValueError:
        raise ConfigError(f"--range {text}: write best, full or LOW:HIGH, as 2500:3500") from None
    try:
        low, high = number(lowest, "write a price, as 2500"), number(highest, "write a price, as 2500")
    except ValueError as bad:
        raise ConfigError(f"--range {text}: {bad}") from None
    if not 0.0 < low < high:
        raise ConfigError(f"--range {text}: the first price must be above 0 and below the second")
    pool = state.pool
    over, _ = facing(pool, view)
    if over:
        low, high = 1 / high, 1 / low
    ends = [math.log(price / price_at(pool, 0)) / math.log(1.0001) for price in (low, high)]
    spacing, most = state.spacing, full_range(state.spacing).high
    first, last = math.floor(ends[0] / spacing) * spacing, math.ceil(ends[1] / spacing) * spacing
    return Range(max(-most, first), min(most, last))


def pool_of(text: str, view: LpView) -> LpState:
    """The pool that is meant. Raises ConfigError that names those there are."""
    found = []
    for state in view.states.values():
        pool, fee = state.pool, str(round(state.fee * 1_000_000))
        parts = text.split("/")
        tokens = {pool.token0.symbol, pool.token1.symbol}
        named = len(parts) in (2, 3) and set(parts[:2]) == tokens and (len(parts) == 2 or parts[2] == fee)
        if text.lower() == pool.id.lower() or named:
            found.append(state)
    if len(found) != 1:
        known = ", ".join(
            f"{s.pool.token0.symbol}/{s.pool.token1.symbol}/{round(s.fee * 1_000_000)} ({s.pool.id})"
            for s in view.states.values()
        )
        raise ConfigError(f"{text}: {len(found)} pools are called so; there are: {known or 'none'}")
    return found[0]


def _position(name: str, view: LpView) -> LpPosition:
    """By its number, or by the pair's address. Raises ConfigError that names those there are."""
    # Managers number alike: where two positions have one number, the one that can be moved is meant.
    mine = sorted(view.positions, key=lambda p: p.state.manager is not None)
    called = {str(p.token_id) if p.token_id is not None else p.state.pool.address.lower(): p for p in mine}
    if name.lower() not in called:
        known = ", ".join(called) or "none"
        more = f"; not read: {'; '.join(view.unread)}" if view.unread else ""
        raise ConfigError(f"position {name}: the wallet's are: {known}{more}")
    return called[name.lower()]


async def _have(given: list[str], account: Account, pool: Pool) -> tuple[int, int]:
    """--give as base units of both tokens, no more than the wallet holds. Raises ConfigError."""
    tokens: dict[str, Token] = {token.symbol: token for token in (pool.token0, pool.token1)}
    found: dict[str, int] = {}
    for text in given:
        symbol, _, amount = text.partition("=")
        if symbol not in tokens or symbol in found:
            raise ConfigError(f"--give {text}: write TOKEN=AMOUNT, each of {', '.join(tokens)} once at most")
        try:
            found[symbol] = tokens[symbol].parse(amount).raw
        except ValueError as bad:
            raise ConfigError(f"--give {text}: {bad}") from None
    if not any(raw > 0 for raw in found.values()) or min(found.values()) < 0:
        raise ConfigError(f"--give is missing: name what goes in, as --give {next(iter(tokens))}=100")
    held = await balances(account.node, account.owner, tokens.values())
    for symbol, raw in found.items():
        if held[tokens[symbol]] < raw:
            raise MarketError(f"--give {symbol}: the wallet holds {tokens[symbol].amount(held[tokens[symbol]])}")
    return found.get(pool.token0.symbol, 0), found.get(pool.token1.symbol, 0)


def _yes() -> bool:
    return confirmed("Sign and send these?")


def _tell(context: Screen, meant: Meant, rehearsed: LpRehearsal, native: Token) -> None:
    for warning in meant.warnings:
        context.say(f"WARNING: {warning}")
    for place, tx in enumerate(rehearsed.txs, 1):
        context.say(f"  {place}. {tx.words}  [{tx.gas_used:,} gas]")
    changes = [f"{'+' if d.raw > 0 else ''}{Amount(d.token, d.raw)}" for d in rehearsed.deltas if d.raw]
    said = ", ".join([*(changes or ["no token moves"]), *rehearsed.rollup.words(native)])
    context.say(f"rehearsed at block {rehearsed.block.height:,}: {said}")
