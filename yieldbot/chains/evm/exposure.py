"""What a chain's markets rest on, what went into and out of them, and whose the money is: read in the same rounds as
who controls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.controls import Look
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.money_flows import Holders
from yieldbot.model.reads import EthCall
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols.backing import TOKEN, Root, backing_of
from yieldbot.protocols.evm.backing import NO_BACKING, keys_of, providers_of, root_of, shares_of
from yieldbot.protocols.evm.backing_reads import Graph, Known, read_holdings
from yieldbot.protocols.evm.flow_events import listening
from yieldbot.protocols.evm.flow_reads import Heard, KnownFlows, read_flows
from yieldbot.rpc.flows import Flows, Handle

ANEW_SECONDS = 86_400
"""Tokens that were found to hold nothing are asked again after so long: what is behind a proxy may change."""
KEY = "holdings"
"""The entry of ``Look.known``: what markets rest on."""
FLOWS = "flows"
"""The entry of ``Look.known``: to which block flows were heard, and whose the money was."""


@dataclass(slots=True)
class ExposureLook:
    """One look at what the markets of a snapshot rest on: made of it and of what the last look kept, its flows run by
    whoever runs the other flows of the look, then its answer added to the look."""

    chain: ChainSettings
    """The chain."""
    snapshot: Snapshot
    """The markets."""
    known: Mapping[str, Any]
    """``Look.known`` of the last look, or nothing."""
    follow: tuple[str, ...] = ()
    """Addresses all of whose flows are reported."""
    flows: Flows = field(default_factory=Flows)
    """What must run before ``added``."""
    roots: tuple[Root, ...] = ()
    """What each market holds."""
    holdings: Handle[Graph] | None = None
    """What is read of it."""
    heard: Handle[Heard] | None = None
    """What is heard of deposits and withdrawals."""

    def __post_init__(self) -> None:
        tables = {table.name: table.params for table in self.chain.deployments}
        states = [one for one in self.snapshot.states.values() if one.market.kind not in NO_BACKING]
        self.roots = tuple(root_of(one, tables.get(one.market.deployment, {})) for one in states)
        known = _known(self.known.get(KEY), self.snapshot.block.timestamp)
        known = replace(known, providers=providers_of(self.chain.deployments), shares=shares_of(states))
        self.holdings = self.flows.add(read_holdings(keys_of(self.roots), known))
        listened = [one for one in map(listening, states) if one is not None]
        block, owner = self.snapshot.block, self.snapshot.owner
        follow = frozenset(one.lower() for one in self.follow)
        heard = read_flows(listened, owner, block.height, block.timestamp, _heard(self.known.get(FLOWS)), follow)
        self.heard = self.flows.add(heard)

    def added(self, look: Look) -> Look:
        """The look with what was read. What could not be read leaves the last look's answer as it was."""
        return self._with_holdings(self._with_flows(look))

    def _with_flows(self, look: Look) -> Look:
        heard = self.heard.answer if self.heard is not None else None
        if heard is None or isinstance(heard, MarketError):
            return replace(look, known={**look.known, FLOWS: self.known.get(FLOWS)})
        blocks = {**_heard(self.known.get(FLOWS)).blocks, **dict.fromkeys(heard.read, look.block)}
        kept = {"blocks": blocks, "keys": list(heard.keys), "holders": _written(heard.holders)}
        return replace(look, known={**look.known, FLOWS: kept}, flows=heard.flows, holders=heard.holders)

    def _with_holdings(self, look: Look) -> Look:
        graph = self.holdings.answer if self.holdings is not None else None
        if graph is None or isinstance(graph, MarketError):
            return replace(look, known={**look.known, KEY: self.known.get(KEY)})
        backing = {root.market: backing_of(root, graph.nodes, look.block, look.time) for root in self.roots}
        return replace(look, known={**look.known, KEY: self._kept(graph, look.time)}, backing=backing)

    def _kept(self, graph: Graph, now: int) -> dict[str, Any]:
        before = _known(self.known.get(KEY), now)
        since = self.known[KEY]["since"] if before.leaves else now
        leaves = {
            key: one.symbol
            for key, one in graph.nodes.items()
            if key.startswith(TOKEN) and not one.children and not one.idle and not one.unknown
        }
        calls: dict[str, list[str]] = {}
        for one in graph.calls:
            if f"{TOKEN}{one.to}" not in leaves:
                calls.setdefault(one.to, []).append(one.data.hex())
        return {"since": since, "leaves": leaves, "calls": calls}


def _known(kept: Any, now: int) -> Known:
    """What the last look kept; nothing where it cannot be read, and of tokens nothing once it is old."""
    try:
        calls = tuple(
            EthCall(Address(to), bytes.fromhex(data), optional=True)
            for to, many in kept["calls"].items()
            for data in many
        )
        leaves = {str(key): str(symbol) for key, symbol in kept["leaves"].items()}
        return Known(calls=calls, leaves=leaves if now - int(kept["since"]) < ANEW_SECONDS else {})
    except (KeyError, TypeError, ValueError, AttributeError):
        return Known()


def _written(holders: Mapping[MarketId, Holders]) -> dict[str, Any]:
    return {m: [[list(row) for row in one.top], one.since, one.block, one.time] for m, one in holders.items()}


def _heard(kept: Any) -> KnownFlows:
    """What the last look kept of flows; nothing where it cannot be read."""
    try:
        holders = {
            MarketId(market): Holders(
                top=tuple((Address(who), float(share)) for who, share in top),
                seen=min(1.0, sum(float(share) for _, share in top)),
                since=int(since),
                block=int(block),
                time=int(time),
            )
            for market, (top, since, block, time) in kept["holders"].items()
        }
        blocks = {MarketId(market): int(at) for market, at in kept["blocks"].items()}
        return KnownFlows(blocks=blocks, keys=frozenset(map(str, kept["keys"])), holders=holders)
    except (KeyError, TypeError, ValueError, AttributeError):
        return KnownFlows()
