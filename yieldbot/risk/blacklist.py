"""Which markets are on the policy's blacklist (``policy.blacklist``), or are backed by something that is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.names import named
from yieldbot.model.risk import Act, Evidence
from yieldbot.risk.triggers import Found

DEEPEST = 8
"""Most levels of vaults within vaults that are followed, so that a cycle of vaults ends too."""
LEAST_SHARE = 0.001
"""Smallest part of a market, as a fraction, that counts as resting on a collateral: anybody can put a little of it
into a pool."""
_WORD = re.compile(r"[^0-9a-z.]+")


def blacklisted(snapshot: Snapshot, names: Iterable[str]) -> dict[MarketId, Found]:
    """For each market that the blacklist covers, the sign. A market is covered by its own name, protocol, asset or
    contract; by a contract or token among its parameters (collateral, oracle); by the same of a pool that its money
    ends in, if the snapshot has that pool; or by anything that its money rests on or passes through according to the
    last look."""
    black = {name.strip().lower(): name for name in names if name.strip()}
    if not black:
        return {}
    found: dict[MarketId, Found] = {}
    states = snapshot.states
    for key, state in states.items():
        if state.market.kind is Kind.IDLE:
            continue
        for inside in _within(state, states):
            hit = _hit(inside, black)
            if hit is None:
                continue
            through = "" if inside is state else f" through {inside.market.name}"
            saw = f"{black[hit]} is on the blacklist, and the market stands on it{through}"
            proof = (Evidence(what="blacklisted", value=black[hit], source="policy.blacklist"),)
            found[key] = Found(code="BLACKLIST", act=Act.LEAVE, saw=saw, evidence=proof)
            break
        if key not in found and (backed := _backed(state, black)) is not None:
            found[key] = backed
    return found


def _backed(state: MarketState, black: Mapping[str, str]) -> Found | None:
    """The sign if the last look found that the market's money rests on, or passes through, something on the
    blacklist."""
    if state.backing is None:
        return None
    for one in state.backing.parts:
        names = (one.backing.lower(), one.symbol.lower(), *(name.lower() for name in one.through))
        hit = next((low for low in black if low in names), None)
        if hit is None or one.share < LEAST_SHARE:
            continue
        saw = (
            f"{black[hit]} is on the blacklist, and {one.share:z.2%} of the market rests on {one.symbol or one.backing}"
        )
        proof = Evidence(what="blacklisted", value=black[hit], source="policy.blacklist", block=state.backing.block)
        return Found(code="BLACKLIST", act=Act.LEAVE, saw=saw, evidence=(proof,))
    return None


def _within(state: MarketState, states: Mapping[MarketId, MarketState]) -> list[MarketState]:
    """A market, followed by every market of the snapshot that its money is lent on to, each once."""
    found, seen = [state], {state.market.id}
    for _ in range(DEEPEST):
        more = [
            states[MarketId(pool)] for one in found for pool in sorted(one.pools) if pool in states and pool not in seen
        ]
        if not more:
            break
        seen |= {one.market.id for one in more}
        found += list({one.market.id: one for one in more}.values())
    return found


def _hit(state: MarketState, black: Mapping[str, str]) -> str | None:
    """The blacklist's entry, in lower case, that covers the market itself; None: none does."""
    market = state.market
    texts = {
        market.name.lower(),
        market.asset.symbol.lower(),
        market.asset.address.lower(),
        market.address.lower(),
        *_WORD.split(market.name.lower()),
        *(text for pool in state.pools for text in (pool.lower(), *pool.lower().split("/"))),
        *(text.lower() for text in _texts(market.params)),
    }
    hit = next((name for name in black if name in texts), None)
    if hit is not None:
        return hit
    return next((low for low, name in black.items() if named(market, (name, low))), None)


def _texts(value: object, depth: int = 4) -> Iterator[str]:
    """Every string in a nested value."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one, depth - 1)
    elif depth and isinstance(value, list | tuple | frozenset | set):
        for one in value:
            yield from _texts(one, depth - 1)
