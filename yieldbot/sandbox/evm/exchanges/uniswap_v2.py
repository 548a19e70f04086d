"""Uniswap v2 on the sandbox: factory, router and one USDC/DAI pair."""

from __future__ import annotations

from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE


async def deploy(site: Site) -> Deployed:
    """A pair with 1 M USDC and 1 M DAI, fee 0.3 %."""
    d, tokens = site.d, site.tokens
    factory = await d.deploy(packaged("@uniswap/v2-core/build/UniswapV2Factory.json"), d.me)
    routed = packaged("@uniswap/v2-periphery/build/UniswapV2Router02.json")
    router = await d.deploy(routed, factory.address, tokens.weth.address)
    await d.send(factory, "createPair", tokens.usdc.address, tokens.dai.address)
    at = await d.read_address(factory, "getPair", tokens.usdc.address, tokens.dai.address)
    pair = Contract(at, packaged("@uniswap/v2-core/build/UniswapV2Pair.json").abi)
    for token, raw in ((tokens.usdc, 1_000_000 * USDC_ONE), (tokens.dai, 1_000_000 * DAI_ONE)):
        await d.send(token, "mint", pair.address, raw)
    await d.send(pair, "mint", d.me)
    table = {
        "protocol": "uniswap_v2",
        "name": "Uniswap v2",
        "factory": factory.address,
        "router": router.address,
    }
    return Deployed(tables=[table], addresses={"v2_factory": factory.address, "v2_router": router.address})


SANDBOX = SandboxExchange(protocol="uniswap_v2", deploy=deploy)
