"""Aerodrome Slipstream on the sandbox: its real factory, pools, dynamic fee module and router, compiled from their
sources; the voter is a double (contracts/doubles/SlipstreamDoubles.sol)."""

from __future__ import annotations

from yieldbot.math.concentrated import tick_at
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import compiled
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE

SPACING, WIDTH, LIQUIDITY = 1, 200, 2 * 10**20
SCALING, CAP = 1_000_000, 10_000
"""The fee module's terms: a fee of 1e-6 more for each tick between price and TWAP (in 1e-6), and at most 1 %."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """What is deployed once."""

    factory: Contract
    """CLFactory."""
    router: Contract
    """SwapRouter."""
    fees: Contract
    """DynamicSwapFeeModule, which the factory asks."""
    minter: Contract
    """Puts liquidity into pools."""


async def deploy_contracts(d: Deployer) -> Contracts:
    """The exchange without a pool."""
    made, doubles = compiled(units=("slipstream",))["slipstream"], compiled(units=("doubles",))["doubles"]
    voter = await d.deploy(doubles["VoterDouble"])
    code = await d.deploy(made["CLPool"])
    factory = await d.deploy(made["CLFactory"], voter.address, voter.address, code.address)
    router = await d.deploy(made["SwapRouter"], factory.address, voter.address)
    fees = await d.deploy(made["DynamicSwapFeeModule"], factory.address, SCALING, CAP, [], [])
    await d.send(factory, "setSwapFeeModule", fees.address)
    return Contracts(factory, router, fees, await d.deploy(doubles["PoolMinter"]))


async def new_pool(d: Deployer, made: Contracts, pair: list[Address], spacing: int, sqrt_price_x96: int) -> Contract:
    """A pool without liquidity. pair: in the pool's order."""
    await d.send(made.factory, "createPool", *pair, spacing, sqrt_price_x96)
    at = await d.read_address(made.factory, "getPool", *pair, spacing)
    return Contract(at, compiled(units=("slipstream",))["slipstream"]["CLPool"].abi)


async def deploy(site: Site) -> Deployed:
    """A pool of USDC and DAI, with liquidity around 1."""
    d, tokens = site.d, site.tokens
    made = await deploy_contracts(d)
    sides = {tokens.usdc.address: USDC_ONE, tokens.dai.address: DAI_ONE}
    pair = sorted(sides, key=lambda token: int(token, 16))
    sqrt_price = int((sides[pair[1]] / sides[pair[0]]) ** 0.5 * 2**96)
    pool = await new_pool(d, made, pair, SPACING, sqrt_price)
    for token in (tokens.usdc, tokens.dai):
        await d.send(token, "approve", made.minter.address, MAX_UINT256)
    tick = tick_at(sqrt_price)
    await d.send(made.minter, "mint", pool.address, tick - WIDTH, tick + WIDTH, LIQUIDITY)
    table = {
        "protocol": "slipstream",
        "name": "Aerodrome Slipstream",
        "factory": made.factory.address,
        "router": made.router.address,
    }
    addresses = {
        "slipstream_factory": made.factory.address,
        "slipstream_router": made.router.address,
        "slipstream_pool": pool.address,
    }
    return Deployed(tables=[table], addresses=addresses)


SANDBOX = SandboxExchange(protocol="slipstream", deploy=deploy)
