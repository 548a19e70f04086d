"""``yieldbot check`` for exchanges: their contracts exist, and each router and position manager of Uniswap and
Aerodrome belongs to the factory in its table (v4: to the pool manager). A wrong contract could take whatever it has an
allowance for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import addresses_in
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.findings import MISCONFIGURED, Finding
from yieldbot.errors import YieldbotError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.settings import ChainSettings

FACTORY = bytes.fromhex("c45a0155")  # factory()
POOL_MANAGER = bytes.fromhex("dc4c90d3")  # poolManager()
DEFAULT_FACTORY = bytes.fromhex("d4b6846d")  # defaultFactory()
OF_ONE = {
    "uniswap_v2": (FACTORY, "factory", ("router",)),
    "uniswap_v3": (FACTORY, "factory", ("router", "router02", "manager")),
    "uniswap_v4": (POOL_MANAGER, "pool_manager", ("state_view", "router", "manager")),
    "aerodrome": (DEFAULT_FACTORY, "factory", ("router",)),
}
"""By protocol: (the getter that names a contract's factory, the factory's key in the table, the keys of the contracts
that must name it)."""


async def exchanges(node: Node, chain: ChainSettings, block: BlockRef) -> list[Finding]:
    """One finding for each exchange."""
    return [await _exchange(node, chain, exchange, block) for exchange in chain.exchanges]


async def _exchange(node: Node, chain: ChainSettings, exchange: Deployment, block: BlockRef) -> Finding:
    """Whether the exchange's contracts exist and belong together."""
    what, params = f"{chain.name} {exchange.name}", exchange.params
    named = {key: list(addresses_in(value)) for key, value in params.items()}
    for key, addresses in named.items():
        for address in addresses:
            if not await node.code(address, block):
                return _wrong(what, f"no contract at {address}", key, chain)
    getter, owner, keys = OF_ONE.get(exchange.protocol, (b"", "", ()))
    for key in keys:
        if params.get(key) and (fault := await _of_another(node, params, key, getter, owner, block)) is not None:
            return _wrong(what, fault, key, chain)
    return Finding(what, ", ".join(key for key, addresses in named.items() if addresses))


async def _of_another(
    node: Node, params: Mapping[str, Any], key: str, getter: bytes, owner: str, block: BlockRef
) -> str | None:
    """Why the contract does not belong to the table's ``owner`` (factory or pool manager); None if it does."""
    name = owner.replace("_", " ")
    try:
        answer = await node.call(params[key], getter, block)
    except YieldbotError:
        answer = b""
    if len(answer) != 32 or any(answer[:12]):
        return f"{params[key]} names no {name}: it is no {key}"
    found = "0x" + answer[12:].hex()
    return None if found == str(params[owner]).lower() else f"{params[key]} is of the {name} {found}"


def _wrong(what: str, fault: str, key: str, chain: ChainSettings) -> Finding:
    return Finding(what, fault, f"correct {key} of its table in chains/{chain.name}.toml", MISCONFIGURED)
