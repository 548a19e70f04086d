"""``yieldbot check`` for registries: their contracts exist and answer as their kind does."""

from __future__ import annotations

from yieldbot.chains.evm.check_tables import missing
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.findings import MISCONFIGURED, Finding, Steps
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.discovery import Registry
from yieldbot.model.settings import ChainSettings
from yieldbot.model.text import counted
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.registries import registries

NO_MARKET, NO_ID = checksum("0x" + "51" * 20), "0x" + "51" * 32
"""An address and an id that no registry knows."""


async def check_registries(steps: Steps, node: Node, chain: ChainSettings, block: BlockRef) -> None:
    """One finding for each registry."""
    for one in chain.registries:
        await steps.take(f"{chain.name} registry {one.name}", _registry(node, chain, one, block))


async def _registry(node: Node, chain: ChainSettings, registry: Registry, block: BlockRef) -> Finding:
    what = f"{chain.name} registry {registry.name}"
    file = f"chains/{chain.name}.toml"
    if (gone := await missing(node, registry.params, block)) is not None:
        return Finding(what, f"no contract at {gone[0]}", f"correct {gone[1]} of its table in {file}", MISCONFIGURED)
    reader = registries()[registry.kind]
    remedy = f"correct {reader.address_key} or kind of its table in {file}"
    if reader.topics:
        key = NO_ID if registry.kind == "morpho_blue" else NO_MARKET
        (answer,) = await node.run([reader.confirm(registry, key)], block)
        if isinstance(answer, MarketError) or not answer.denied:
            return Finding(what, f"{registry.address} does not answer as {registry.kind} does", remedy, MISCONFIGURED)
        if registry.from_block is not None and registry.from_block > block.height:
            return Finding(what, f"from_block is beyond block {block.height:,}", f"correct it in {file}", MISCONFIGURED)
        return Finding(what, f"{registry.address}, its events are read from block {registry.from_block:,}")
    (listed,) = await node.run([reader.listing(registry)], block)
    if isinstance(listed, MarketError):
        return Finding(what, f"{registry.address} does not answer as {registry.kind} does", remedy, MISCONFIGURED)
    return Finding(what, f"{registry.address} lists {counted(len(listed), 'market')}")
