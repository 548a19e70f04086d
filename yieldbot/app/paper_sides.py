"""Results of a paper wallet, of a backtest over the same days and of the real wallet in the same figures; and the gap
between two of them, part by part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field
from itertools import pairwise

from yieldbot.app.paper_state import PaperState, PaperTotals
from yieldbot.journal.fold import Record, fold_transactions
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import family_of
from yieldbot.model.ids import ChainId, MarketId, is_market
from yieldbot.model.tx import Confirmed, Reverted
from yieldbot.model.units import SECONDS_PER_YEAR

NOT_DONE = (PlanStatus.FAILED, PlanStatus.REJECTED, PlanStatus.EXPIRED)
"""Status of the real wallet's plans that had no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One wallet over some days; money in whole tokens of the first asset."""

    seconds: float
    """Length of the time, in seconds."""
    wealth: float
    """Integral over time of all the wallet's money, in token-seconds."""
    invested: float
    """Integral over time of the wallet's money in markets, in token-seconds."""
    earned: float
    """Yield that markets paid to the wallet."""
    expected: float | None
    """What these holdings were expected to earn; None: unknown."""
    costs: float
    """Gas, swaps and entry fees."""
    other: float
    """Rewards, and the gain of other assets against the first asset."""
    moves: int
    """Number of plans that were carried out."""
    failed: int
    """Number of plans that had no effect."""
    where: Mapping[str, float] = field(default_factory=dict)
    """Integral over time of its money in each market, in token-seconds."""

    @property
    def share(self) -> float:
        """Fraction of its money (averaged over time) that was in markets."""
        return self.invested / self.wealth if self.wealth else 0.0

    @property
    def rate(self) -> float:
        """Rate that its money in markets was paid, a simple annual fraction."""
        return self.earned / self.invested * SECONDS_PER_YEAR if self.invested else 0.0

    @property
    def expected_rate(self) -> float | None:
        """Rate that it was expected to be paid, a simple annual fraction."""
        if self.expected is None or not self.invested:
            return None
        return self.expected / self.invested * SECONDS_PER_YEAR

    def yearly(self, tokens: float) -> float:
        """A sum as a simple annual fraction of all its money."""
        return tokens / self.wealth * SECONDS_PER_YEAR if self.wealth else 0.0

    @property
    def net(self) -> float:
        """Net return on all its money, a simple annual fraction."""
        return self.yearly(self.earned - self.costs + self.other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How much more one side earned than another, in percentage points a year. The parts add up to the whole."""

    whole: float
    """The difference of both sides' net rates."""
    rates: float
    """Part of the difference because money in markets was paid more: other markets, other amounts in them, other
    days."""
    timing: float
    """Part of the difference because money was in markets for more of the time."""
    costs: float
    """Part of the difference because less was paid for gas, swaps and fees."""
    other: float
    """Part of the difference because of rewards and prices."""

    @classmethod
    def between(cls, one: Side, less: Side) -> Gap:
        return cls(
            whole=100 * (one.net - less.net),
            rates=100 * (one.rate - less.rate) * less.share,
            timing=100 * (one.share - less.share) * one.rate,
            costs=100 * (less.yearly(less.costs) - one.yearly(one.costs)),
            other=100 * (one.yearly(one.other) - less.yearly(less.other)),
        )


def since(begun: PaperState, last: PaperState) -> PaperTotals:
    """The sums between two steps; for the wallet's first step its own sums, including the cost of entering."""
    if begun.time <= last.began:
        return last.totals
    earlier, later = asdict(begun.totals), asdict(last.totals)
    return PaperTotals(**{name: later[name] - earlier[name] for name in later})


def paper_side(steps: Sequence[PaperState]) -> Side:
    """The results of a paper wallet from the first of these steps to the last."""
    last, where = steps[-1], dict[str, float]()
    sums = since(steps[0], last)
    for before, after in pairwise(steps):
        for market_id, raw in before.in_markets.items():
            seconds = before.worth(market_id, raw) * (after.time - before.time)
            where[market_id] = where.get(market_id, 0.0) + seconds
    return Side(
        seconds=float(last.time - steps[0].time),
        wealth=sums.wealth,
        invested=sums.invested,
        earned=sums.earned,
        expected=sums.expected,
        costs=sums.gas + sums.swapped + sums.entered,
        other=sums.rewards + sums.repriced,
        moves=sums.plans,
        failed=sums.failed,
        where=where,
    )


@dataclass(slots=True)
class _Sums:
    """Sums that are added up interval by interval; amounts in the first asset."""

    wealth: float = 0.0
    """Wealth times seconds."""
    invested: float = 0.0
    """Money in markets times seconds."""
    earned: float = 0.0
    """What markets paid."""
    costs: float = 0.0
    """Gas and swap losses."""
    rewards: float = 0.0
    """What claims and sales of rewards brought."""
    where: dict[str, float] = field(default_factory=dict)
    """Money in each market times seconds."""
    last: dict[MarketId, int] = field(default_factory=dict)
    """Base units in each market at its last reading, plus what our transactions have put in since."""

    def stay(self, market_id: MarketId, seconds: float) -> None:
        """Add token-seconds in a market."""
        self.invested += seconds
        self.where[market_id] = self.where.get(market_id, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class _Flow:
    """The money that one transaction of the real wallet moved."""

    at: int
    """Unix seconds of its block."""
    put: Mapping[MarketId, int]
    """Base units put into each market."""
    paid: Mapping[str, float]
    """Whole tokens that a swap paid less those that it brought, by the token's address."""
    fee: float
    """The fee, in whole native tokens."""
    rewards: Mapping[str, float] = field(default_factory=dict)
    """Whole tokens of the assets that claims and sales of rewards brought, by the token's address."""


def real_side(steps: Sequence[PaperState], records: Sequence[Record], since: int, until: int) -> Side | None:
    """The real wallet's results between a paper wallet's first and last step, from what the steps observed of it and
    what the journal's transactions moved; None if it had no money.

    since, until: unix seconds by this machine's clock, which the journal uses for the end of plans.
    """
    if len(steps) < 2 or not any(one.real.held or one.real.idle for one in steps):
        return None
    flows, sums = list(_flows(records, steps)), _Sums(last=dict(steps[0].real.held))
    for before, after in pairwise(steps):
        _interval(sums, before, after, [one for one in flows if before.time < one.at <= after.time])
    marks = [one.entry for one in records if since <= one.at <= until and isinstance(one.entry, PlanMarked)]
    return Side(
        seconds=float(steps[-1].time - steps[0].time),
        wealth=sums.wealth,
        invested=sums.invested,
        earned=sums.earned,
        expected=None,
        costs=sums.costs,
        other=sums.rewards,
        moves=sum(one.status is PlanStatus.EXECUTED for one in marks),
        failed=len({one.plan_id for one in marks if one.status in NOT_DONE}),
        where=sums.where,
    )


def _interval(sums: _Sums, before: PaperState, after: PaperState, flows: Sequence[_Flow]) -> None:
    """Add up one interval. A market that is missing although we did not touch it could not be read: it is counted when
    it is there again."""
    seconds = after.time - before.time
    sums.wealth += before.real.idle * seconds
    for market_id, raw in sums.last.items():
        sums.wealth += _worth(after, before, market_id, raw) * seconds
        sums.stay(market_id, _worth(after, before, market_id, raw) * seconds)
    moved: dict[MarketId, int] = {}
    for flow in flows:
        for market_id, raw in flow.put.items():
            moved[market_id] = moved.get(market_id, 0) + raw
            sums.stay(market_id, _worth(after, before, market_id, raw) * (after.time - flow.at))
        sums.costs += flow.fee * after.native
        sums.costs += sum(tokens * after.prices.get(address, 0.0) for address, tokens in flow.paid.items())
        sums.rewards += sum(tokens * after.prices.get(address, 0.0) for address, tokens in flow.rewards.items())
    for market_id in {*sums.last, *moved, *after.real.held}:
        there, now = sums.last.get(market_id, 0) + moved.get(market_id, 0), after.real.held.get(market_id)
        if now is None and market_id not in moved:
            continue
        sums.earned += _worth(after, before, market_id, (now or 0) - there)
        sums.last[market_id] = now or 0


def _worth(after: PaperState, before: PaperState, market_id: MarketId, raw: int) -> float:
    """Base units of a market's asset in whole first-asset tokens; 0 for a market whose asset is not known."""
    for state in (after, before):
        if (address := state.real.asset_of.get(market_id) or state.asset_of.get(market_id)) in state.tokens:
            return raw / state.tokens[str(address)].one * state.prices[str(address)]
    return 0.0


def _flows(records: Sequence[Record], steps: Sequence[PaperState]) -> Iterator[_Flow]:
    """What the real wallet's confirmed and reverted transactions moved."""
    state = steps[0]
    asset_of = {key: address for one in steps for key, address in one.real.asset_of.items()}
    for tx in fold_transactions(records).values():
        signed, outcome = tx.signed, tx.outcome
        if str(signed.owner) != state.owner or signed.chain != state.chain_id:
            continue
        if not isinstance(outcome, Confirmed | Reverted):
            continue
        fee = (outcome.fee_raw or 0) / 10 ** family_of(ChainId(signed.chain)).native_decimals
        put: dict[MarketId, int] = {}
        paid, brought = dict[str, float](), dict[str, float]()
        deltas = outcome.deltas if isinstance(outcome, Confirmed) else ()
        sold = any(one.raw < 0 and one.token.address not in state.tokens for one in deltas)
        for delta in deltas:
            if delta.token.address not in state.tokens:
                continue
            tokens = delta.raw / delta.token.one
            if is_market(signed.market_id):
                # Liquidity moves both tokens of its pool: they count in the market's asset, by the feeds.
                asset = state.tokens.get(asset_of.get(signed.market_id, ""), delta.token)
                raw = delta.raw
                if asset != delta.token:
                    price = state.prices[delta.token.address] / state.prices[asset.address]
                    raw = int(tokens * price * asset.one)
                put[signed.market_id] = put.get(signed.market_id, 0) - raw
            elif signed.market_id.startswith("claim/") or sold:
                brought[delta.token.address] = brought.get(delta.token.address, 0.0) + tokens
            else:
                paid[delta.token.address] = paid.get(delta.token.address, 0.0) - tokens
        yield _Flow(outcome.block.timestamp, put, paid, fee, brought)
