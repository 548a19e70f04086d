"""Doubles of a boosted pool of Balancer v3, its Vault and its BatchRouter on the sandbox
(contracts/doubles/BalancerBoostedDoubles.sol): shares of an ERC-4626 vault of USDC against DAI, which has none."""

from __future__ import annotations

from yieldbot.protocols.evm.uniswap_v4 import PERMIT2
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

AMPLIFICATION, FEE, HELD, IN_BUFFER = 200, 10**14, 1_000_000, 20_000
"""Whole tokens of each in the pool, and in the buffer. The fee is in 1e-18."""


async def deploy(site: Site) -> Deployed:
    """A Vault with one pool and one buffer, and its BatchRouter. A share is worth 1.06 USDC."""
    d, tokens = site.d, site.tokens
    vault = await d.deploy(site.ours["BalancerBufferVaultDouble"])
    router = await d.deploy(site.ours["BalancerBatchRouterDouble"], vault.address, PERMIT2)
    pool = await d.deploy(site.ours["BalancerPoolDouble"], vault.address, AMPLIFICATION)
    shares = await d.deploy(site.ours["DripVault"], tokens.usdc.address, 0, "wUSDC")
    await d.send(tokens.usdc, "mint", d.me, 3 * HELD * USDC_ONE)
    await d.send(tokens.usdc, "approve", shares.address, 2 * HELD * USDC_ONE)
    await d.send(shares, "deposit", 2 * HELD * USDC_ONE, d.me)
    await d.send(tokens.usdc, "mint", shares.address, 2 * HELD * USDC_ONE * 6 // 100)
    await d.send(tokens.dai, "mint", d.me, HELD * DAI_ONE)
    for token in (tokens.usdc, tokens.dai, shares):
        await d.send(token, "approve", vault.address, 2**256 - 1)
    await d.send(vault, "initializeBuffer", shares.address, IN_BUFFER * USDC_ONE, IN_BUFFER * USDC_ONE)
    rate = int.from_bytes(await d.read(shares, "convertToAssets", 10**18), "big")
    pair, amounts = [shares.address, tokens.dai.address], [HELD * USDC_ONE, HELD * DAI_ONE]
    await d.send(vault, "open", pool.address, pair, [rate, 10**18], amounts, FEE)
    table = {
        "protocol": "balancer_boosted",
        "name": "Balancer v3 boosted (double)",
        "vault": vault.address,
        "router": router.address,
        "pools": [pool.address],
    }
    return Deployed(tables=[table], addresses={"balancer_boosted_vault": vault.address})


SANDBOX = SandboxExchange(protocol="balancer_boosted", deploy=deploy)
