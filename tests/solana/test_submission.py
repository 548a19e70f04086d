"""Where signed bytes go on Solana: to the private node alone, to the public ones only where the policy says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.client import Node
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.ids import Address, svm_chain
from yieldbot.sandbox.solana.cluster import Cluster
from yieldbot.sandbox.solana.server import serve

GENESIS = "11111111111111111111111111111112"
SYSTEM = Address("11111111111111111111111111111111")
NOBODY = "http://127.0.0.1:9"


@dataclass
class World:
    public: Cluster
    private: Cluster
    urls: tuple[str, str]
    raw: bytes


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Two clusters that are one for who asks, so that it can be told which of them was given the bytes."""
    from solders.hash import Hash
    from solders.keypair import Keypair
    from solders.message import MessageV0
    from solders.pubkey import Pubkey
    from solders.system_program import TransferParams, transfer
    from solders.transaction import VersionedTransaction

    key = Keypair.from_seed(bytes([5] * 32))
    clusters = [Cluster(GENESIS, auto=False) for _ in range(2)]
    for cluster in clusters:
        cluster.set({Address(str(key.pubkey())): AccountImage(10**10, SYSTEM, b"")})
    pay = transfer(
        TransferParams(from_pubkey=key.pubkey(), to_pubkey=Pubkey.from_bytes(bytes([9] * 32)), lamports=10**7)
    )
    message = MessageV0.try_compile(key.pubkey(), [pay], [], Hash.from_string(clusters[0].blockhash()))
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serve(lambda one=cluster: one)) for cluster in clusters]
        yield World(*clusters, (urls[0], urls[1]), bytes(VersionedTransaction(message, [key])))


@asynccontextmanager
async def nodes(public: str, private: str | None, **policy: Any) -> AsyncIterator[Quorum]:
    chain = svm_chain(GENESIS)
    of = [(Node(chain, url, timeout_seconds=2),) if url else () for url in (public, private)]
    async with Quorum(chain, of[0], 1, private=of[1], **policy) as found:
        yield found


def got(world: World) -> tuple[int, int]:
    return len(world.public.landed), len(world.private.landed)


async def test_the_private_node_alone_is_given_the_bytes() -> None:
    async with world() as w, nodes(w.urls[0], w.urls[1]) as found:
        await found.send(w.raw)
        assert got(w) == (0, 1)


async def test_without_a_private_node_the_public_one_is() -> None:
    async with world() as w, nodes(w.urls[0], None) as found:
        await found.send(w.raw)
        assert got(w) == (1, 0)


async def test_a_private_node_that_is_down_is_not_gone_around_unless_the_policy_says_so() -> None:
    async with world() as w:
        async with nodes(w.urls[0], NOBODY) as found:
            with pytest.raises((TransientError, NodeRefused)):
                await found.send(w.raw)
        assert got(w) == (0, 0)
        async with nodes(w.urls[0], NOBODY, submit_public=True) as found:
            await found.send(w.raw)
        assert got(w) == (1, 0)


async def test_the_private_one_comes_first_and_all_at_once_only_on_demand() -> None:
    async with world() as w, nodes(w.urls[0], w.urls[1], submit_public=True) as found:
        await found.send(w.raw)
        assert got(w) == (0, 1)
    async with world() as w, nodes(w.urls[0], w.urls[1], submit_public=True, submit_to_all=True) as found:
        await found.send(w.raw)
        assert got(w) == (1, 1)
