"""Exchanges in ``yieldbot check``: their contracts are there, and each router and position manager of Uniswap's is of
the factory that stands beside it. What a wrong one is allowed, it can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.cli.findings import MISCONFIGURED, Finding
from yieldbot.errors import YieldbotError
from yieldbot.execution.calldata import addresses_in
from yieldbot.model.amounts import BlockRef
from yieldbot.model.market import Deployment
from yieldbot.model.policy import ChainSettings
from yieldbot.rpc.evm import EvmNode

FACTORY = bytes.fromhex("c45a0155")  # factory()
OF_FACTORY = {"uniswap_v2": ("router",), "uniswap_v3": ("router", "router02", "manager")}


async def exchanges(node: EvmNode, chain: ChainSettings, block: BlockRef) -> list[Finding]:
    """One line for each exchange."""
    return [await _exchange(node, chain, exchange, block) for exchange in chain.exchanges]


async def _exchange(node: EvmNode, chain: ChainSettings, exchange: Deployment, block: BlockRef) -> Finding:
    what, params = f"{chain.name} {exchange.name}", exchange.params
    named = {key: list(addresses_in(value)) for key, value in params.items()}
    for key, addresses in named.items():
        for address in addresses:
            if not await node.code(address, block):
                return _wrong(what, f"no contract at {address}", key, chain)
    for key in OF_FACTORY.get(exchange.protocol, ()):
        if params.get(key) and (said := await _factory(node, params, key, block)) is not None:
            return _wrong(what, said, key, chain)
    return Finding(what, ", ".join(key for key, addresses in named.items() if addresses))


async def _factory(node: EvmNode, params: Mapping[str, Any], key: str, block: BlockRef) -> str | None:
    """Why a contract is not of the table's factory; None where it is."""
    try:
        answer = await node.call(params[key], FACTORY, block)
    except YieldbotError:
        answer = b""
    if len(answer) != 32 or any(answer[:12]):
        return f"{params[key]} names no factory: it is no {key}"
    found = "0x" + answer[12:].hex()
    return None if found == str(params["factory"]).lower() else f"{params[key]} is of the factory {found}"


def _wrong(what: str, said: str, key: str, chain: ChainSettings) -> Finding:
    return Finding(what, said, f"correct {key} of its table in chains/{chain.name}.toml", MISCONFIGURED)
