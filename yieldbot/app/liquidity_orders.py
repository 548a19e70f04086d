"""Turns a liquidity request into an order: pool, position, range and amounts, and whether the policy allows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from yieldbot.allocator.liquidity_market import market_of
from yieldbot.app.liquidity import appraised
from yieldbot.app.pool_names import facing, price_at
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.liquidity.orders import adding, collecting, compounding, manager_of, rebalancing, removing
from yieldbot.chains.evm.liquidity.pair_orders import adding_shares, removing_shares
from yieldbot.chains.evm.liquidity.swaps import Terms, fair_price, sound_feeds
from yieldbot.chains.evm.liquidity.view import fetch_view
from yieldbot.decision.standing_vetoes import pool_vetoed
from yieldbot.errors import ConfigError, MarketError
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import around, full_range
from yieldbot.model.numbers import number
from yieldbot.model.plan import Declined
from yieldbot.model.spelling import did_you_mean, intended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldbot.app.context import Context
    from yieldbot.app.move_liquidity import LiquidityRequest
    from yieldbot.chains.evm.execution.account import Account
    from yieldbot.chains.evm.liquidity.orders import Prepared
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.model.amounts import Token
    from yieldbot.model.exchange import Pool
    from yieldbot.model.liquidity import LiquidityPool, PoolPosition
    from yieldbot.model.settings import Job

SETTLES_SECONDS = 3600
"""Longest lifetime of an order, in seconds."""


class IntendedOrder(NamedTuple):
    """An order, with what its rehearsal needs to know."""

    state: LiquidityPool
    """The pool."""
    prepared: Prepared
    """The order and its steps."""
    warnings: tuple[str, ...] = ()
    """What a person should know before saying yes."""
    before: tuple[PoolPosition, ...] | None = None
    """Our positions in the pool, if the order puts something in; None: it does not."""
    out: tuple[int, int] = (0, 0)
    """Base units of token0 and token1 that the order first takes out of a position, to put them in again."""
    swaps: float = 0.0
    """The fraction of ``out`` that swaps in the pool may cost."""


async def intended_order(
    request: LiquidityRequest, context: Context, account: Account, job: Job
) -> IntendedOrder | Declined:
    """The order, or why the policy refuses it. Raises ConfigError for a request that names no pool, position, range or
    amount, MarketError for amounts that the wallet does not hold."""
    node, policy, owner = account.node, context.settings.policy, job.wallet.address
    view = await fetch_view(node, job.chain, owner, only_ours=request.action != "add")
    now = account.now()
    terms = Terms(
        id=f"lp-{request.action}-{now:x}",
        owner=owner,
        slippage=request.slippage_bps / 10_000,
        deadline=now + min(policy.plan_ttl_seconds, SETTLES_SECONDS),
    )
    if request.action == "add":
        state = pool_of(request.pool, view)
        position = _position(str(request.to), view) if request.to is not None else None
    else:
        position = _position(request.position, view)
        state = position.state
    if state.spacing:
        manager_of(state)
    if request.action in ("add", "compound", "rerange"):
        sides = [market_of(state.pool, token) for token in (state.pool.token0, state.pool.token1)]
        records = account.journal.records(account.settings.chain, owner)
        if (vetoed := pool_vetoed(state.pool, sides, owner, records, policy)) is not None:
            return vetoed
    warnings: list[str] = []
    if request.action != "collect":
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
    match request.action:
        case "add":
            ticks, refused = await _range(request, context, account, job, view, state, position)
            if refused is not None and not request.anyway:
                return refused
            warnings += [refused.reason] if refused else []
            have = await _have(request.give, account, state.pool)
            prepared = (
                adding(state, have, ticks, request.to, terms) if state.spacing else adding_shares(state, have, terms)
            )
        case "rerange":
            assert position is not None
            shown = await appraised(node, policy, job, view, ours=True)
            advice = shown.triggers[view.positions.index(position)]
            wanted = _wanted(request.range, state, view)
            if (advice is None or advice.advice.value != "rerange") and not request.anyway:
                why = advice.reason if advice else "its value is not known"
                return Declined(
                    "RANGE_STAYS", f"the range need not be rebalanced: {why} (--anyway rebalances it all the same)"
                )
            ticks = wanted or (advice.ticks if advice and advice.ticks else _anew(position))
            prepared = rebalancing(position, view.deployments[state.pool.id], ticks, view.usd, terms)
        case "remove":
            assert position is not None
            if not 0.0 < request.share <= 1.0:
                raise ConfigError(f"--share {request.share:g}: name a fraction above 0, at most 1")
            prepared = (
                removing(position, _part(position.liquidity, request.share), terms)
                if state.spacing
                else removing_shares(position, request.share, terms)
            )
        case "collect":
            assert position is not None
            prepared = collecting(position, terms)
        case _:
            assert position is not None
            prepared = compounding(position, terms)
    before = tuple(one for one in view.positions if one.state.pool.id == state.pool.id)
    intended = IntendedOrder(
        state, prepared, tuple(warnings), before if request.action in ("add", "compound", "rerange") else None
    )
    if request.action == "compound" and position is not None:
        return intended._replace(out=position.fees)
    if request.action == "rerange":
        return intended._replace(out=prepared.expected, swaps=state.fee + terms.slippage)
    return intended


def _part(liquidity: int, fraction: float) -> int:
    """A fraction of liquidity units; exactly all of them for a fraction of 1."""
    return liquidity if fraction == 1.0 else liquidity * round(fraction * 10**9) // 10**9


def _anew(position: PoolPosition) -> Range:
    """A range as wide as the position's, around the present price."""
    low, high = position.ticks or (0, 0)
    return around(position.state.tick, (high - low) // 2, position.state.spacing)


async def _range(
    request: LiquidityRequest,
    context: Context,
    account: Account,
    job: Job,
    view: LiquidityView,
    state: LiquidityPool,
    position: PoolPosition | None,
) -> tuple[Range, Declined | None]:
    """The range of ``add``, and why the policy would not enter this pool now (None: it would)."""
    shown = await appraised(account.node, context.settings.policy, job, view, ours=False)
    found = next((one for one in shown.appraisals if one.state.pool == state.pool), None)
    vetoes = found.vetoes if found else ("its tokens, or gas, have no USD feed",)
    refused = Declined("LIQUIDITY_DOES_NOT_PAY", "; ".join(vetoes)) if vetoes else None
    if position is not None:
        return Range(*(position.ticks or (0, 0))), refused
    wanted = _wanted(request.range, state, view)
    if wanted is None:
        if found is None:
            raise ConfigError("--range best needs USD feeds of the pool's tokens and of gas: name LOW:HIGH, or full")
        wanted = found.best.ticks
    return wanted, refused


def _wanted(text: str, state: LiquidityPool, view: LiquidityView) -> Range | None:
    """``request.range`` in ticks; None: the best range. Raises ConfigError."""
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


def pool_of(text: str, view: LiquidityView) -> LiquidityPool:
    """The pool of this address, or of this pair and fee. Raises ConfigError that lists all pools unless exactly one
    matches."""
    found = []
    for state in view.states.values():
        pool, fee = state.pool, str(round(state.fee * 1_000_000))
        parts = text.split("/")
        tokens = {pool.token0.symbol.casefold(), pool.token1.symbol.casefold()}
        pair = {part.casefold() for part in parts[:2]}
        named = len(parts) in (2, 3) and pair == tokens and (len(parts) == 2 or parts[2] == fee)
        if text.lower() == pool.id.lower() or named:
            found.append(state)
    if len(found) != 1:
        known = ", ".join(
            f"{s.pool.token0.symbol}/{s.pool.token1.symbol}/{round(s.fee * 1_000_000)} ({s.pool.id})"
            for s in view.states.values()
        )
        raise ConfigError(f"{text}: {len(found)} pools match; there are: {known or 'none'}")
    return found[0]


def _position(name: str, view: LiquidityView) -> PoolPosition:
    """Our position with this number, or in the pair of this address. Raises ConfigError that lists our positions."""
    # Managers number alike: where two positions have one number, the one that can be moved is taken.
    mine = sorted(view.positions, key=lambda p: p.state.manager is not None)
    called = {str(p.token_id) if p.token_id is not None else p.state.pool.address.lower(): p for p in mine}
    if name.lower() not in called:
        known = ", ".join(called) or "none"
        more = f"; not read: {'; '.join(view.unread)}" if view.unread else ""
        raise ConfigError(f"position {name}: not found; the wallet's positions are: {known}{more}")
    return called[name.lower()]


async def _have(given: Sequence[str], account: Account, pool: Pool) -> tuple[int, int]:
    """``request.give`` as base units of token0 and token1. Raises ConfigError for malformed text, MarketError for more
    than the wallet holds."""
    tokens: dict[str, Token] = {token.symbol: token for token in (pool.token0, pool.token1)}
    found: dict[str, int] = {}
    for text in given:
        symbol, _, amount = text.partition("=")
        symbol = intended(symbol, tokens) or symbol
        if symbol not in tokens or symbol in found:
            hint = "each token once at most" if symbol in found else did_you_mean(symbol, tokens)
            raise ConfigError(f"--give {text}: write TOKEN=AMOUNT: {hint}")
        try:
            found[symbol] = tokens[symbol].parse(amount).raw
        except ValueError as bad:
            raise ConfigError(f"--give {text}: {bad}") from None
    if not any(raw > 0 for raw in found.values()) or min(found.values()) < 0:
        raise ConfigError(f"--give is missing: name what goes in, as --give {next(iter(tokens))}=100")
    held = await fetch_balances(account.node, account.owner, tokens.values())
    for symbol, raw in found.items():
        if held[tokens[symbol]] < raw:
            raise MarketError(f"--give {symbol}: the wallet holds {tokens[symbol].amount(held[tokens[symbol]])}")
    return found.get(pool.token0.symbol, 0), found.get(pool.token1.symbol, 0)
