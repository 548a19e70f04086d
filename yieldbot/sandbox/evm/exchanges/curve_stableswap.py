"""A double of a Curve pool (contracts/doubles/StableSwapDouble.sol) of USDC and DAI on the sandbox."""

from __future__ import annotations

from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

NG = 3
"""The double's number for pools of the newest flavour."""
AMPLIFICATION, FEE, OFFPEG = 200, 4 * 10**6, 2 * 10**10
"""Fee in 1e-10, and its multiplier far from the peg in 1e-10."""


async def deploy(site: Site) -> Deployed:
    """A pool with 1 M of each, fee 0.04 %."""
    d, tokens = site.d, site.tokens
    coins = [tokens.usdc.address, tokens.dai.address]
    pool = await d.deploy(site.ours["StableSwapDouble"], NG, coins, AMPLIFICATION, FEE, OFFPEG)
    for token, raw in ((tokens.usdc, 1_000_000 * USDC_ONE), (tokens.dai, 1_000_000 * DAI_ONE)):
        await d.send(token, "mint", pool.address, raw)
    await d.send(pool, "sync")
    table = {"protocol": "curve_stableswap", "name": "Curve (double)", "pools": [pool.address], "flavour": "ng"}
    return Deployed(tables=[table], addresses={"curve_pool": pool.address})


SANDBOX = SandboxExchange(protocol="curve_stableswap", deploy=deploy)
