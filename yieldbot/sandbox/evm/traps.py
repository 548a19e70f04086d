"""Vaults that misbehave as real ones have done (contracts/traps), deployed one at a time on a running sandbox."""

from __future__ import annotations

from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import compiled, own
from yieldbot.sandbox.evm.deployer import Contract, Deployer

WARP_BLOCKS, WARP_SECONDS = 48, 3600


async def deploy_trap(
    node: Node, name: str, asset: str | None, *args: Any, deposited_raw: int = 0, history: bool = True
) -> tuple[Deployer, Contract]:
    """A vault of contracts/traps or contracts/doubles over ``asset`` (None: the contract takes none), and its deployer.
    args: further constructor arguments. deposited_raw: base units that the deployer deposits. history: mine 48 blocks
    an hour apart, so that a trailing rate can be read."""
    accounts = await node.request("eth_accounts", [])
    d = Deployer(node, [checksum(account) for account in accounts])
    artifact = compiled(units=("traps",))["traps"].get(name) or own()[name]
    vault = await d.deploy(artifact, *([asset] if asset else []), *args)
    if deposited_raw and asset:
        token = Contract(asset, own()["TestToken"].abi)
        await d.send(token, "approve", vault.address, MAX_UINT256)
        await d.send(vault, "deposit(uint256,address)", deposited_raw, d.me)
    if history:
        await node.request("anvil_mine", [hex(WARP_BLOCKS), hex(WARP_SECONDS)])
    return d, vault


def trap_table(address: str, name: str = "Trap", lookback_blocks: int = 40, asset: str = "USDC") -> str:
    """The vault's [[protocols]] table for chains/*.toml."""
    return (
        f'\n[[protocols]]\nprotocol = "erc4626"\nname = "{name}"\nflavour = "generic"\nvaults = ["{address}"]\n'
        f'lookback_blocks = {lookback_blocks}\nassets = ["{asset}"]\n'
    )
