"""A double of a Yearn v3 vault (contracts/doubles/YearnV3Double.sol) with two strategies, whose first profit is
unlocking."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

UNLOCK_SECONDS = 60 * 86_400
LIMIT = 3_000_000
RATES = (8, 4)
"""What the strategies earn on what they have lent, in percent a year."""


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC: 200,000 idle, 500,000 and 300,000 with the strategies, which keep a tenth as cash; a profit of
    ten days is unlocking."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    vault = await d.deploy(ours["YearnV3Double"], usdc.address, 6, "yvUSDC", UNLOCK_SECONDS)
    await d.send(vault, "set_deposit_limit", LIMIT * USDC_ONE)
    await d.send(usdc, "approve", vault.address, MAX_UINT256)
    await d.send(vault, "deposit", 1_000_000 * USDC_ONE, d.me)
    strategies = [await d.deploy(ours["StrategyDouble"], usdc.address, WAD * rate // 100) for rate in RATES]
    for one, debt in zip(strategies, (500_000, 300_000), strict=True):
        await d.send(vault, "add_strategy", one.address)
        await d.send(vault, "update_debt", one.address, debt * USDC_ONE)
        await d.send(one, "lend", debt * USDC_ONE * 9 // 10, sender=d.accounts[1])
    await d.warp(10 * 86_400)
    for one in strategies:
        await d.send(vault, "process_report", one.address)
    table = {"protocol": "yearn_v3", "name": "Yearn v3 (double)", "vaults": [vault.address], "lookback_blocks": 40}
    names = {"yearn_vault": vault, "yearn_first": strategies[0], "yearn_second": strategies[1]}
    return Deployed(tables=[table], addresses={name: one.address for name, one in names.items()})


SANDBOX = SandboxProtocol(protocol="yearn_v3", deploy=deploy, tolerance_bp={"yearn_v3": 0.01})
