"""Which ways out of markets the journal knows, and whether the markets are still what they were then.

A market's fingerprint is the SHA-256 of its contract's code, of the code behind its EIP-1967 slots, of what its adapter
keeps of it and of its kind of exit: it changes when the contract does, through an upgrade or new parameters. Those of
Solana's markets: ``exits_svm``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.journal.fold import Exits, Record, Reverts, fold_exits, fold_leaving, fold_reverts
from yieldbot.journal.journal_entries import ExitAsked, ExitEnded, ExitProven, ExitRefused
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import ExitKind, Kind, MarketState, Snapshot
from yieldbot.model.names import named
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.policy import Policy
from yieldbot.model.requests import own_terms

RETRY_SECONDS = 86_400
"""How long what reverted on the chain is left alone before it is asked for again."""
Prints = Callable[[Sequence[MarketState]], Awaitable[Mapping[MarketId, str]]]
"""Fingerprints by market, as the chain has them now; one that cannot be told is left out."""


def fingerprint(state: MarketState, names: Sequence[str], codes: Sequence[bytes]) -> str:
    """Of what was read: the addresses behind the market's own contract, and the code of all of them. Pure."""
    content: list[Any] = [state.market.address.lower(), [name.lower() for name in names]]
    content += [[hashlib.sha256(code).hexdigest() for code in codes]]
    content += [_plain(own_terms(state.market.params)), state.exit.kind.value, state.exit.seconds]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(str, value))
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


async def with_exits(prints: Prints, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
    """The snapshot with what the journal says of its markets' ways out: a refusal holds while the market is what it
    was then (or cannot be compared). Only markets that the journal names are read again."""
    exits = fold_exits(records, snapshot.block.chain, snapshot.owner)
    first = {s.market.id for s in rehearsed(snapshot.markets) if _triable(s) and named(s.market, policy.try_first)}
    reverts = fold_reverts(records, snapshot.block.chain, snapshot.owner)
    asked = [s for m, s in snapshot.states.items() if m in exits and _compared(exits[m], m in first)]
    stuck = [m for m in reverts if m in snapshot.states]
    if not asked and not first and not stuck:
        return snapshot
    now = await prints(asked) if asked else {}
    changed = dict[MarketId, MarketState]()
    for m in (*first, *stuck, *(state.market.id for state in asked)):
        state = _known(snapshot.states[m], exits.get(m, Exits()), now.get(m), m in first)
        changed[m] = _stuck(state, exits.get(m, Exits()), now.get(m), reverts.get(m))
    return replace(snapshot, states=dict(snapshot.states) | changed)


def _triable(state: MarketState) -> bool:
    """Whether what goes in can come out again within one plan."""
    return state.exit.kind is ExitKind.INSTANT


def _compared(exits: Exits, first: bool) -> bool:
    """Whether it matters what the market is now."""
    return bool(exits.refusals) or (first and any(proof.on_chain for proof in exits.proofs))


def _known(state: MarketState, exits: Exits, now: str | None, first: bool) -> MarketState:
    untried = first and (now is None or not exits.tried(now))
    why = next(reversed(exits.refusals.values()), "") if now is None else exits.refusals.get(now, "")
    return replace(state, no_way_out=why, untried=untried)


def _stuck(state: MarketState, exits: Exits, now: str | None, reverts: Reverts | None) -> MarketState:
    """The market with why what we hold there is not asked for, where withdrawals reverted on the chain though they went
    through on forks. It is asked for again, apart from everything else, a day after the last try (one revert may be
    bad luck, and does not wait), and as ever once the market is another one than was refused."""
    lost = next((said for said in reversed(exits.refusals) if said in exits.lost and now in (None, said)), None)
    changed = bool(exits.lost) and now is not None and now not in exits.lost
    if not state.held or changed or (lost is None and reverts is None):
        return state
    at = max(exits.at if lost is not None else 0, reverts.at if reverts is not None else 0)
    why = exits.refusals[lost] if lost is not None else f"it reverted on the chain: {reverts.reason if reverts else ''}"
    once = lost is None and reverts is not None and reverts.count == 1
    return replace(state, stuck=why, again=once or state.block.timestamp - at >= RETRY_SECONDS)


def steps(records: Sequence[Record], snapshot: Snapshot) -> list[ExitAsked | ExitEnded]:
    """What the journal lacks of money on its way out, by what the chain shows: written each cycle, so that it is right
    after a crash at any point. Amounts that only grew are no news. Pure."""
    chain, owner, time = snapshot.block.chain, snapshot.owner, snapshot.block.timestamp
    before = fold_leaving(records, chain, owner)
    found = list[ExitAsked | ExitEnded]()
    for state in snapshot.markets:
        gone, told = state.leaving, before.get(state.market.id)
        if gone is None:
            if told is not None:
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
        )
        if told is None or _stage(told) != _stage(now):
            found.append(now)
    return found


def _stage(asked: ExitAsked) -> tuple[bool, bool, bool, int | None]:
    return bool(asked.asked), bool(asked.ready), bool(asked.back), asked.until


async def proven_legs(
    prints: Prints, records: Sequence[Record], legs: Sequence[Leg], snapshot: Snapshot
) -> frozenset[int]:
    """The places of deposits whose market's way out was proven for as much, and not long ago."""
    known = fold_exits(records, snapshot.block.chain, snapshot.owner)
    new = {leg.market_id: 0 for leg in legs if leg.kind is LegKind.DEPOSIT and leg.market_id in known}
    states = rehearsed([snapshot.of(market_id) for market_id in new])
    if not states:
        return frozenset()
    now = await prints(states)
    found = set[int]()
    for index, leg in enumerate(legs):
        if leg.kind is LegKind.DEPOSIT and (said := now.get(leg.market_id)) is not None:
            new[leg.market_id] += leg.amount.raw
            raw = snapshot.of(leg.market_id).held.raw + new[leg.market_id]
            if known[leg.market_id].proven(said, snapshot.block.timestamp, raw):
                found.add(index)
    return frozenset(found)


def rehearsed(states: Sequence[MarketState]) -> list[MarketState]:
    """Those whose way out is rehearsed: markets, and neither the wallet nor pools."""
    return [state for state in states if state.market.kind is not Kind.IDLE and state.liquidity_market is None]


def proven(state: MarketState, owner: Address, said: str, up_to: Amount, *, on_chain: bool = False) -> ExitProven:
    """What is written down once money of a market has come out. ``said``: the market's fingerprint."""
    return ExitProven(
        chain=state.block.chain,
        owner=owner,
        market_id=state.market.id,
        fingerprint=said,
        time=state.block.timestamp,
        up_to=up_to,
        on_chain=on_chain,
    )


def refused(state: MarketState, owner: Address, said: str, reason: str, *, on_chain: bool = False) -> ExitRefused:
    """What is written down where money does not come out."""
    return ExitRefused(
        chain=state.block.chain,
        owner=owner,
        market_id=state.market.id,
        fingerprint=said,
        reason=reason,
        on_chain=on_chain,
        time=state.block.timestamp,
    )
