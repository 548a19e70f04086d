"""``yieldbot check`` for exchanges: their contracts exist and belong together (``check_tables.py``)."""

from __future__ import annotations

from yieldbot.chains.evm.check_tables import fault_of, missing
from yieldbot.chains.evm.execution.abi_calls import addresses_in
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.findings import MISCONFIGURED, Finding, Steps
from yieldbot.model.amounts import BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.settings import ChainSettings


async def exchanges(steps: Steps, node: Node, chain: ChainSettings, block: BlockRef) -> None:
    """One finding for each exchange."""
    for exchange in chain.exchanges:
        await steps.take(f"{chain.name} {exchange.name}", _exchange(node, chain, exchange, block))


async def _exchange(node: Node, chain: ChainSettings, exchange: Deployment, block: BlockRef) -> Finding:
    what = f"{chain.name} {exchange.name}"
    if (gone := await missing(node, exchange.params, block)) is not None:
        return Finding(what, f"no contract at {gone[0]}", _correct(gone[1], chain), MISCONFIGURED)
    if (fault := await fault_of(node, exchange, block)) is not None:
        return Finding(what, fault[0], _correct(fault[1], chain), MISCONFIGURED)
    return Finding(what, ", ".join(key for key, value in exchange.params.items() if any(addresses_in(value))))


def _correct(key: str, chain: ChainSettings) -> str:
    return f"correct {key} of its table in chains/{chain.name}.toml"
