"""A double of Compound v3's Comet (contracts/CometDouble.sol)."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE


async def deploy(site: Site) -> Deployed:
    """One Comet at 95 % utilisation, above its kink of 90 %."""
    d, usdc = site.d, site.tokens.usdc
    supply_curve = [9 * WAD // 10, 0, 36 * WAD // 1000, 3 * WAD // 10]
    borrow_curve = [9 * WAD // 10, 15 * WAD // 1000, 35 * WAD // 1000, 4 * WAD // 10]
    comet = await d.deploy(site.ours["CometDouble"], usdc.address, supply_curve, borrow_curve)
    await d.send(usdc, "approve", comet.address, MAX_UINT256)
    await d.send(comet, "supply", usdc.address, 2_000_000 * USDC_ONE)
    await d.send(comet, "withdraw", usdc.address, 1_900_000 * USDC_ONE, sender=d.accounts[1])
    table = {"protocol": "compound_v3", "name": "Compound v3 (double)", "comet": comet.address}
    return Deployed(tables=[table], addresses={"comet": comet.address})


SANDBOX = SandboxProtocol(protocol="compound_v3", deploy=deploy, tolerance_bp={"compound_v3": 0.01})
