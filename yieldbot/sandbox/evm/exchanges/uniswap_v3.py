"""Uniswap v3 on the sandbox: factory, router, position manager, quoter and one USDC/WETH pool."""

from __future__ import annotations

from yieldbot.math.concentrated import tick_at
from yieldbot.model.ids import Address
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE, WETH_ONE

PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts/"
FEE, STABLE_FEE = 500, 100
FULL_RANGE, STABLE_WIDTH = 887_270, 200
REMEMBERED = 50
"""Number of observations that a pool keeps, enough for its TWAP to span a few swaps."""
LOOKBACK_BLOCKS = 36
"""Blocks over which fees are measured: a day and a half, since the sandbox's market is aged by blocks an hour apart."""
FAR_DEADLINE = 2**40


async def deploy(site: Site) -> Deployed:
    """Two pools: full-range 1.5 M USDC and 500 WETH at 0.05 %, and USDC/DAI around 1 at 0.01 %."""
    d, tokens = site.d, site.tokens
    factory = await d.deploy(
        packaged("@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json")
    )
    weth = tokens.weth.address
    await d.library("NFTDescriptor", packaged(PERIPHERY + "libraries/NFTDescriptor.sol/NFTDescriptor.json"))
    descriptor = await d.deploy(
        packaged(PERIPHERY + "NonfungibleTokenPositionDescriptor.sol/NonfungibleTokenPositionDescriptor.json"),
        weth,
        b"ETH".ljust(32, b"\0"),
    )
    positions = await d.deploy(
        packaged(PERIPHERY + "NonfungiblePositionManager.sol/NonfungiblePositionManager.json"),
        factory.address,
        weth,
        descriptor.address,
    )
    router = await d.deploy(packaged(PERIPHERY + "SwapRouter.sol/SwapRouter.json"), factory.address, weth)
    quoter = await d.deploy(packaged(PERIPHERY + "lens/QuoterV2.sol/QuoterV2.json"), factory.address, weth)
    for token in (tokens.usdc, tokens.dai, tokens.weth):
        await d.send(token, "approve", positions.address, MAX_UINT256)
    await d.send(tokens.weth, "deposit", value_wei=600 * WETH_ONE)
    sides: dict[Address, int] = {tokens.usdc.address: 1_500_000 * USDC_ONE, weth: 500 * WETH_ONE}
    pool = await _pool(d, factory, positions, sides, FEE, FULL_RANGE)
    await d.send(factory, "enableFeeAmount", STABLE_FEE, 1)  # as Uniswap's owner did on real chains
    sides = {tokens.usdc.address: 2_000_000 * USDC_ONE, tokens.dai.address: 2_000_000 * DAI_ONE}
    stable = await _pool(d, factory, positions, sides, STABLE_FEE, STABLE_WIDTH)
    table = {
        "protocol": "uniswap_v3",
        "name": "Uniswap v3",
        "factory": factory.address,
        "manager": positions.address,
        "lookback_blocks": LOOKBACK_BLOCKS,
        "router": router.address,
    }
    return Deployed(
        tables=[table],
        addresses={
            "uniswap_factory": factory.address,
            "uniswap_router": router.address,
            "uniswap_positions": positions.address,
            "uniswap_quoter": quoter.address,
            "uniswap_pool": pool,
            "uniswap_stable_pool": stable,
        },
    )


async def _pool(
    d: Deployer, factory: Contract, positions: Contract, sides: dict[Address, int], fee: int, width: int
) -> str:
    """Create a pool at the price that the amounts imply, with liquidity ``width`` ticks to each side; returns its
    address."""
    pair = sorted(sides, key=lambda token: int(token, 16))
    amounts = [sides[token] for token in pair]
    sqrt_price = int((amounts[1] / amounts[0]) ** 0.5 * 2**96)
    await d.send(positions, "createAndInitializePoolIfNecessary", *pair, fee, sqrt_price)
    tick = 0 if width == FULL_RANGE else tick_at(sqrt_price)
    await d.send(positions, "mint", (*pair, fee, tick - width, tick + width, *amounts, 0, 0, d.me, FAR_DEADLINE))
    pool = await d.read_address(factory, "getPool", *pair, fee)
    at = Contract(pool, packaged("@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json").abi)
    await d.send(at, "increaseObservationCardinalityNext", REMEMBERED)
    return pool


SANDBOX = SandboxExchange(protocol="uniswap_v3", deploy=deploy)
