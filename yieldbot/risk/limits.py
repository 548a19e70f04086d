"""Limits over time: what went into markets in 24 hours, what failed or was left recently, what was lost. Pure.

``guard`` narrows the policy before a plan is made, so that plans stay within the limits; ``limit_exceeded`` is checked
again before anything is signed, whoever approved. Times are this machine's (when a transaction was journalled); amounts
are those of the chain, or of the simulation while a transaction is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from yieldbot.history.holdings import forecasts_since_change
from yieldbot.journal.fold import Record, StoredTx, fold_transactions
from yieldbot.journal.journal_entries import AccountCleared, PlanMarked, PlanStatus
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM_NATIVE
from yieldbot.model.ids import ChainId, MarketId, is_market
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.names import named, of_table
from yieldbot.model.numbers import exact
from yieldbot.model.plan import EXCLUDED, OUT, Assessment, Declined, Leg, LegKind
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed, Delta, Reverted
from yieldbot.model.units import DAY_SECONDS
from yieldbot.risk.refills import Refill, plan_seconds

MARGIN = 1e-9
"""Fractions of the wealth are floats: a fraction computed from an amount is reduced by this part, so that it never
allows more than the amount."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The policy, narrowed by the limits over time."""

    policy: Policy
    """The narrowed policy."""
    reason: str | None = None
    """Why nothing may be planned; None: it may."""
    closed: Mapping[MarketId, str] = field(default_factory=dict)
    """By market, the limit that permits no new money; exclusions by the policy itself are not listed."""
    bounded: Mapping[MarketId, str] = field(default_factory=dict)
    """By market, the limit that sets the largest holding."""
    refills: Mapping[MarketId, Refill] = field(default_factory=dict)
    """By market that a limit closes or bounds, how more may go in later."""

    def annotated(self, assessments: Iterable[Assessment]) -> tuple[Assessment, ...]:
        """The assessments, with these limits named as the reason if they close or bound a market."""
        return tuple(
            replace(
                one,
                vetoes=self._vetoes(one),
                bound=self.bounded.get(one.market_id, one.bound),
            )
            for one in assessments
        )

    def _vetoes(self, one: Assessment) -> tuple[str, ...]:
        """The market's vetoes; a limit comes last, so that what keeps money out without it is named first."""
        if (limit := self.closed.get(one.market_id)) is None:
            return one.vetoes
        return (*(veto for veto in one.vetoes if veto != EXCLUDED), limit)


@dataclass(frozen=True, slots=True)
class _Flow:
    """The amount of an asset that one transaction moved."""

    at: int
    """Unix seconds of its journal entry."""
    chain: ChainId
    """The chain."""
    market_id: MarketId
    """The market."""
    token: Token
    """The asset."""
    raw: int
    """Base units; positive: into the market."""
    failed: bool
    """Whether it was mined and reverted."""
    back: bool = False
    """Whether it withdraws what the same plan had just deposited (a trial, ``policy.try_first``): such a withdrawal
    is neither new money nor an exit."""


def guard(
    policy: Policy, records: Sequence[Record], snapshot: Snapshot, asset: Token, now: int, reserved_raw: int = 0
) -> Guard:
    """The policy narrowed for a plan of this snapshot. now: unix seconds. reserved_raw: base units of the daily limits
    that moves between markets will use."""
    if (stop := stop_reason(policy, records, snapshot, now)) is not None:
        return Guard(policy, stop.reason)
    flows = _flows(fold_transactions(records).values())
    chain = snapshot.block.chain
    closed, bounded, refills = dict[MarketId, str](), dict[MarketId, str](), dict[MarketId, Refill]()
    next_plan = plan_seconds(policy, records, (chain, snapshot.owner), now) if policy.limit_move is not None else 0

    def refill(name: str, token: Token) -> Refill:
        return Refill(_parsed(getattr(policy, name), token), next_plan if name == "limit_move" else DAY_SECONDS)

    shares = dict(policy.max_share_markets)
    for state in snapshot.markets:
        market_id, token = state.market.id, state.market.asset
        if (cooling := _cooling(policy, flows, market_id, now)) is not None:
            closed[market_id] = cooling.removeprefix(f"{market_id}: ")
            refills[market_id] = Refill(None, _cooled_at(policy, flows, market_id) - now)
        rooms = {
            "limit_move": _parsed(policy.limit_move, token),
            "limit_day_market": _left(policy.limit_day_market, flows, now, token, market_id),
        }
        if token != asset:  # the day's limits of the first asset are kept by its idle buffer, those of others here
            rooms |= _of_all(policy, flows, now, token, chain)
        name, room = _least(rooms)
        if room is None or not (wealth_raw := snapshot.wealth(token).raw):
            continue
        used = _used(policy, name, flows, now, token, market_id, chain)
        refills.setdefault(market_id, refill(name, token))
        if room <= state.held.raw * 2 * MARGIN:
            closed.setdefault(market_id, f"policy.{name} leaves nothing now{used}")
            continue
        most = (state.held.raw + room) * (1 - MARGIN) / wealth_raw
        if most < of_table(policy.max_share_markets, state.market, policy.max_share_market):
            shares[market_id], bounded[market_id] = most, f"policy.{name}{used}"
    name, room = _least(_of_all(policy, flows, now, asset, chain))
    buffer = policy.idle_buffer
    if room is not None:
        fresh = max(0, room - reserved_raw)
        idle_raw = sum(s.held.raw for s in snapshot.idle if s.market.asset == asset)
        stays = Amount(asset, max(0, idle_raw - fresh)).decimal
        buffer = exact(max(stays, Decimal(policy.idle_buffer)))
        if room == 0:
            used = _used(policy, name, flows, now, asset, None, chain)
            for state in snapshot.markets:
                if state.market.asset == asset:
                    closed.setdefault(state.market.id, f"policy.{name} leaves nothing now{used}")
                    refills.setdefault(state.market.id, refill(name, asset))
    exclude = tuple(dict.fromkeys((*policy.exclude, *closed)))
    for state in snapshot.markets:
        if named(state.market, policy.exclude):
            closed.pop(state.market.id, None)
    refills = {market_id: one for market_id, one in refills.items() if market_id in closed or market_id in bounded}
    narrowed = replace(policy, exclude=exclude, max_share_markets=shares, idle_buffer=buffer)
    return Guard(narrowed, None, closed, bounded, refills)


def limit_exceeded(
    policy: Policy, records: Sequence[Record], chain: ChainId, legs: Iterable[Leg], now: int
) -> Declined | None:
    """The limit that these legs together exceed; None: they exceed none. Withdrawals have no limit, and legs that
    only withdraw are not held up by failed plans either."""
    legs = tuple(legs)
    if legs and all(leg.kind in OUT for leg in legs):
        return None
    flows = _flows(fold_transactions(records).values())
    if (failing := _failing(policy, records, now)) is not None:
        return Declined("TOO_MANY_FAILURES", failing)
    put = set[MarketId]()
    for leg in legs:
        if leg.kind is LegKind.WITHDRAW and leg.market_id in put:
            flows = (*flows, _Flow(now, chain, leg.market_id, leg.amount.token, -leg.amount.raw, False, back=True))
        if leg.kind is not LegKind.DEPOSIT:
            continue
        put.add(leg.market_id)
        token, market_id = leg.amount.token, leg.market_id
        if (cooling := _cooling(policy, flows, market_id, now)) is not None:
            return Declined("COOLDOWN", cooling)
        for code, name, room in (
            ("MOVE_LIMIT", "limit_move", _parsed(policy.limit_move, token)),
            ("DAY_LIMIT", "limit_day", _left(policy.limit_day, flows, now, token)),
            ("CHAIN_DAY_LIMIT", "limit_day_chain", _left(policy.limit_day_chain, flows, now, token, chain=chain)),
            ("MARKET_DAY_LIMIT", "limit_day_market", _left(policy.limit_day_market, flows, now, token, market_id)),
        ):
            if room is not None and leg.amount.raw > room:
                used = _used(policy, name, flows, now, token, market_id, chain)
                message = f"{leg.amount} into {market_id}: policy.{name} leaves {Amount(token, room)} now{used}"
                return Declined(code, message)
        flows = (*flows, _Flow(now, chain, market_id, token, leg.amount.raw, failed=False))
    return None


def stop_reason(policy: Policy, records: Sequence[Record], snapshot: Snapshot, now: int) -> Declined | None:
    """The protection that forbids every plan now; None: none does."""
    if (loss := loss_of(policy, records, snapshot)) is not None:
        return Declined("LOSS", loss)
    failing = _failing(policy, records, now)
    return None if failing is None else Declined("TOO_MANY_FAILURES", failing)


def loss_of(policy: Policy, records: Sequence[Record], snapshot: Snapshot) -> str | None:
    """The holding that has lost more than ``stop_at_loss_bps`` since we last changed it, or since a person last
    cleared the account; None: there is none."""
    if policy.stop_at_loss_bps is None:
        return None
    account = (snapshot.block.chain, snapshot.owner)
    cleared = max(
        (r.seq for r in records if isinstance(r.entry, AccountCleared) and (r.entry.chain, r.entry.owner) == account),
        default=-1,
    )
    for market_id, before in forecasts_since_change([row for row in records if row.seq > cleared], *account).items():
        state = snapshot.states.get(market_id)
        if state is None or before.held_raw <= 0 or state.market.kind is Kind.IDLE:
            continue
        bps = (1 - state.held.raw / before.held_raw) * 10_000
        if bps > policy.stop_at_loss_bps:
            return _loss(state, before.held_raw, bps)
    return None


def _loss(state: MarketState, before_raw: int, bps: float) -> str:
    was = Amount(state.market.asset, before_raw)
    return f"{state.market.name} is down {bps:z.1f} bp: {state.held} is left of {was} (policy.stop_at_loss_bps)"


def _failing(policy: Policy, records: Sequence[Record], now: int) -> str | None:
    if policy.max_failures is None:
        return None
    since = now - int(policy.failure_window_hours * 3600)
    failed = [r for r in records if r.at > since and isinstance(r.entry, PlanMarked)]
    count = sum(1 for r in failed if isinstance(r.entry, PlanMarked) and r.entry.status is PlanStatus.FAILED)
    if count < policy.max_failures:
        return None
    hours = f"{policy.failure_window_hours:g} h"
    return (
        f"{count} plans failed within {hours} (policy.max_failures): see `yieldbot history`; it goes on by itself then"
    )


def _cooling(policy: Policy, flows: Sequence[_Flow], market_id: MarketId, now: int) -> str | None:
    since = now - _cooldown(policy)
    for flow in reversed(flows):
        if flow.market_id == market_id and flow.at > since and ((flow.raw < 0 and not flow.back) or flow.failed):
            what = "a transaction there reverted" if flow.failed else "it was withdrawn from"
            hours = (now - flow.at) / 3600
            return f"{market_id}: {what} {hours:z.1f} h ago (policy.cooldown_hours)"
    return None


def _cooled_at(policy: Policy, flows: Sequence[_Flow], market_id: MarketId) -> float:
    """Unix seconds when a market that cools down may get new money again."""
    of_it = [flow for flow in flows if flow.market_id == market_id]
    return max(flow.at for flow in of_it if flow.failed or (flow.raw < 0 and not flow.back)) + _cooldown(policy)


def _cooldown(policy: Policy) -> float:
    return policy.cooldown_hours * 3600


def _left(
    limit: str | None,
    flows: Sequence[_Flow],
    now: int,
    token: Token,
    market_id: MarketId | None = None,
    chain: ChainId | None = None,
) -> int | None:
    """Base units that may still go in under a limit on the last 24 hours; None without a limit.

    The limit is in whole tokens, and tokens of one symbol count together on all chains.
    """
    if limit is None:
        return None
    whole = [
        Fraction(flow.raw, flow.token.one)
        for flow in flows
        if (flow.raw > 0 or flow.back)
        and flow.at > now - DAY_SECONDS
        and flow.token.symbol == token.symbol
        and (market_id is None or flow.market_id == market_id)
        and (chain is None or flow.chain == chain)
    ]
    return max(0, token.parse(limit).raw - int(sum(whole, Fraction(0)) * token.one))


def _parsed(limit: str | None, token: Token) -> int | None:
    return None if limit is None else token.parse(limit).raw


def _of_all(policy: Policy, flows: Sequence[_Flow], now: int, token: Token, chain: ChainId) -> dict[str, int | None]:
    """What the daily limits on all markets together leave, in base units, by the limit's name."""
    return {
        "limit_day": _left(policy.limit_day, flows, now, token),
        "limit_day_chain": _left(policy.limit_day_chain, flows, now, token, chain=chain),
    }


def _least(rooms: Mapping[str, int | None]) -> tuple[str, int | None]:
    """(name, base units) of the limit that leaves least; ("", None): there is none."""
    found = [(room, name) for name, room in rooms.items() if room is not None]
    return min(found)[::-1] if found else ("", None)


def _used(
    policy: Policy,
    name: str,
    flows: Sequence[_Flow],
    now: int,
    token: Token,
    market_id: MarketId | None,
    chain: ChainId,
) -> str:
    """How much of a daily limit is used, and when the next part of it is free again; empty for a limit that is none on
    the last 24 hours, or of which nothing is used."""
    limits = {
        "limit_day": (policy.limit_day, None, None),
        "limit_day_chain": (policy.limit_day_chain, None, chain),
        "limit_day_market": (policy.limit_day_market, market_id, None),
    }
    limit, of_market, of_chain = limits.get(name, (None, None, None))
    left = _left(limit, flows, now, token, of_market, of_chain)
    if limit is None or left is None or left >= token.parse(limit).raw:
        return ""
    most = token.parse(limit)
    found = f": {most - token.amount(left)} of {most} used in 24 hours"
    for at in sorted({flow.at + DAY_SECONDS for flow in flows if now < flow.at + DAY_SECONDS}):
        later = _left(limit, flows, at, token, of_market, of_chain)
        if later is not None and later > left:
            return f"{found}, {token.amount(later - left)} free again at {datetime.fromtimestamp(at, UTC):%F %H:%M} UTC"
    return found


def _flows(transactions: Iterable[StoredTx]) -> tuple[_Flow, ...]:
    """What each transaction moved, oldest first. The asset is the first token among a transaction's predicted
    changes."""
    found = []
    put = set[tuple[str, MarketId]]()
    for tx in transactions:
        if not tx.signed.predicted or tx.signed.predicted[0].token.address == EVM_NATIVE:
            continue  # a nonce taken back moves nothing
        if not is_market(tx.signed.market_id):
            continue  # a swap or a claim puts nothing into a market
        failed = isinstance(tx.outcome, Reverted)
        deltas: Sequence[Delta] = ()
        if isinstance(tx.outcome, Confirmed):
            deltas = tx.outcome.deltas
        elif tx.outcome is None:
            deltas = tx.signed.predicted
        token = tx.signed.predicted[0].token
        raw = -sum(delta.raw for delta in deltas if delta.token == token)
        stay = (tx.signed.plan_id, tx.signed.market_id)
        found.append(_Flow(tx.at, tx.signed.chain, tx.signed.market_id, token, raw, failed, raw < 0 and stay in put))
        if raw > 0:
            put.add(stay)
    return tuple(found)
