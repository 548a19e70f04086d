"""Aerodrome on the sandbox: its factory of basic pools and router, compiled from their sources, and one stable pool."""

from __future__ import annotations

from yieldbot.sandbox.evm.artifacts import compiled
from yieldbot.sandbox.evm.deployer import ZERO, Contract, Deployer
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE


async def deploy_contracts(d: Deployer) -> tuple[Contract, Contract]:
    """The factory and its router. The registry's other addresses are set but not used."""
    made = compiled(units=("aerodrome",))["aerodrome"]
    factory = await d.deploy(made["PoolFactory"], (await d.deploy(made["Pool"])).address)
    registry = await d.deploy(made["FactoryRegistry"], factory.address, d.me, d.me, d.me)
    return factory, await d.deploy(made["Router"], ZERO, registry.address, factory.address, d.me, d.me)


async def deploy(site: Site) -> Deployed:
    """A stable pool of 1 M USDC and 1 M DAI."""
    d, tokens = site.d, site.tokens
    factory, router = await deploy_contracts(d)
    pair = tokens.usdc.address, tokens.dai.address
    await d.send(factory, "createPool(address,address,bool)", *pair, True)
    at = await d.read_address(factory, "getPool(address,address,bool)", *pair, True)
    pool = Contract(at, compiled(units=("aerodrome",))["aerodrome"]["Pool"].abi)
    for token, raw in ((tokens.usdc, 1_000_000 * USDC_ONE), (tokens.dai, 1_000_000 * DAI_ONE)):
        await d.send(token, "mint", pool.address, raw)
    await d.send(pool, "mint", d.me)
    table = {
        "protocol": "aerodrome",
        "name": "Aerodrome",
        "factory": factory.address,
        "router": router.address,
    }
    return Deployed(
        tables=[table], addresses={"aerodrome_factory": factory.address, "aerodrome_router": router.address}
    )


SANDBOX = SandboxExchange(protocol="aerodrome", deploy=deploy)
