"""A double of Euler Earn (contracts/doubles/EulerEarnDouble.sol) over two doubles of credit vaults of its own."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.protocols.euler import LINEAR
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

SUPPLIED, BORROWED = 1_000_000, 1_300_000
CAPS = (1_200_000, 4_000_000)
FEE = WAD // 10


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC of ours through the vault and 1,000,000 supplied to each credit vault beside it; 1,300,000 are
    borrowed of each."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    model = await d.deploy(ours["LinearKinkDouble"], *LINEAR)
    earn = await d.deploy(ours["EulerEarnDouble"], usdc.address, "eeUSDC", 6, d.accounts[2])
    inside: list[Contract] = []
    for symbol, cap in zip(("eUSDC-8", "eUSDC-9"), CAPS, strict=True):
        made = await d.deploy(ours["EulerVaultDouble"], usdc.address, symbol, 6, model.address)
        await d.send(usdc, "approve", made.address, MAX_UINT256)
        await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
        await d.send(earn, "setCap", made.address, cap * USDC_ONE)
        inside.append(made)
    await d.send(usdc, "approve", earn.address, MAX_UINT256)
    for first in inside:  # the second stays first in the queue
        await d.send(earn, "setSupplyQueue", [first.address, *(one.address for one in inside if one is not first)])
        await d.send(earn, "deposit", SUPPLIED * USDC_ONE, d.me)
    for made in inside:
        await d.send(made, "borrow", BORROWED * USDC_ONE, d.accounts[1], sender=d.accounts[1])
    await d.send(earn, "setFee", FEE)
    return Deployed(
        tables=[{"protocol": "euler_earn", "name": "Euler Earn (double)", "vaults": [earn.address]}],
        addresses={"euler_earn": earn.address}
        | {f"euler_earn_{place}": made.address for place, made in enumerate(inside)},
    )


SANDBOX = SandboxProtocol(protocol="euler_earn", deploy=deploy, tolerance_bp={"euler_earn": 0.1})
