"""A double of Ethena's sUSDe (contracts/doubles/StakedUSDeDouble.sol) over USDC without a cooldown, and another with
one of seven days and the real vesting of eight hours, which is in no table."""

from __future__ import annotations

from yieldbot.math.vesting import USUAL_SECONDS
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

STAKED, REWARDS = 1_000_000, 200_000
"""Whole USDC that are staked, and that are paid in."""
COOLDOWN = 7 * 86_400
YEARS_2 = 2 * 31_536_000
"""How long rewards vest in the one without a cooldown, so that they still do when something is measured there."""


async def deploy(site: Site) -> Deployed:
    """1,000,000 staked in each; 10 % a year vest in the first."""
    d, usdc = site.d, site.tokens.usdc

    async def staking(cooldown: int, vesting: int) -> Contract:
        made = await d.deploy(site.ours["StakedUSDeDouble"], usdc.address, USDC_ONE, vesting)
        await d.send(usdc, "approve", made.address, MAX_UINT256)
        await d.send(made, "deposit", STAKED * USDC_ONE, d.me)
        await d.send(made, "setCooldownDuration", cooldown)
        return made

    free, cooled = await staking(0, YEARS_2), await staking(COOLDOWN, USUAL_SECONDS)
    await d.send(free, "transferInRewards", REWARDS * USDC_ONE)
    row = {"protocol": "ethena", "name": "Ethena (double)", "staking": free.address, "lookback_blocks": 0}
    row |= {"vesting_seconds": YEARS_2}
    return Deployed(tables=[row], addresses={"susde": free.address, "susde_cooldown": cooled.address})


SANDBOX = SandboxProtocol(protocol="ethena", deploy=deploy, tolerance_bp={"ethena": 0.01})
