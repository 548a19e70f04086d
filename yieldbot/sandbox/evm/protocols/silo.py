"""A double of a silo (contracts/doubles/SiloDouble.sol) with protected deposits beside the borrowable ones."""

from __future__ import annotations

from math import isqrt

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

RI = 1_585_489_599
"""The integrator at the start: 5 % a year."""
TERMS = (
    *(800_000_000_000_000_000, 900_000_000_000_000_000, 500_000_000_000_000_000),
    *(18_350, 15_854_895_992, 31_709_791_984, 1_585_489_599, 277_777_777_778, RI, 0),
)
"""The integrator stands still at 80 %, a surcharge above 90 %, less below 50 %. Both gains are a tenth of those of
Silo's stable pairs or less, whose rates multiply within the weeks in which nobody repays here."""
SUPPLIED, BORROWED, PROTECTED = 1_000_000, 800_000, 50_000
DAO_FEE, DEPLOYER_FEE = 10**17, 5 * 10**16
BITS = 1024


def roots() -> tuple[int, ...]:
    """2^(1/2), 2^(1/4), ... to 2^(1/2^64), in 2^128, rounded: factors of the model's exponential."""
    found, value = list[int](), 2 << BITS
    for _ in range(64):
        value = isqrt(value << BITS)
        found.append((value + (1 << (BITS - 129))) >> (BITS - 128))
    return tuple(found)


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied, 800,000 borrowed and 50,000 protected; 15 % of the interest are fees."""
    d, ours, tokens = site.d, site.ours, site.tokens
    rates = await d.deploy(ours["SiloRateDouble"], TERMS, roots())
    where = (tokens.usdc.address, tokens.weth.address, "bUSDC-1", 6, rates.address, DAO_FEE, DEPLOYER_FEE)
    made = await d.deploy(ours["SiloDouble"], *where)
    await d.send(tokens.usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
    await d.send(made, "protect", PROTECTED * USDC_ONE)
    await d.send(made, "borrow", BORROWED * USDC_ONE, d.accounts[1], sender=d.accounts[1])
    return Deployed(
        tables=[{"protocol": "silo", "name": "Silo (double)", "silos": [made.address]}],
        addresses={"silo_usdc": made.address, "silo_rates": rates.address},
    )


SANDBOX = SandboxProtocol(protocol="silo", deploy=deploy, tolerance_bp={"silo": 0.1})
