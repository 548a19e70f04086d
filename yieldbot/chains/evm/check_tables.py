"""``yieldbot check`` for [[protocols]] and [[exchanges]] tables: the contracts that a table names together belong
together, by their own answers. A wrong contract could take whatever it has an allowance for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import addresses_in
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import YieldbotError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address

FACTORY = bytes.fromhex("c45a0155")  # factory()
POOL_MANAGER = bytes.fromhex("dc4c90d3")  # poolManager()
DEFAULT_FACTORY = bytes.fromhex("d4b6846d")  # defaultFactory()
MORPHO = bytes.fromhex("3acb5624")  # MORPHO()
POOL = bytes.fromhex("7535d246")  # POOL()
PSM = bytes.fromhex("04bda262")  # psm()
COMPTROLLER = bytes.fromhex("5fe3b567")  # comptroller()
ADDRESSES_PROVIDER = bytes.fromhex("0542975c")  # ADDRESSES_PROVIDER()
GET_POOL = bytes.fromhex("026b1d5f")  # getPool()
GET_PRICE_ORACLE = bytes.fromhex("fca513a8")  # getPriceOracle()
GET_VAULT = bytes.fromhex("8d928af8")  # getVault()
OF_PSM3 = tuple(map(bytes.fromhex, ("3e413bee", "4cf282fb", "58b8f19c")))  # usdc(), usds(), susds()

OF_ONE = {
    "uniswap_v2": ((FACTORY, "factory", ("router",)),),
    "uniswap_v3": ((FACTORY, "factory", ("router", "router02", "manager")),),
    "slipstream": ((FACTORY, "factory", ("router",)),),
    "uniswap_v4": ((POOL_MANAGER, "pool_manager", ("state_view", "router", "manager")),),
    "balancer_v3": ((GET_VAULT, "vault", ("router", "pools")),),
    "balancer_boosted": ((GET_VAULT, "vault", ("pools",)),),  # the BatchRouter of 2024 names no Vault
    "aerodrome": ((DEFAULT_FACTORY, "factory", ("router",)),),
    "morpho_blue": ((MORPHO, "morpho", ("irm",)),),
    "erc4626": ((MORPHO, "morpho", ("irm", "vaults")), (POOL, "pool", ("vaults",))),
    "compound_v2": ((COMPTROLLER, "comptroller", ("markets",)),),
}
"""By protocol, rules of (the getter by which a contract names the one that it belongs to, that one's key in the table,
the keys of the contracts that must name it); a table without the second key has no such rule."""


async def fault_of(node: Node, table: Deployment, block: BlockRef) -> tuple[str, str] | None:
    """(what is wrong, the key to correct) of the table's contracts; None: they belong together."""
    params = table.params
    for getter, owner, keys in OF_ONE.get(table.protocol, ()):
        for key in keys if params.get(owner) else ():
            for contract in addresses_in(params.get(key)):
                if (fault := await _of_another(node, contract, key, getter, (owner, params[owner]), block)) is not None:
                    return fault, key
    if table.protocol == "savings_rate" and params.get("psm"):
        return await _savings(node, params, block)
    if table.protocol == "spark_psm":
        return await _psm3(node, table, block)
    return await _aave(node, params, block) if table.protocol == "aave_v3" else None


async def _savings(node: Node, params: Mapping[str, Any], block: BlockRef) -> tuple[str, str] | None:
    """A vault of sUSDC names its PSM, or on Ethereum a wrapper that names it."""
    for vault in addresses_in(params["vaults"]):
        found = await _named(node, vault, PSM, block)
        if found is not None and found != str(params["psm"]).lower():
            found = await _named(node, found, PSM, block)
        if found != str(params["psm"]).lower():
            return f"{vault} is of the PSM {found or '(none)'}", "psm"
    return None


async def _psm3(node: Node, table: Deployment, block: BlockRef) -> tuple[str, str] | None:
    """A PSM3 names its three tokens, of which at least two are the chain's."""
    psm, ours = table.params["psm"], {token.address.lower() for token in table.assets}
    named = [await _named(node, psm, getter, block) for getter in OF_PSM3]
    if None in named:
        return f"{psm} names no USDC, USDS and sUSDS: it is no PSM3", "psm"
    if len(ours & {str(token) for token in named}) < 2:
        return f"{psm} exchanges {', '.join(map(str, named))}, of which the file's tokens are not two", "psm"
    return None


async def missing(node: Node, params: Mapping[str, Any], block: BlockRef) -> tuple[str, str] | None:
    """(the first address without a contract, its key); None: each has one."""
    for key, value in params.items():
        for address in addresses_in(value):
            if not await node.code(address, block):
                return address, key
    return None


async def _aave(node: Node, params: Mapping[str, Any], block: BlockRef) -> tuple[str, str] | None:
    """Pool, data provider and oracle must be those of one PoolAddressesProvider (Aave's, and its forks')."""
    provider = await _named(node, params["pool"], ADDRESSES_PROVIDER, block)
    if provider is None:
        return f"{params['pool']} names no addresses provider: it is no pool of Aave's code", "pool"
    if (found := await _named(node, params["data_provider"], ADDRESSES_PROVIDER, block)) != provider:
        return f"{params['data_provider']} is of the addresses provider {found or '(none)'}", "data_provider"
    for getter, key in ((GET_POOL, "pool"), (GET_PRICE_ORACLE, "oracle")):
        named = await _named(node, provider, getter, block)
        if params.get(key) and (named or "").lower() != str(params[key]).lower():
            return f"the addresses provider names {named or 'none'} in place of {params[key]}", key
    return None


async def _of_another(
    node: Node, contract: Address, key: str, getter: bytes, owner: tuple[str, Any], block: BlockRef
) -> str | None:
    """Why the contract does not belong to the table's ``owner`` (its key and address); None if it does."""
    name = owner[0].replace("_", " ")
    found = await _named(node, contract, getter, block)
    if found is None:
        return f"{contract} names no {name}: it is no {key.removesuffix('s')}"
    return None if found == str(owner[1]).lower() else f"{contract} is of the {name} {found}"


async def _named(node: Node, contract: Any, getter: bytes, block: BlockRef) -> Address | None:
    """The address, in lower case, with which a contract answers a getter; None if it answers no address."""
    try:
        answer = await node.call(contract, getter, block)
    except YieldbotError:
        return None
    sound = len(answer) == 32 and not any(answer[:12]) and any(answer)
    return Address("0x" + answer[12:].hex()) if sound else None
