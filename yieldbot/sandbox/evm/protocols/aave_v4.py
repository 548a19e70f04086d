"""Doubles of a hub of Aave v4, of its tokenization spoke of USDC and of a spoke that draws
(contracts/doubles/AaveV4HubDouble.sol and AaveV4SpokeDoubles.sol)."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

RATES = (9_000, 0, 500, 4_000)
"""5 % at 90 % usage, 45 % at 100 %."""
FEE_BPS, PREMIUM_BPS, NO_CAP = 1_000, 1_200, 2**40 - 1
"""A tenth of the interest is a fee; borrowers owe 12 % more than the drawn rate."""
SUPPLIED, BORROWED, WETH_PLEDGED = 1_000_000, 800_000, 400
WETH_ONE, FEED_ONE = 10**18, 10**8
WETH_PRICE, WETH_FACTOR_BPS = 3_000, 8_000


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC added and 800,000 drawn by a spoke against 400 WETH of the same hub."""
    borrower = site.d.accounts[1]
    d, ours, usdc, weth = site.d, site.ours, site.tokens.usdc, site.tokens.weth
    hub = await d.deploy(ours["AaveV4HubDouble"])
    await d.send(hub, "list", usdc.address, 6, FEE_BPS, RATES)
    await d.send(hub, "list", weth.address, 18, FEE_BPS, RATES)
    made = await d.deploy(ours["AaveV4TokenizationSpokeDouble"], hub.address, usdc.address, "tUSDC")
    drawer = await d.deploy(ours["AaveV4SpokeDouble"])
    await d.send(hub, "setSpoke", 0, made.address, NO_CAP, 0, True, False)
    for place, (token, price, factor) in enumerate(((usdc, 1, 0), (weth, WETH_PRICE, WETH_FACTOR_BPS))):
        await d.send(hub, "setSpoke", place, drawer.address, NO_CAP, NO_CAP, True, False)
        await d.send(drawer, "list", hub.address, token.address, price * FEED_ONE, factor)
    await d.send(usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "deposit", SUPPLIED * USDC_ONE, d.me)
    await d.send(weth, "deposit", sender=borrower, value_wei=WETH_PLEDGED * WETH_ONE)
    await d.send(weth, "approve", drawer.address, MAX_UINT256, sender=borrower)
    await d.send(drawer, "supply", 1, WETH_PLEDGED * WETH_ONE, sender=borrower)
    await d.send(drawer, "borrow", 0, BORROWED * USDC_ONE, PREMIUM_BPS, sender=borrower)
    return Deployed(
        tables=[{"protocol": "aave_v4", "name": "Aave v4 (double)", "tokenization_spokes": [made.address]}],
        addresses={"aave_v4_hub": hub.address, "aave_v4_usdc": made.address, "aave_v4_spoke": drawer.address},
    )


SANDBOX = SandboxProtocol(protocol="aave_v4", deploy=deploy, tolerance_bp={"aave_v4": 0.01})
