"""Exchanges in ``yieldbot check``: their contracts are there, and each router and position manager of Uniswap's and
Aerodrome's is of the factory (v4: the pool manager) that stands beside it. What a wrong one is allowed, it can take."""

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
"""By protocol: what contracts of its table are asked, the key of the one that they must answer, and their own keys."""


async def exchanges(node: Node, chain: ChainSettings, block: BlockRef) -> list[Finding]:
    """One line for each exchange."""
    return [await _exchange(node, chain, exchange, block) for exchange in chain.exchanges]


async def _exchange(node: Node, chain: ChainSettings, exchange: Deployment, block: BlockRef) -> Finding:
    what, params = f"{chain.name} {exchange.name}", exchange.params
    named = {key: list(addresses_in(value)) for key, value in params.items()}
    for key, addresses in named.items():
        for address in addresses:
            if not await node.code(address, block):
                return _wrong(what, f"no contract at {address}", key, chain)
    asked, owner, keys = OF_ONE.get(exchange.protocol, (b"", "", ()))
    for key in keys:
        if params.get(key) and (said := await _of_another(node, params, key, asked, owner, block)) is not None:
            return _wrong(what, said, key, chain)
    return Finding(what, ", ".join(key for key, addresses in named.items() if addresses))


async def _of_another(
    node: Node, params: Mapping[str, Any], key: str, asked: bytes, owner: str, block: BlockRef
) -> str | None:
    """Why a contract is not of the table's ``owner`` (its factory, its pool manager); None where it is."""
    name = owner.replace("_", " ")
    try:
        answer = await node.call(params[key], asked, block)
    except YieldbotError:
        answer = b""
    if len(answer) != 32 or any(answer[:12]):
        return f"{params[key]} names no {name}: it is no {key}"
    found = "0x" + answer[12:].hex()
    return None if found == str(params[owner]).lower() else f"{params[key]} is of the {name} {found}"


def _wrong(what: str, said: str, key: str, chain: ChainSettings) -> Finding:
    return Finding(what, said, f"correct {key} of its table in chains/{chain.name}.toml", MISCONFIGURED)
