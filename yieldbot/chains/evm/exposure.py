"""What a chain's markets rest on, read in the same rounds as who controls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.controls import Look
from yieldbot.model.ids import Address
from yieldbot.model.market import Snapshot
from yieldbot.model.reads import EthCall
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols.backing import TOKEN, Root, backing_of
from yieldbot.protocols.evm.backing import NO_BACKING, keys_of, providers_of, root_of, shares_of
from yieldbot.protocols.evm.backing_reads import Graph, Known, read_holdings
from yieldbot.rpc.flows import Flows, Handle

ANEW_SECONDS = 86_400
"""Tokens that were found to hold nothing are asked again after so long: what is behind a proxy may change."""
KEY = "holdings"
"""The entry of ``Look.known``."""


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
    flows: Flows = field(default_factory=Flows)
    """What must run before ``added``."""
    roots: tuple[Root, ...] = ()
    """What each market holds."""
    holdings: Handle[Graph] | None = None
    """What is read of it."""

    def __post_init__(self) -> None:
        tables = {table.name: table.params for table in self.chain.deployments}
        states = [one for one in self.snapshot.states.values() if one.market.kind not in NO_BACKING]
        self.roots = tuple(root_of(one, tables.get(one.market.deployment, {})) for one in states)
        known = _known(self.known.get(KEY), self.snapshot.block.timestamp)
        known = replace(known, providers=providers_of(self.chain.deployments), shares=shares_of(states))
        self.holdings = self.flows.add(read_holdings(keys_of(self.roots), known))

    def added(self, look: Look) -> Look:
        """The look with what was read. What could not be read leaves the last look's answer as it was."""
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
