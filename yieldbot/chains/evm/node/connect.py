"""Makes a chain's node from its settings: the quorum of all its endpoints."""

from __future__ import annotations

from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.evm.node.submission import Submission
from yieldbot.errors import ConfigError
from yieldbot.model.settings import ChainSettings
from yieldbot.rpc.endpoint import Endpoint


def connect(chain: ChainSettings, timeout_seconds: float = 10.0) -> Quorum:
    """The chain's node: all its RPC endpoints with its quorum. Raises ConfigError when no RPC address is set."""
    if not chain.rpc_urls:
        raise ConfigError(f"{chain.rpc_env} is not set: put the RPC URL of {chain.name} into .env")

    def endpoints(urls: tuple[str, ...], name: str | None, kind: str = "") -> tuple[Endpoint, ...]:
        where = f".env: {name}"
        return tuple(
            Endpoint(url, timeout_seconds=timeout_seconds, setting=where, name=f"{chain.name}{kind}-{number}")
            for number, url in enumerate(urls, 1)
        )

    private = endpoints(chain.submit_urls, chain.submit_rpc_env, "-private")
    return Quorum(
        chain.chain,
        endpoints(chain.rpc_urls, chain.rpc_env),
        multicall3=chain.multicall3,
        quorum=chain.quorum,
        max_behind=chain.max_behind_blocks,
        submission=Submission(private, chain.submit_public, chain.submit_to_all),
    )
