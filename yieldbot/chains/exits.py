"""Adds to a snapshot what the journal knows of markets' exits, as long as the markets have not changed since.

A market's fingerprint is the SHA-256 of its contract's code, of the code behind its EIP-1967 slots, of its parameters
in ``Market.params`` and of its kind of exit: it changes with an upgrade or with new parameters.
``chains/solana/exits.py`` says what it covers on Solana.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.decision.orders import with_orders
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitProven, ExitRefused
from yieldbot.journal.fold import Exits, Record, Reverts, fold_exits, fold_leaving, fold_reverts
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import ExitKind, Kind, MarketState, Snapshot
from yieldbot.model.names import named
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.policy import Policy
from yieldbot.model.requests import own_terms

RETRY_SECONDS = 86_400
"""A withdrawal that reverted on the chain is not tried again for this long."""
Fingerprints = Callable[[Sequence[MarketState]], Awaitable[Mapping[MarketId, str]]]
"""Computes the present fingerprints of markets, by id; leaves out a market whose fingerprint cannot be computed."""


def fingerprint(state: MarketState, names: Sequence[str], codes: Sequence[bytes]) -> str:
    """The fingerprint of a market. names: the addresses behind the market's own contract (implementation, beacon).
    codes: the code of the contract and of each of them. Pure."""
    content: list[Any] = [state.market.address.lower(), [name.lower() for name in names]]
    content += [[hashlib.sha256(code).hexdigest() for code in codes]]
    content += [_plain(own_terms(state.market.params)), state.exit.kind.value, _wait(state)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


async def with_exits(prints: Fingerprints, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
    """The snapshot with ``no_way_out``, ``untried`` and ``stuck`` of its markets, from the journal's entries.

    An entry counts if the market's present fingerprint equals the recorded one, or cannot be computed. Fingerprints are
    computed only for markets that have journal entries. Markets that a person ordered to be left get the order's alarm.
    """
    snapshot = with_orders(snapshot, records)
    exits = fold_exits(records, snapshot.block.chain, snapshot.owner)
    first = {s.market.id for s in rehearsed(snapshot.markets) if _triable(s) and named(s.market, policy.try_first)}
    reverts = fold_reverts(records, snapshot.block.chain, snapshot.owner)
    compared = [s for m, s in snapshot.states.items() if m in exits and _compared(exits[m], m in first)]
    stuck = [m for m in reverts if m in snapshot.states]
    if not compared and not first and not stuck:
        return snapshot
    now = await prints(compared) if compared else {}
    changed = dict[MarketId, MarketState]()
    for m in (*first, *stuck, *(state.market.id for state in compared)):
        state = _known(snapshot.states[m], exits.get(m, Exits()), now.get(m), m in first)
        changed[m] = _stuck(state, exits.get(m, Exits()), now.get(m), reverts.get(m))
    return replace(snapshot, states=dict(snapshot.states) | changed)


def _wait(state: MarketState) -> int | None:
    """The seconds that an exit takes; of one at a fixed date 0, since they become fewer by themselves."""
    return 0 if state.exit.kind is ExitKind.MATURITY else state.exit.seconds


def _triable(state: MarketState) -> bool:
    """Whether a deposit can be withdrawn within the same plan, as a trial needs."""
    return state.exit.kind is ExitKind.INSTANT


def _compared(exits: Exits, first: bool) -> bool:
    """Whether the entries count only under the present fingerprint, so that it must be computed."""
    return bool(exits.refusals) or (first and any(proof.on_chain for proof in exits.proofs))


def _known(state: MarketState, exits: Exits, now: str | None, first: bool) -> MarketState:
    untried = first and (now is None or not exits.tried(now))
    why = next(reversed(exits.refusals.values()), "") if now is None else exits.refusals.get(now, "")
    return replace(state, no_way_out=why, untried=untried)


def _stuck(state: MarketState, exits: Exits, now: str | None, reverts: Reverts | None) -> MarketState:
    """The market with ``stuck`` set if withdrawals of our holding reverted on the chain although they succeeded on
    forks.

    ``again`` allows one more try, in a plan of its own: at once after a single revert, else RETRY_SECONDS after the
    last one. A market whose fingerprint has changed since it was refused is not stuck.
    """
    lost = next(
        (current for current in reversed(exits.refusals) if current in exits.lost and now in (None, current)), None
    )
    changed = bool(exits.lost) and now is not None and now not in exits.lost
    if not state.held or changed or (lost is None and reverts is None):
        return state
    at = max(exits.at if lost is not None else 0, reverts.at if reverts is not None else 0)
    why = exits.refusals[lost] if lost is not None else f"it reverted on the chain: {reverts.reason if reverts else ''}"
    once = lost is None and reverts is not None and reverts.count == 1
    return replace(state, stuck=why, again=once or state.block.timestamp - at >= RETRY_SECONDS)


def steps(records: Sequence[Record], snapshot: Snapshot) -> list[ExitAsked | ExitEnded]:
    """Journal entries for two-step exits whose state changed since the last cycle. They are computed from the chain in
    each cycle, so the journal is correct again after a crash at any point. A request whose amounts merely grew gets no
    entry. Pure."""
    chain, owner, time = snapshot.block.chain, snapshot.owner, snapshot.block.timestamp
    before = fold_leaving(records, chain, owner)
    found = list[ExitAsked | ExitEnded]()
    for state in snapshot.markets:
        gone, recorded = state.leaving, before.get(state.market.id)
        if gone is None:
            if recorded is not None:
                found.append(ExitEnded(chain=chain, owner=owner, market_id=state.market.id, time=time))
            continue
        now = ExitAsked(
            chain=chain,
            owner=owner,
            market_id=state.market.id,
            asked=gone.requested,
            ready=gone.ready,
            back=gone.back,
            until=gone.until,
            time=time,
            entry=gone.entry,
        )
        if recorded is None or _stage(recorded) != _stage(now):
            found.append(now)
    return found


def _stage(entry: ExitAsked) -> tuple[bool, bool, bool, int | None]:
    return bool(entry.asked), bool(entry.ready), bool(entry.back), entry.until


async def proven_legs(
    prints: Fingerprints, records: Sequence[Record], legs: Sequence[Leg], snapshot: Snapshot
) -> frozenset[int]:
    """Indexes of the deposit legs whose market's exit was recently proven for at least the holding after the
    deposit."""
    known = fold_exits(records, snapshot.block.chain, snapshot.owner)
    new = {leg.market_id: 0 for leg in legs if leg.kind is LegKind.DEPOSIT and leg.market_id in known}
    states = rehearsed([snapshot.of(market_id) for market_id in new])
    if not states:
        return frozenset()
    now = await prints(states)
    found = set[int]()
    for index, leg in enumerate(legs):
        if leg.kind is LegKind.DEPOSIT and (current := now.get(leg.market_id)) is not None:
            new[leg.market_id] += leg.amount.raw
            raw = snapshot.of(leg.market_id).held.raw + new[leg.market_id]
            if known[leg.market_id].proven(current, snapshot.block.timestamp, raw):
                found.add(index)
    return frozenset(found)


def rehearsed(states: Sequence[MarketState]) -> list[MarketState]:
    """The markets whose exits are rehearsed: all except the wallet and liquidity pools."""
    return [state for state in states if state.market.kind is not Kind.IDLE and state.liquidity_market is None]


def proven(state: MarketState, owner: Address, current: str, up_to: Amount, *, on_chain: bool = False) -> ExitProven:
    """The entry that records that money came out of the market, up to ``up_to``. current: the market's fingerprint."""
    return ExitProven(
        chain=state.block.chain,
        owner=owner,
        market_id=state.market.id,
        fingerprint=current,
        time=state.block.timestamp,
        up_to=up_to,
        on_chain=on_chain,
    )


def refused(state: MarketState, owner: Address, current: str, reason: str, *, on_chain: bool = False) -> ExitRefused:
    """The entry that records that money did not come out of the market. current: the market's fingerprint."""
    return ExitRefused(
        chain=state.block.chain,
        owner=owner,
        market_id=state.market.id,
        fingerprint=current,
        reason=reason,
        on_chain=on_chain,
        time=state.block.timestamp,
    )
