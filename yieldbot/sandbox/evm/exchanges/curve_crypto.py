"""A double of a Curve crypto pool (contracts/doubles/CryptoSwapDouble.sol) of USDC and DAI on the sandbox."""

from __future__ import annotations

from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

HELD = 500_000
TERMS = (400_000, 145 * 10**12, 26 * 10**6, 45 * 10**6, 23 * 10**13, 10**18)
"""A, gamma, the fee in balance and far from it (0.26 % and 0.45 %, in 1e-10), fee_gamma, price scale."""


async def deploy(site: Site) -> Deployed:
    """A pool with 500,000 of each."""
    d, tokens = site.d, site.tokens
    pool = await d.deploy(site.ours["CryptoSwapDouble"], [tokens.usdc.address, tokens.dai.address], TERMS)
    for token, raw in ((tokens.usdc, HELD * USDC_ONE), (tokens.dai, HELD * DAI_ONE)):
        await d.send(token, "mint", pool.address, raw)
    await d.send(pool, "sync")
    table = {"protocol": "curve_crypto", "name": "Curve crypto (double)", "pools": [pool.address]}
    return Deployed(tables=[table], addresses={"crypto_pool": pool.address})


SANDBOX = SandboxExchange(protocol="curve_crypto", deploy=deploy)
