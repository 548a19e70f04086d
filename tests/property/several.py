"""Random snapshots of three assets, dust and whales among them, for what must never raise whatever is seen."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.kit.allocator.several import DAI, ROUTER
from tests.kit.allocator.several import SETTINGS as TWO_TOKENS
from tests.kit.market_builder import CHAIN, IDLE_ID, OWNER, USDC, kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.decision.decide import decide
from yieldbot.decision.holds import still_holds
from yieldbot.math.curves import ConstantCurve
from yieldbot.math.stableswap import StablePool, StableVenue, invariant
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Kind, Market, MarketState, Snapshot, Status
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Base, Policy
from yieldbot.model.settings import Job, Wallet

GUSD = Token(CHAIN, Address("0x056Fd409E1d7A124BD7017459dFEa2F387b6d5Cd"), "GUSD", 2)
TOKENS = (USDC, DAI, GUSD)
SETTINGS = replace(TWO_TOKENS, tokens={token.symbol: token for token in TOKENS})


def raw_of(draw: random.Random, token: Token) -> int:
    """Nothing, dust, what people have, or millions."""
    kind = draw.random()
    if kind < 0.2:
        return 0
    if kind < 0.5:
        return draw.choice([1, 2, 3, 10, 10 ** draw.randint(0, token.decimals), draw.randint(1, token.one)])
    return draw.randint(1, 10 ** draw.randint(2, 7)) * token.one + draw.randint(0, token.one)


def state_of(draw: random.Random, number: int) -> MarketState:
    token = draw.choice(TOKENS)
    others = 10 ** draw.uniform(2, 8)
    curve = draw.choice(
        [ConstantCurve(draw.uniform(0, 0.5)), kinked(others, others * draw.uniform(0.01, 0.99)), ConstantCurve(0.0)]
    )
    plain = market(f"m{number}", curve, protocol=draw.choice(["p", "q"]), gas=draw.choice([0, 200_000]))
    held = raw_of(draw, token) if draw.random() < 0.5 else 0

    def some(raw: int) -> Amount:
        return Amount(token, raw)

    return replace(
        plain,
        market=replace(plain.market, asset=token),
        held=some(held),
        shares=held,
        supplied=some(held + raw_of(draw, token)),
        liquidity=some(raw_of(draw, token)),
        capacity=draw.choice([None, some(raw_of(draw, token))]),
        status=draw.choice([Status.ACTIVE] * 4 + [Status.FROZEN, Status.PAUSED]),
        pools=frozenset({draw.choice(["shared", f"own{number}"])}),
    )


def pool_of(draw: random.Random, number: int) -> PoolState:
    one, other = draw.sample(TOKENS, 2)
    size, skew = 10 ** draw.uniform(-1, 8), draw.uniform(0.997, 1.003)
    raws = max(1, int(size * one.one)), max(1, int(size * skew * other.one))
    made = Pool("uniswap_v2", f"pool {number}", Address(ROUTER), one, other, {"router": ROUTER, "id": str(number)})
    if draw.random() < 0.5:
        rates = (10**36 // one.one, 10**36 // other.one)
        stable = StablePool(draw.choice(["ng", "plain2"]), raws, rates, 100 * draw.choice([10, 200, 2000]), 10**6, 0)
        try:
            d = invariant(stable)
        except ValueError:
            pass
        else:
            return PoolState(made, StableVenue(stable, 0, 1, d), StableVenue(stable, 1, 0, d))
    fee = 10_000 - draw.choice([0, 1, 5, 30]), 10_000
    return PoolState(made, V2Venue(*raws, fee), V2Venue(*raws[::-1], fee))


def case_of(draw: random.Random) -> tuple[Snapshot, Policy, Job]:
    plain = snapshot(0, *(state_of(draw, k) for k in range(draw.randint(0, 4))), gwei=draw.choice([0.0, 0.1, 30.0]))
    own = plain.of(IDLE_ID)
    states = dict(plain.states)
    for token in TOKENS:
        have = Amount(token, raw_of(draw, token))
        where = Market(MarketId(f"idle/1/{token.symbol}"), "idle", Kind.IDLE, CHAIN, "Wallet", token, token.address)
        states.pop(IDLE_ID, None)
        states[where.id] = replace(own, market=where, held=have, liquidity=have, supplied=have)
    now = plain.block.timestamp
    usd = {token: Price(draw.uniform(0.996, 1.004), now) for token in TOKENS}
    pools = tuple(pool_of(draw, k) for k in range(draw.randint(0, 5)))
    means = tuple((p.pool, usd[p.pool.token0].usd / usd[p.pool.token1].usd) for p in pools)
    seen = replace(plain, states=states, exchange=Exchange(pools, usd, means))
    policy = loose(
        horizon_days=30.0,
        idle_buffer=draw.choice(["0", "0", "100"]),
        min_position=draw.choice(["0", "0", "50"]),
        min_move=draw.choice(["0", "0", "0.01"]),
        max_share_market=draw.choice([1.0, 0.4]),
        max_share_protocol=draw.choice([{}, {"p": 0.3}]),
        break_even_days=draw.choice([30.0, 1e9]),
        max_gas_share_of_gain=draw.choice([0.5, 1.0]),
        min_liquidity_multiple=draw.choice([1.0, 1.0, 3.0]),
        haircut_bps=draw.choice([{}, {"q": 300.0}]),
    )
    shares = {token.symbol: draw.choice([1.0, 1.0, 0.5, 0.0]) for token in TOKENS}
    base = Base(unit="USD", shares=shares, max_impact_bps=draw.choice([30.0, 100.0]))
    wallet = Wallet(name="w", address=OWNER)
    return seen, policy, Job(wallet=wallet, chain=SETTINGS, asset=USDC, others=TOKENS[1:], base=base)


def decided(draw: random.Random) -> str:
    """One random case, with what must hold of it; what the decision was."""
    seen, policy, job = case_of(draw)
    found = decide(seen, policy, job, seen.block.timestamp)
    for token in TOKENS:
        had = sum(state.held.raw for state in seen.states.values() if state.market.asset == token)
        has = sum(target.raw for target in found.allocation.targets.values() if target.token == token)
        given = sum(swap.given.raw for swap in found.allocation.swaps if swap.given.token == token)
        got = sum(swap.gets.raw for swap in found.allocation.swaps if swap.gets.token == token)
        assert has == had - given + got, token
    assert all(target.raw >= 0 for target in found.allocation.targets.values())
    if isinstance(found.outcome, Plan):
        refused = still_holds(found.outcome, 0, seen, policy, job)
        assert refused is None, refused
    swapped = len(found.allocation.swaps)
    return f"{type(found.outcome).__name__}, {swapped or 'no'} swap{'s' * (swapped != 1)}"
