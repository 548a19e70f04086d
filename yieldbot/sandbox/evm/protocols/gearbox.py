"""A double of a pool of Gearbox v3 (contracts/doubles/GearboxPoolDouble.sol), with quota revenue."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

RATES = (7_000, 9_000, 0, 400, 300, 5_000)
"""Basis points: utilisation at both kinks, the base rate, and what each part of the line adds: 7 % at 90 %."""
SUPPLIED, BORROWED, QUOTAS = 1_000_000, 800_000, 12_000


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied, 800,000 borrowed, and 12,000 a year paid for quotas."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    model = await d.deploy(ours["GearboxRateDouble"], *RATES)
    made = await d.deploy(ours["GearboxPoolDouble"], usdc.address, "dUSDCV3", 6, model.address, d.accounts[3])
    await d.send(usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
    await d.send(made, "borrow", BORROWED * USDC_ONE, sender=d.accounts[1])
    await d.send(made, "setQuotaRevenue", QUOTAS * USDC_ONE)
    return Deployed(
        tables=[{"protocol": "gearbox", "name": "Gearbox (double)", "pools": [made.address]}],
        addresses={"gearbox_usdc": made.address, "gearbox_model": model.address},
    )


SANDBOX = SandboxProtocol(protocol="gearbox", deploy=deploy, tolerance_bp={"gearbox": 0.01})
