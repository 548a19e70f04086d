"""Doubles of Fluid's Liquidity layer and of an fToken on it (contracts/doubles/FluidDouble.sol)."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

FEE_BPS, THRESHOLD_BPS = 1_000, 0
"""The layer's part of the interest; the threshold is 0, so that each use writes the rate."""
RATES = 2 | 0 << 4 | 8_500 << 20 | 600 << 36 | 9_300 << 52 | 900 << 68 | 4_000 << 84
"""Two kinks: 6 % at 85 %, 9 % at 93 %, 40 % at 100 %."""
EXPAND_BPS, EXPAND_SECONDS, BASE = 3_500, 21_600, 2_000_000
"""35 % of all deposits may leave in six hours; below 2,000,000 USDC all may."""
SUPPLIED, BORROWED = 1_000_000, 800_000


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied and 800,000 borrowed; rewards are not started."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    layer = await d.deploy(ours["FluidLiquidityDouble"])
    await d.send(layer, "setRates", usdc.address, RATES)
    await d.send(layer, "setToken", usdc.address, FEE_BPS, THRESHOLD_BPS)
    made = await d.deploy(ours["FluidTokenDouble"], layer.address, usdc.address, "fUSDC", 6)
    rewards = await d.deploy(ours["FluidRewardsDouble"])
    await d.send(made, "setRewards", rewards.address)
    await d.send(layer, "setSupplyConfig", made.address, usdc.address, EXPAND_BPS, EXPAND_SECONDS, BASE * USDC_ONE)
    await d.send(usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
    await d.send(layer, "lend", usdc.address, BORROWED * USDC_ONE, sender=d.accounts[1])
    return Deployed(
        tables=[{"protocol": "fluid", "name": "Fluid (double)", "f_tokens": [made.address]}],
        addresses={"fluid_layer": layer.address, "fluid_usdc": made.address, "fluid_rewards": rewards.address},
    )


SANDBOX = SandboxProtocol(protocol="fluid", deploy=deploy, tolerance_bp={"fluid": 0.01})
