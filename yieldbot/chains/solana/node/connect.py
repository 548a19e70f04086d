"""Makes a cluster's nodes and their quorum from its settings."""

from __future__ import annotations

from yieldbot.chains.solana.node.client import Node
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.errors import ConfigError
from yieldbot.model.settings import ChainSettings


def connect(chain: ChainSettings, timeout_seconds: float = 10.0) -> Quorum:
    """The cluster's nodes with its quorum. Raises ConfigError when no RPC address is set."""
    if not chain.rpc_urls:
        raise ConfigError(f"{chain.rpc_env} is not set: put the RPC URL of {chain.name} into .env")
    assert chain.svm is not None
    skew = chain.svm.max_slot_skew

    def nodes(urls: tuple[str, ...], name: str | None, kind: str = "") -> tuple[Node, ...]:
        return tuple(
            Node(
                chain.chain,
                url,
                max_slot_skew=skew,
                timeout_seconds=timeout_seconds,
                setting=f".env: {name}",
                name=f"{chain.name}{kind}-{number}",
            )
            for number, url in enumerate(urls, 1)
        )

    return Quorum(
        chain.chain,
        nodes(chain.rpc_urls, chain.rpc_env),
        chain.quorum,
        nodes(chain.submit_urls, chain.submit_rpc_env, "-private"),
        chain.submit_public,
        chain.submit_to_all,
    )
