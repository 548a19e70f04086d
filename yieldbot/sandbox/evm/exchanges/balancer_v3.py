"""Doubles of Balancer v3 (contracts/doubles/BalancerDoubles.sol) with a stable pool of USDC and DAI on the sandbox."""

from __future__ import annotations

from yieldbot.protocols.evm.uniswap_v4 import PERMIT2
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

HELD, AMPLIFICATION, FEE = 700_000, 500, 10**14
"""Whole tokens of each; A; the fee of 0.01 % in 1e-18."""
RATES = 10**18, 10**18 + 10**12 + 1
"""What USDC and DAI count as: DAI a millionth more, not to the whole unit, so that rates are rounded."""


async def deploy(site: Site) -> Deployed:
    """A Vault with one pool, and its Router."""
    d, tokens = site.d, site.tokens
    vault = await d.deploy(site.ours["BalancerVaultDouble"])
    router = await d.deploy(site.ours["BalancerRouterDouble"], vault.address, PERMIT2)
    pool = await d.deploy(site.ours["BalancerPoolDouble"], vault.address, AMPLIFICATION)
    amounts = HELD * USDC_ONE, HELD * DAI_ONE
    for token, raw in zip((tokens.usdc, tokens.dai), amounts, strict=True):
        await d.send(token, "mint", d.me, raw)
        await d.send(token, "approve", vault.address, raw)
    pair = [tokens.usdc.address, tokens.dai.address]
    await d.send(vault, "open", pool.address, pair, [*RATES], [*amounts], FEE)
    table = {
        "protocol": "balancer_v3",
        "name": "Balancer v3 (double)",
        "vault": vault.address,
        "router": router.address,
        "pools": [pool.address],
    }
    return Deployed(tables=[table], addresses={"balancer_vault": vault.address, "balancer_router": router.address})


SANDBOX = SandboxExchange(protocol="balancer_v3", deploy=deploy)
