"""What a chain's markets are exposed to, money flowing into and out of them, and who their largest depositors are; read
in the same rounds as their controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from yieldbot.chains.evm.supplies import known, supply_of
from yieldbot.errors import MarketError
from yieldbot.model.controls import Look
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.money_flows import Holders
from yieldbot.model.reads import EthCall
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols.backing import Root, backing_of, bare
from yieldbot.protocols.evm.backing import NO_BACKING, keys_of, providers_of, root_of, shares_of
from yieldbot.protocols.evm.backing_pools import Known
from yieldbot.protocols.evm.backing_reads import Graph, next_known, read_holdings
from yieldbot.protocols.evm.flow_events import listening
from yieldbot.protocols.evm.flow_reads import KnownFlows, read_flows
from yieldbot.protocols.flows import Heard
from yieldbot.rpc.flows import Flows, Handle

ANEW_SECONDS = 86_400
"""Tokens that were found to hold nothing are read again after this time: the implementation behind a proxy may
change."""
MOST_REWARDS = 200
"""Most reward tokens whose supplies are read."""
KEY = "holdings"
"""Key in ``Look.known`` for what markets are exposed to."""
FLOWS = "flows"
"""Key in ``Look.known`` for the block up to which flows were read, and the largest depositors then."""


@dataclass(slots=True)
class ExposureLook:
    """One read of what the markets of a snapshot are exposed to.

    Made from the snapshot and from what the last look kept; its flows run together with the look's other flows, and
    then its answer is added to the look.
    """

    chain: ChainSettings
    """The chain."""
    snapshot: Snapshot
    """The markets."""
    known: Mapping[str, Any]
    """``Look.known`` of the last look, or empty."""
    follow: tuple[str, ...] = ()
    """Addresses all of whose flows are reported."""
    flows: Flows = field(default_factory=Flows)
    """Flows to run before ``added`` is called."""
    roots: tuple[Root, ...] = ()
    """The tokens and vaults at which looking through each market begins."""
    holdings: Handle[Graph] | None = None
    """The flow that reads what markets hold."""
    minted: tuple[tuple[Address, Handle[int | None]], ...] = ()
    """Reads of the reward tokens' supplies."""
    heard: Handle[Heard] | None = None
    """The flow that reads deposits and withdrawals."""

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
        rewards = dict.fromkeys(reward.token.address for one in states for reward in one.rewards)
        self.minted = tuple((token, self.flows.add(supply_of(token))) for token in list(rewards)[:MOST_REWARDS])

    def added(self, look: Look) -> Look:
        """The look with exposure and flows added. Where a flow failed, the last look's result is kept."""
        look = self._with_holdings(self._with_flows(look))
        found = known((token, handle.answer) for token, handle in self.minted)
        rewards = {str(token): float(raw) for token, raw in found.items() if raw}
        return replace(look, supplies={**rewards, **look.supplies})

    def _with_flows(self, look: Look) -> Look:
        heard = self.heard.answer if self.heard is not None else None
        if heard is None or isinstance(heard, MarketError):
            return replace(look, known={**look.known, FLOWS: self.known.get(FLOWS)})
        blocks = {**_heard(self.known.get(FLOWS)).blocks, **dict.fromkeys(heard.read, look.block)}
        kept = {"blocks": blocks, "keys": list(heard.keys), "holders": _written(heard.holders), "past": heard.past}
        return replace(
            look, known={**look.known, FLOWS: kept}, flows=heard.flows, holders=heard.holders, lost=heard.lost
        )

    def _with_holdings(self, look: Look) -> Look:
        graph = self.holdings.answer if self.holdings is not None else None
        if graph is None or isinstance(graph, MarketError):
            return replace(look, known={**look.known, KEY: self.known.get(KEY)})
        backing = {root.market: backing_of(root, graph.nodes, look.block, look.time) for root in self.roots}
        supplies = {bare(key): one.supply for key, one in graph.nodes.items() if one.supply is not None}
        kept = {**look.known, KEY: self._kept(graph, look.time)}
        prices = {key: {bare(token): price for token, price in one.prices} for key, one in graph.nodes.items()}
        prices = {key: one for key, one in prices.items() if one}
        return replace(look, known=kept, backing=backing, supplies=supplies, prices=prices)

    def _kept(self, graph: Graph, now: int) -> dict[str, Any]:
        before = _known(self.known.get(KEY), now)
        since = self.known[KEY]["since"] if before.leaves else now
        leaves, again = next_known(graph)
        calls: dict[str, list[str]] = {}
        for one in again:
            calls.setdefault(one.to, []).append(one.data.hex())
        return {"since": since, "leaves": leaves, "calls": calls}


def _known(kept: Any, now: int) -> Known:
    """What the last look stored about holdings; empty if it cannot be decoded. Tokens found to hold nothing are dropped
    after ANEW_SECONDS."""
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
    """What the last look stored about flows; empty if it cannot be decoded."""
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
        since, floor = map(int, kept.get("past") or (0, 0))
        return KnownFlows(blocks=blocks, keys=frozenset(map(str, kept["keys"])), holders=holders, past=(since, floor))
    except (KeyError, TypeError, ValueError, AttributeError):
        return KnownFlows()
