"""One step of a paper wallet, from the previous one and a live snapshot. Pure: reading and writing is done in
``app/paper``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from yieldbot.app.paper_state import PaperState, PaperTotals, Real
from yieldbot.backtest.carried import Carried, SimulatedHoldings, carry_out
from yieldbot.backtest.paper import PaperHolding, accrued, gained, liquidity_gained, rebased
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import SECONDS_PER_YEAR

MeanHeld = Mapping[MarketId, float]
"""Whole tokens that the real wallet held in each market on average since the last step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begins:
    """The initial money of a paper wallet."""

    wealth: str
    """In whole tokens of the coin, as text."""
    amount: Amount
    """``wealth`` as an amount of the coin."""


def first(begins: Begins, job: Job, owner: str | None, real: Snapshot) -> PaperState:
    """The wallet before its first decision: all money idle, in one token."""
    return PaperState(
        wealth=begins.wealth,
        coin=begins.amount.token.symbol,
        chain=job.chain.name,
        chain_id=str(job.chain.chain),
        owner=owner,
        assets=tuple(token.address for token in job.assets),
        began=real.block.timestamp,
        time=real.block.timestamp,
        height=real.block.height,
        holdings=SimulatedHoldings(
            idle={token: begins.amount.raw if token == begins.amount.token else 0 for token in job.assets}
        ),
        positions={},
        names={},
        asset_of={},
        rewards={},
        visited=(),
        totals=PaperTotals(),
        prices={token.address: real.price(token) for token in job.assets},
        native=real.fees.native_price,
        touch=0.0,
        real=Real(),
        did="",
    )


def grown(before: PaperState, real: Snapshot, means: MeanHeld) -> PaperState:
    """The wallet at a newer reading, before it decides, with what its holdings have earned.

    real: what the real wallet observed. A market that could not be read is credited for the whole time when it can be
    read again.
    """
    prices = {address: real.price(token) for address, token in before.tokens.items()} | reward_prices(before, real)
    now = replace(
        before, prices=prices, time=real.block.timestamp, height=real.block.height, native=real.fees.native_price
    )
    seconds = max(0, real.block.timestamp - before.time)
    repriced = (now.idle + now.invested + now.unsold) - (before.idle + before.invested + before.unsold)
    held, rewards, totals = dict(before.holdings.held), dict(before.rewards), before.totals
    liquidity = dict(before.holdings.liquidity)
    earned = by_quotes = expected = fees = 0.0
    for market_id, position in before.positions.items():
        if (state := real.states.get(market_id)) is None:
            continue
        if market_id in liquidity:
            if (found := liquidity_gained(real, before.holdings, market_id)) is None:
                continue
            liquidity[market_id], one, raw = found
            held[market_id] = held.get(market_id, 0) + one.raw
            earned += now.worth(market_id, one.raw)
            fees += now.worth(market_id, raw)
            by_quotes += 0.0 if one.exact else now.worth(market_id, raw)
            expected += _expected(now, market_id, position, state)
            continue
        mean = means.get(market_id, (position.real + float(state.held)) / 2)
        one = gained(position, state, mean)
        held[market_id] = max(0, held.get(market_id, 0) + one.raw)
        worth = now.worth(market_id, one.raw)
        earned += worth
        by_quotes += 0.0 if one.exact else worth
        expected += _expected(now, market_id, position, state)
        for claim_id, raw in accrued(state, position.raw, position.time).items():
            rewards[claim_id] = rewards.get(claim_id, 0) + raw
    return replace(
        now,
        holdings=replace(before.holdings, held=held, liquidity=liquidity),
        rewards=rewards,
        totals=replace(
            totals,
            earned=totals.earned + earned,
            by_quotes=totals.by_quotes + by_quotes,
            expected=totals.expected + expected,
            repriced=totals.repriced + repriced,
            fees=totals.fees + fees,
            invested=totals.invested + before.invested * seconds,
            wealth=totals.wealth + (before.idle + before.invested) * seconds,
        ),
    )


def _expected(now: PaperState, market_id: MarketId, position: PaperHolding, state: MarketState) -> float:
    """What a holding was expected to earn since its last reading, in whole tokens of the first asset."""
    seconds = state.block.timestamp - position.time
    return now.worth(market_id, position.raw) * position.expected * seconds / SECONDS_PER_YEAR


def reward_prices(before: PaperState, real: Snapshot) -> dict[str, float]:
    """Prices of claimed reward tokens in whole first-asset tokens: by the feeds, else the last one that was known."""
    usd = {} if real.exchange is None else real.exchange.usd
    return {
        token.address: real.price(token) if token in usd else before.prices.get(token.address, 0.0)
        for token in before.holdings.rewards
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The result of a decision."""

    state: PaperState
    """The wallet after the decision."""
    failure: str = ""
    """Why the plan could not be simulated; empty: it was, or there was no plan."""


def decided(now: PaperState, seen: Snapshot, real: Snapshot, outcome: Plan | Hold, policy: Policy, did: str) -> Stepped:
    """The wallet after a decision on what it observed. did: one line about the step, used if nothing is moved."""
    totals = replace(now.totals, steps=now.totals.steps + 1)
    made, failure = None, ""
    if isinstance(outcome, Plan):
        try:
            made = carry_out(seen, outcome, now.holdings)
        except ValueError as wrong:
            failure = str(wrong)
            totals = replace(totals, failed=totals.failed + 1)
        else:
            totals = _paid(totals, made)
        did = f"could not be simulated: {failure}" if failure else _words(outcome, seen)
    holdings = now.holdings if made is None else made.holdings
    rewards = {key: raw for key, raw in now.rewards.items() if made is None or key not in made.claimed}
    positions = dict(_positions(now, holdings, seen, real, policy))
    names = {key: seen.states[key].market.name for key in positions if key in seen.states}
    assets = {key: str(seen.states[key].market.asset.address) for key in positions if key in seen.states}
    return Stepped(
        state=replace(
            now,
            holdings=holdings,
            positions=positions,
            prices=_prices(now, seen, holdings),
            names={key: names.get(key, now.names.get(key, str(key))) for key in _places(positions, holdings)},
            asset_of={key: assets.get(key) or now.asset_of[key] for key in _places(positions, holdings)},
            rewards=rewards,
            visited=tuple(dict.fromkeys((*now.visited, *positions))),
            totals=totals,
            touch=_touch(seen),
            real=_real(real),
            did=did,
        ),
        failure=failure,
    )


def _prices(now: PaperState, seen: Snapshot, holdings: SimulatedHoldings) -> dict[str, float]:
    """The prices, with those of reward tokens that the plan has claimed."""
    claimed = {
        str(reward.token.address): (reward.price or 0.0) * seen.price(state.market.asset)
        for state in seen.states.values()
        for reward in state.rewards
        if reward.token in holdings.rewards
    }
    return {**claimed, **now.prices}


def _places(positions: Mapping[MarketId, PaperHolding], holdings: SimulatedHoldings) -> list[MarketId]:
    return list(dict.fromkeys((*positions, *holdings.asked)))


def _paid(totals: PaperTotals, made: Carried) -> PaperTotals:
    return replace(
        totals,
        gas=totals.gas + made.gas + made.swap_gas,
        swapped=totals.swapped + made.swapped,
        entered=totals.entered + made.entered,
        rewards=totals.rewards + sum(made.claimed.values()),
        sold=totals.sold + made.sold,
        plans=totals.plans + 1,
    )


def _words(plan: Plan, seen: Snapshot) -> str:
    def name(key: MarketId) -> str:
        return seen.states[key].market.name if key in seen.states else str(key)

    moves = [f"{move.amount} from {name(move.source)} to {name(move.target)}" for move in plan.moves]
    legs = [f"{leg.kind.value} {leg.amount} {name(leg.market_id)}" for leg in plan.legs]
    return "; ".join(moves or legs)


def _positions(
    now: PaperState, holdings: SimulatedHoldings, seen: Snapshot, real: Snapshot, policy: Policy
) -> Mapping[MarketId, PaperHolding]:
    """Each holding at this reading; a holding in a market that could not be read keeps its last one."""
    found = {}
    for market_id, raw in holdings.held.items():
        state, before = seen.states.get(market_id), now.positions.get(market_id)
        if state is None:
            if before is not None:
                found[market_id] = before
            continue
        moved = before is None or raw != now.holdings.held.get(market_id)
        found[market_id] = _position(raw, state, real.of(market_id), policy, None if moved else before)
    return found


def _position(
    raw: int, state: MarketState, real: MarketState, policy: Policy, before: PaperHolding | None
) -> PaperHolding:
    tokens, horizon = raw / state.market.asset.one, policy.horizon_seconds
    then = replace(state, held=Amount(state.market.asset, raw), curve=rebased(state.curve, tokens))
    return PaperHolding(
        raw=raw,
        index=state.index,
        time=state.block.timestamp,
        rate=then.curve.apr(tokens, horizon),
        expected=sustainable_curve(then, policy).apr(tokens, horizon),
        real=float(real.held),
        since=state.block.timestamp if before is None else before.since,
        since_raw=raw if before is None else before.since_raw,
    )


def _touch(seen: Snapshot) -> float:
    """Cost of one deposit or withdrawal, averaged over markets and both directions, in whole tokens of the first
    asset."""
    legs = [gas for state in seen.markets for gas in (state.gas_deposit, state.gas_withdraw) if gas]
    return sum(seen.fees.cost(gas) for gas in legs) / len(legs) if legs else 0.0


def _real(real: Snapshot) -> Real:
    idle = sum(float(state.held) * real.price(state.market.asset) for state in real.idle)
    held = [one for one in real.markets if one.held]
    return Real(
        idle=idle,
        held={one.market.id: one.held.raw for one in held},
        asset_of={one.market.id: str(one.market.asset.address) for one in held},
    )
