"""What bridging an asset between chains would gain: one allocation over the markets of all chains, compared with a
separate allocation on each chain. Pure. Nothing is bridged; the result is only shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import SHARE_OF_COLLATERAL, Portfolio, exact_of, problem_of
from yieldbot.allocator.assess import assess
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import AssetBudget, Group, Problem, ProblemMarket
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.names import means
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.blacklist import LEAST_SHARE
from yieldbot.risk.look_through import UNKNOWN, shares

WORTH_TELLING = 0.005
"""Gains below this many tokens a year are not shown."""


@dataclass(frozen=True, slots=True)
class Across:
    """The gain from moving one asset (identified by its symbol) between the chains that hold it."""

    symbol: str
    """The asset's symbol."""
    gain_per_year: float
    """Whole tokens a year that one allocation over all chains earns more than the best separate allocations, net of
    haircuts and the cost of moves, before the cost of bridging."""
    worth: float
    """The highest cost of bridging, in whole tokens, that the gain still repays within the policy's horizon."""
    shifts: Mapping[ChainId, float]
    """Change of each chain's total holdings, in whole tokens; negative: money leaves the chain."""


def across(snapshots: Sequence[Snapshot], policy: Policy) -> tuple[Across, ...]:
    """The gain for each asset (identified by its symbol) that snapshots of several chains hold.

    Limits on fractions of the wealth apply to the money on all chains together; each chain keeps its own idle buffer.
    Of several wallets on one chain only the largest is used: their markets are the same and would be counted twice.
    """
    by_symbol: dict[str, dict[ChainId, Snapshot]] = {}
    for snapshot in sorted(snapshots, key=_wealth, reverse=True):
        if (token := _asset(snapshot)) is not None:
            by_symbol.setdefault(token.symbol, {}).setdefault(snapshot.block.chain, snapshot)
    return tuple(
        _across(symbol, list(by_symbol[symbol].values()), policy)
        for symbol in sorted(by_symbol)
        if len(by_symbol[symbol]) > 1
    )


def _across(symbol: str, snapshots: Sequence[Snapshot], policy: Policy) -> Across:
    own = [_wealth(snapshot) for snapshot in snapshots]
    alone = sum(
        optimise(_problem(snapshot, policy, wealth)).objective for snapshot, wealth in zip(snapshots, own, strict=True)
    )
    parts, joint = together(snapshots, policy)
    best = optimise(joint)
    gain = best.objective - alone
    years = policy.horizon_seconds / SECONDS_PER_YEAR
    chains = [snapshot.block.chain for snapshot in snapshots]
    if gain < WORTH_TELLING:
        return Across(symbol, 0.0, 0.0, dict.fromkeys(chains, 0.0))
    wanted, at = [], 0
    for part, wealth in zip(parts, own, strict=True):
        buffer = part.budgets[0].wealth - part.budgets[0].spendable
        wanted.append(sum(best.holdings[at : at + len(part.markets)]) + buffer - wealth)
        at += len(part.markets)
    return Across(symbol, gain, gain * years, dict(zip(chains, _balanced(wanted), strict=True)))


def together(snapshots: Sequence[Snapshot], policy: Policy) -> tuple[list[Problem], Problem]:
    """(each chain's problem with all the money, one problem with the markets of all chains), of snapshots that hold the
    same asset."""
    wealth = sum(_wealth(snapshot) for snapshot in snapshots)
    parts = [_problem(snapshot, policy, wealth) for snapshot in snapshots]
    return parts, _joined(snapshots, parts, policy, wealth)


def _balanced(wanted: Sequence[float]) -> list[float]:
    """The shifts scaled so that they add up to 0: money that no chain can invest stays where it is."""
    come = sum(v for v in wanted if v > 0.0)
    leave = -sum(v for v in wanted if v < 0.0)
    share = min(1.0, come / leave) if leave else 0.0
    return [v if v > 0.0 else v * share for v in wanted]


def _problem(snapshot: Snapshot, policy: Policy, wealth: float) -> Problem:
    """One chain's allocation problem, as if the chain held ``wealth`` whole tokens."""
    token = _asset(snapshot)
    assert token is not None
    states = _markets(snapshot)
    total_raw = round(wealth * token.one)
    by_id = {a.market_id: a for a in assess(snapshot, policy, Amount(token, total_raw))}
    portfolio = Portfolio((token,), (total_raw,), (1.0,))
    return problem_of(snapshot, states, by_id, policy, exact_of(states, by_id, policy, portfolio), portfolio)


def _joined(snapshots: Sequence[Snapshot], parts: Sequence[Problem], policy: Policy, wealth: float) -> Problem:
    """One problem with a single budget and the markets of every chain; the limits of a protocol and of a collateral
    (identified by its symbol) hold for all chains together."""
    markets: list[ProblemMarket] = []
    members: dict[str, list[int]] = {}
    most: dict[str, float] = {}
    on: dict[str, dict[int, float]] = {}
    for snapshot, part in zip(snapshots, parts, strict=True):
        chain = snapshot.block.chain
        # Limits on collaterals come last; those of one chain alone are replaced by those of all chains.
        for name, group in zip(_protocols(snapshot, policy), part.groups, strict=False):
            members.setdefault(name, []).extend(len(markets) + index for index in group.members)
            most[name] = max(most.get(name, 0.0), group.most)
        for index, state in enumerate(_markets(snapshot)):
            for collateral, counted in collaterals_of(state).items():
                rests = on.setdefault(collateral, {})
                rests[len(markets) + index] = min(1.0, rests.get(len(markets) + index, 0.0) + counted)
        markets += (replace(p, pools=frozenset(f"{chain}/{pool}" for pool in p.pools)) for p in part.markets)
    buffers = sum(part.budgets[0].wealth - part.budgets[0].spendable for part in parts)
    groups = [Group(tuple(found), most[name], "policy's share of a protocol") for name, found in members.items()]
    if policy.max_share_collateral < 1.0:
        limit = policy.max_share_collateral * wealth
        groups += [Group(tuple(of), limit, SHARE_OF_COLLATERAL, tuple(of.values())) for of in on.values()]
    return replace(
        parts[0],
        markets=tuple(markets),
        groups=tuple(groups),
        budgets=(AssetBudget(wealth, max(0.0, wealth - buffers)),),
        unit=max(part.unit for part in parts),
    )


def collaterals_of(state: MarketState) -> dict[str, float]:
    """The collaterals that back a market, each with the fraction of the market's money that it backs. A collateral is
    identified by its symbol, so that tokens of the same symbol on several chains count as one; without a symbol by its
    address. Unknown backing is left out."""
    symbols = {one.backing.lower(): one.symbol for one in state.backing.parts} if state.backing is not None else {}
    found: dict[str, float] = {}
    for backing, part in shares(state).items():
        if backing != UNKNOWN and part >= LEAST_SHARE:
            name = symbols.get(backing.lower()) or f"{state.market.chain}/{backing}"
            found[name] = min(1.0, found.get(name, 0.0) + part)
    return found


def _wealth(snapshot: Snapshot) -> float:
    return sum(float(state.held) for state in snapshot.states.values())


def _markets(snapshot: Snapshot) -> list[MarketState]:
    return [s for s in snapshot.states.values() if s.market.kind is not Kind.IDLE]


def _protocols(snapshot: Snapshot, policy: Policy) -> list[str]:
    """Names of the groups in a chain's problem, in the order of ``exact_of``."""
    markets = [state.market for state in _markets(snapshot)]
    return sorted(name for name in policy.max_share_protocol if any(means(name, market) for market in markets))


def _asset(snapshot: Snapshot) -> Token | None:
    return next((s.market.asset for s in snapshot.states.values() if s.market.kind is Kind.IDLE), None)
