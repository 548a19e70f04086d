"""A double of Spark's PSM3 (contracts/doubles/SavingsPsmDoubles.sol), in which the sandbox's DAI stands for USDS."""

from __future__ import annotations

from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.protocols.savings_rate import RAY, SSR_RAY
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

STOCK = 500_000
"""Whole tokens of each kind that it holds."""


async def deploy(site: Site) -> Deployed:
    """A PSM with half a million of each of its three tokens, its USDC in a pocket of its own."""
    d, ours, tokens = site.d, site.ours, site.tokens
    susds, oracle = await d.deploy(ours["RollupSUsdsDouble"]), await d.deploy(ours["SsrOracleDouble"])
    now = int((await d.node.request("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)
    await d.send(oracle, "setSUSDSData", (SSR_RAY, RAY * 105 // 100, now))
    psm = await d.deploy(ours["Psm3Double"], tokens.usdc.address, tokens.dai.address, susds.address, oracle.address)
    pocket = await d.deploy(ours["PocketDouble"])
    await d.send(pocket, "allow", tokens.usdc.address, psm.address, STOCK * USDC_ONE * 9 // 10)
    await d.send(psm, "setPocket", pocket.address)
    await d.send(tokens.usdc, "mint", pocket.address, STOCK * USDC_ONE)
    await d.send(tokens.dai, "mint", psm.address, STOCK * DAI_ONE)
    await d.send(susds, "mint", psm.address, STOCK * DAI_ONE)
    table = {"protocol": "spark_psm", "name": "Spark PSM (double)", "psm": psm.address}
    found = {"spark_psm": psm, "spark_psm_susds": susds, "spark_psm_pocket": pocket}
    return Deployed(tables=[table], addresses={name: one.address for name, one in found.items()})


SANDBOX = SandboxExchange(protocol="spark_psm", deploy=deploy)
