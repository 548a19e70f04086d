"""The wallet's Merkl rewards: the claims of Merkl's API, and the wallet's market with those that the chain proves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from yieldbot.errors import MarketError, TransientError
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.market import MarketState
from yieldbot.model.settings import Job
from yieldbot.protocols.evm.merkl import UNREAD, Found, Leaf, leaves
from yieldbot.rpc.service import get

SECONDS = 10.0
"""Timeout of the API's answer, for which the rest of an observation waits."""


async def fetch_leaves(job: Job) -> tuple[Leaf, ...] | None:
    """The rewards that Merkl's API claims for our wallet on the job's chain; None: no readable answer."""
    merkl, number = job.chain.merkl, evm_number(job.chain.chain)
    if merkl is None:
        return ()
    url = f"{merkl.url.rstrip('/')}/v4/users/{job.wallet.address}/rewards?chainId={number}"
    try:
        return leaves(await asyncio.to_thread(get, url, SECONDS), number, job.wallet.address)
    except (TransientError, MarketError):
        return None


def to_prove(job: Job, claimed: Sequence[Leaf] | None) -> tuple[Address, Sequence[Leaf]] | None:
    """The distributor and the leaves to prove against its root; None: there is nothing to prove."""
    return (job.chain.merkl.distributor, claimed) if claimed and job.chain.merkl is not None else None


def with_rewards(idle: MarketState, found: Found | MarketError | None) -> MarketState:
    """The wallet's market with the proven rewards, or with a flag if they could not be read or proven. Pure."""
    if found is None or isinstance(found, MarketError):
        return replace(idle, flags=(*idle.flags, UNREAD))
    rewards, flags = found
    return replace(idle, rewards=(*idle.rewards, *rewards), flags=(*idle.flags, *flags))
