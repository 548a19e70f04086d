"""What Merkl owes the wallet: its API's answer, checked on the chain, as rewards of the wallet's own market."""

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
"""Everything else of an observation waits no longer for it."""


async def told(job: Job) -> tuple[Leaf, ...] | None:
    """What Merkl's API says of our wallet on the job's chain; None where it says nothing that can be read."""
    merkl, number = job.chain.merkl, evm_number(job.chain.chain)
    if merkl is None:
        return ()
    url = f"{merkl.url.rstrip('/')}/v4/users/{job.wallet.address}/rewards?chainId={number}"
    try:
        return leaves(await asyncio.to_thread(get, url, SECONDS), number, job.wallet.address)
    except (TransientError, MarketError):
        return None


def asked(job: Job, said: Sequence[Leaf] | None) -> list[tuple[Address, Sequence[Leaf]]]:
    """What the chain is to be asked of an answer: the distributor and the leaves; nothing where there are none."""
    return [(job.chain.merkl.distributor, said)] if said and job.chain.merkl is not None else []


def with_rewards(idle: MarketState, found: Found | MarketError | None) -> MarketState:
    """The wallet with what the chain proves of the answer; flagged where there was none. Pure."""
    if found is None or isinstance(found, MarketError):
        return replace(idle, flags=(*idle.flags, UNREAD))
    rewards, flags = found
    return replace(idle, rewards=(*idle.rewards, *rewards), flags=(*idle.flags, *flags))
