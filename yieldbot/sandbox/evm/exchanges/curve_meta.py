"""Doubles of a Curve metapool and its base pool (contracts/doubles/MetaSwapDouble.sol) on the sandbox: DAI against
shares of a pool of USDC and another dollar."""

from __future__ import annotations

from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

AMPLIFICATION, FEE, OFFPEG = 200, 4 * 10**6, 2 * 10**10
"""Fee in 1e-10, and its multiplier far from the peg in 1e-10."""


async def deploy(site: Site) -> Deployed:
    """A base pool with 2 M of each coin, and a metapool with 1 M DAI and as many shares."""
    d, tokens = site.d, site.tokens
    other = await d.deploy(site.ours["TestToken"], "Other dollar", "OUSD", 18)
    terms = AMPLIFICATION, FEE, OFFPEG
    base = await d.deploy(site.ours["SharedSwapDouble"], [tokens.usdc.address, other.address], *terms)
    await d.send(tokens.usdc, "mint", base.address, 2_000_000 * USDC_ONE)
    await d.send(other, "mint", base.address, 2_000_000 * DAI_ONE)
    await d.send(base, "open")
    meta = await d.deploy(site.ours["MetaSwapDouble"], [tokens.dai.address, base.address], *terms)
    await d.send(tokens.dai, "mint", meta.address, 1_000_000 * DAI_ONE)
    await d.send(base, "transfer", meta.address, 1_000_000 * DAI_ONE)
    await d.send(meta, "sync")
    table = {
        "protocol": "curve_meta",
        "name": "Curve metapool (double)",
        "pools": [meta.address],
        "base": base.address,
        "flavour": "ng",
        "base_flavour": "ng",
    }
    return Deployed(tables=[table], addresses={"curve_metapool": meta.address, "curve_base_pool": base.address})


SANDBOX = SandboxExchange(protocol="curve_meta", deploy=deploy)
