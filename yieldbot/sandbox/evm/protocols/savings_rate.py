"""Doubles of savings tokens with a stated rate (SavingsRateDoubles.sol and SavingsPsmDoubles.sol of contracts/doubles):
Spark's spUSDC, sUSDC on Ethereum over Sky's PSM and sUSDS, sUSDC as on a rollup, and sDAI."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

RAY = 10**27
SSR_RAY = RAY + 1_547_125_957_863_212_448
"""5 % a year (growth in a second, scaled by 1e27)."""
VSR_RAY, MOST_VSR_RAY = RAY + 1_243_680_656_318_820_312, RAY + 3_022_265_980_097_387_650
"""4 % a year, and a bound of 10 %."""
SUPPLIED, KEPT, CAP = 1_000_000, 600_000, 3_000_000
"""Whole USDC in each vault; what Spark's layer leaves in spUSDC; spUSDC's cap."""
STOCK = 2_000_000
"""Whole DAI and sUSDS that the PSMs can give."""
POCKET = 1_500_000
"""Whole USDC in each PSM's pocket before anything is deposited."""


async def deploy(site: Site) -> Deployed:
    """1,000,000 in each vault, at rates of 4 and 5 % a year."""
    d, ours, tokens = site.d, site.ours, site.tokens
    usds = await d.deploy(ours["TestToken"], "USDS Stablecoin", "USDS", 18)
    susds = await d.deploy(ours["SUsdsDouble"], usds.address)
    await d.send(susds, "set", SSR_RAY)
    spark = await d.deploy(ours["SparkVaultDouble"], tokens.usdc.address, "spUSDC")
    await d.send(spark, "setDepositCap", CAP * USDC_ONE)
    await d.send(spark, "setVsrBounds", RAY, MOST_VSR_RAY)
    await d.send(spark, "setVsr", VSR_RAY)
    pot = await d.deploy(ours["PotDouble"])
    sdai = await d.deploy(ours["SDaiDouble"], tokens.dai.address, pot.address)
    await d.send(pot, "set", VSR_RAY)
    ethereum = await _ethereum(site, usds, susds)
    rollup = await _rollup(site, usds)
    for vault, token, one in (
        (susds, usds, DAI_ONE),
        (spark, tokens.usdc, USDC_ONE),
        (sdai, tokens.dai, DAI_ONE),
        (ethereum["susdc"], tokens.usdc, USDC_ONE),
        (rollup["susdc_l2"], tokens.usdc, USDC_ONE),
    ):
        await d.send(token, "mint", d.me, SUPPLIED * one)
        await d.send(token, "approve", vault.address, MAX_UINT256)
        await d.send(vault, "deposit", SUPPLIED * one, d.me)
    await d.send(spark, "take", (SUPPLIED - KEPT) * USDC_ONE)
    found = {"usds": usds, "susds": susds, "spusdc": spark, "sdai": sdai, "pot": pot, **ethereum, **rollup}
    row = {"protocol": "savings_rate"}
    return Deployed(
        tables=[
            row | {"name": "Spark Savings (double)", "flavour": "spark", "vaults": [spark.address]},
            row
            | {"name": "sUSDC (double)", "flavour": "susdc", "vaults": [found["susdc"].address]}
            | {"psm": found["lite_psm"].address},
            row
            | {"name": "sUSDC rollup (double)", "flavour": "susdc_l2", "vaults": [found["susdc_l2"].address]}
            | {"psm": found["psm3"].address},
            row | {"name": "sDAI (double)", "flavour": "sdai", "vaults": [sdai.address], "assets": ["DAI"]},
        ],
        addresses={name: one.address for name, one in found.items()},
    )


async def _ethereum(site: Site, usds: Contract, susds: Contract) -> dict[str, Contract]:
    """The LitePSM with its pocket and wrapper, and sUSDC over both."""
    d, ours, tokens = site.d, site.ours, site.tokens
    pocket = await d.deploy(ours["PocketDouble"])
    psm = await d.deploy(ours["LitePsmDouble"], tokens.usdc.address, tokens.dai.address, pocket.address)
    await d.send(pocket, "allow", tokens.usdc.address, psm.address, MAX_UINT256)
    await d.send(tokens.dai, "mint", psm.address, (STOCK + SUPPLIED) * DAI_ONE)
    await d.send(tokens.usdc, "mint", pocket.address, POCKET * USDC_ONE)
    wrapper = await d.deploy(ours["PsmWrapperDouble"], psm.address, usds.address)
    vault = await d.deploy(ours["UsdcVaultDouble"], wrapper.address, susds.address)
    return {"lite_psm": psm, "lite_psm_pocket": pocket, "psm_wrapper": wrapper, "susdc": vault}


async def _rollup(site: Site, usds: Contract) -> dict[str, Contract]:
    """An oracle that has Ethereum's rate, PSM3 with sUSDS to give, and sUSDC over it."""
    d, ours, tokens = site.d, site.ours, site.tokens
    susds = await d.deploy(ours["RollupSUsdsDouble"])
    oracle = await d.deploy(ours["SsrOracleDouble"])
    now = int((await d.node.request("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)
    await d.send(oracle, "setSUSDSData", (SSR_RAY, RAY * 105 // 100, now))
    psm = await d.deploy(ours["Psm3Double"], tokens.usdc.address, usds.address, susds.address, oracle.address)
    await d.send(susds, "mint", psm.address, (STOCK + SUPPLIED) * DAI_ONE)
    await d.send(tokens.usdc, "mint", psm.address, POCKET * USDC_ONE)
    vault = await d.deploy(ours["UsdcVaultL2Double"], psm.address)
    return {"psm3": psm, "ssr_oracle": oracle, "rollup_susds": susds, "susdc_l2": vault}


SANDBOX = SandboxProtocol(
    protocol="savings_rate", deploy=deploy, tolerance_bp={"spark": 0.01, "susdc": 0.01, "susdc_l2": 0.01}
)
