"""A vault on the sandbox from which nothing can be withdrawn."""

from __future__ import annotations

from yieldbot.chains.evm.node.client import Node
from yieldbot.config.load import load
from yieldbot.model.ids import MarketId
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.traps import deploy_trap, trap_table

USDC = 10**6
MILLION = 1_000_000 * USDC
YEAR = 31_536_000


async def trap(
    sandbox: Sandbox, *, always: bool = False, keeps_bps: int = 0, a_year: int = 90_000, locked_raw: int | None = None
) -> MarketId:
    """Deploys a vault with a higher yield than the sandbox's others, from which nothing can be withdrawn, and adds it
    to the chain's file. locked_raw: base units that the vault has lent out; if given, its cash cannot be read."""
    settings = load(sandbox.directory / "yieldbot.toml")
    job = settings.jobs[0]
    async with Node(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
        args: tuple[object, ...] = (a_year * USDC // YEAR, always, keeps_bps)
        name = "ForkAwareVault"
        if locked_raw is not None:
            name, args = "InvestedVault", (a_year * USDC // YEAR, locked_raw)
        d, vault = await deploy_trap(node, name, job.asset.address, *args, deposited_raw=MILLION, history=False)
        await d.send(vault, "fund", 10 * a_year * USDC)
        await node.request("anvil_mine", [hex(48), hex(3600)])
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text(file.read_text() + trap_table(vault.address))
    return MarketId(f"erc4626/31337/{vault.address.lower()}")
