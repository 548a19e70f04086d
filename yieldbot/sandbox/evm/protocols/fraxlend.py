"""A double of a Fraxlend pair (contracts/doubles/FraxlendPairDouble.sol) with a deposit limit."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

RATES = (85_000, 2 * 10**17, 75_000, 85_000, 158_247_046, 1_582_470_460, 3_164_940_920_000, 345_600)
"""Kink at 85 %, where a fifth of the range is reached; the top stays between 75 and 85 % utilisation; 0.5 % a year at
utilisation 0, 5 to 10,000 % at 1; a half-life of four days."""
FULL_RATE = 4_756_468_798
"""15 % a year at utilisation 1, at the start."""
LIMIT, SUPPLIED, BORROWED, FEE = 20_000_000, 1_000_000, 800_000, 10_000


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied and 800,000 borrowed; 10 % of the interest is the protocol's."""
    d, ours, tokens = site.d, site.ours, site.tokens
    rates = await d.deploy(ours["FraxlendRateDouble"], *RATES)
    where = (tokens.usdc.address, "fUSDC(WETH)", 6, rates.address, FULL_RATE, tokens.weth.address)
    made = await d.deploy(ours["FraxlendPairDouble"], *where)
    await d.send(tokens.usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
    await d.send(made, "borrow", BORROWED * USDC_ONE, sender=d.accounts[1])
    await d.send(made, "setFee", FEE)
    await d.send(made, "setDepositLimit", LIMIT * USDC_ONE)
    return Deployed(
        tables=[{"protocol": "fraxlend", "name": "Fraxlend (double)", "pairs": [made.address]}],
        addresses={"fraxlend_usdc": made.address, "fraxlend_rates": rates.address},
    )


SANDBOX = SandboxProtocol(protocol="fraxlend", deploy=deploy, tolerance_bp={"fraxlend": 0.1})
