"""The answers of a snapshot's flows, on any chain: markets with their states, and those that could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from yieldbot.errors import MarketError
from yieldbot.model.contradiction import contradiction
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import MarketId, market_chain
from yieldbot.model.market import Kind, Market, MarketState, Quarantined
from yieldbot.model.settings import Job
from yieldbot.rpc.flows import Handle


def listed_markets(
    lists: Iterable[tuple[Deployment, tuple[Market, ...] | MarketError]], job: Job
) -> tuple[list[Market], list[Quarantined]]:
    """The job's markets, and a placeholder for each deployment whose markets could not be listed."""
    markets, quarantined = list[Market](), list[Quarantined]()
    for deployment, found in lists:
        if isinstance(found, MarketError):
            quarantined.append(Quarantined(_unlisted(deployment, job), str(found)))
        else:
            ours = [market for market in found if market.asset in job.assets]
            markets += [replace(market, deployment=deployment.name) for market in ours]
    return markets, quarantined


def states_of(
    reads: Iterable[tuple[Market, Handle[MarketState]]],
) -> tuple[dict[MarketId, MarketState], list[Quarantined]]:
    """The states of the markets that could be read and do not contradict themselves, and the other markets with the
    reason."""
    states, quarantined = dict[MarketId, MarketState](), list[Quarantined]()
    for market, handle in reads:
        state = handle.answer
        why = str(state) if isinstance(state, MarketError) else contradiction(state)
        if isinstance(state, MarketState) and why is None:
            states[state.market.id] = state
        else:
            quarantined.append(Quarantined(market, str(why)))
    return states, quarantined


def _unlisted(deployment: Deployment, job: Job) -> Market:
    """A placeholder market for a deployment whose markets could not be listed."""
    return Market(
        MarketId(f"{deployment.protocol}/{market_chain(deployment.chain)}/?"),
        deployment.protocol,
        Kind.LENDING,
        deployment.chain,
        deployment.name,
        job.asset,
        job.asset.address,
        deployment=deployment.name,
    )
