"""Doubles of Euler v2's credit vaults (contracts/doubles/EulerVaultDouble.sol): one with a linear rate model, one with
an adaptive model and a cap, one that takes no deposits."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

KINK = 3_865_470_566
"""90 % in parts of 2**32 - 1."""
LINEAR = (0, 468_000_000, 13_000_000_000, KINK)
"""Base, slopes a second in 1e27 for each of 2**32 - 1 parts of utilisation, and kink: 5.7 % a year at the kink."""
YEAR = 31_556_952
ADAPTIVE = (9 * WAD // 10, 4 * WAD // 100 // YEAR, WAD // 1000 // YEAR, 2 * WAD // YEAR, 4 * WAD, 50 * WAD // YEAR)
"""Morpho's parameters, as evk-periphery's deployments have them."""
CAP = 120 << 6 | 6 + 6
"""1,200,000 USDC: mantissa 120 (in hundredths) and exponent."""
SUPPLIED, BORROWED = 1_000_000, 800_000
OP_DEPOSIT = 1


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied to each and 800,000 borrowed."""
    d, ours, tokens = site.d, site.ours, site.tokens
    linear = await d.deploy(ours["LinearKinkDouble"], *LINEAR)
    adaptive = await d.deploy(ours["AdaptiveCurveDouble"], *ADAPTIVE)

    async def vault(symbol: str, model: Contract) -> Contract:
        made = await d.deploy(ours["EulerVaultDouble"], tokens.usdc.address, symbol, 6, model.address)
        await d.send(tokens.usdc, "approve", made.address, MAX_UINT256)
        await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
        await d.send(made, "borrow", BORROWED * USDC_ONE, d.accounts[1], sender=d.accounts[1])
        return made

    prime, yielding, closed = (
        await vault("eUSDC-1", linear),
        await vault("eUSDC-2", adaptive),
        await vault("eUSDC-3", linear),
    )
    await d.send(yielding, "setCap", CAP)
    await d.send(closed, "setHooked", OP_DEPOSIT)
    vaults = [one.address for one in (prime, yielding, closed)]
    return Deployed(
        tables=[{"protocol": "euler", "name": "Euler (double)", "vaults": vaults}],
        addresses={"euler_prime": prime.address, "euler_yield": yielding.address, "euler_closed": closed.address}
        | {"euler_linear": linear.address, "euler_adaptive": adaptive.address},
    )


SANDBOX = SandboxProtocol(protocol="euler", deploy=deploy, tolerance_bp={"euler": 0.01})
