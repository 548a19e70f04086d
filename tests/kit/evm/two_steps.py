"""Money in a vault with a two-step exit."""

from __future__ import annotations

from typing import Any

from tests.kit.contracts import mined
from yieldbot.chains.evm.node.client import Node
from yieldbot.config.load import load
from yieldbot.model.ids import MarketId
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.traps import deploy_trap, trap_table

USDC = 10**6
MILLION = 1_000_000 * USDC
HELD_RAW = 10_000 * USDC
DAY = 86_400


def word(value: int | str) -> str:
    return f"{int(value, 16) if isinstance(value, str) else value:064x}"


async def held_in(sandbox: Sandbox, name: str, *args: Any, entered: bool = True) -> tuple[MarketId, str, str]:
    """Deploys a vault of contracts/traps, adds it to the chain's file and deposits 10,000 from the sandbox's wallet
    (entered). Returns (its market's id, its address, its deployer's address)."""
    job = load(sandbox.directory / "yieldbot.toml").jobs[0]
    async with Node(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
        there_raw = MILLION if entered else 0
        d, vault = await deploy_trap(node, name, job.asset.address, *args, deposited_raw=there_raw, history=False)
    sandbox.rpc("anvil_impersonateAccount", sandbox.wallet)
    calls = (
        (job.asset.address, "0x095ea7b3" + word(vault.address) + word(HELD_RAW)),
        (vault.address, "0x6e553f65" + word(HELD_RAW) + word(sandbox.wallet)),
    )
    for to, data in calls if entered else ():
        mined(sandbox, {"from": sandbox.wallet, "to": to, "data": data, "gas": hex(500_000)})
    sandbox.rpc("anvil_stopImpersonatingAccount", sandbox.wallet)
    sandbox.rpc("anvil_mine", hex(48), hex(3600))
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text(file.read_text() + trap_table(vault.address))
    return MarketId(f"erc4626/31337/{vault.address.lower()}"), vault.address, d.me
