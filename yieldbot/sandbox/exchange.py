"""Uniswap v3 on the sandbox: factory, router, position manager, quoter and one USDC/WETH pool."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.sandbox.aave import USDC_ONE, WETH_ONE, Tokens
from yieldbot.sandbox.artifacts import packaged
from yieldbot.sandbox.deployer import MAX_UINT256, Contract, Deployer

PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts/"
FEE = 500
FULL_RANGE = 887_270
FAR_DEADLINE = 2**40


@dataclass(frozen=True, slots=True)
class Exchange:
    factory: Contract
    router: Contract
    positions: Contract
    quoter: Contract
    pool: str


async def deploy_exchange(d: Deployer, tokens: Tokens) -> Exchange:
    """A full-range pool of 1.5 M USDC and 500 WETH at a fee of 0.05 %."""
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
    for token in (tokens.usdc, tokens.weth):
        await d.send(token, "approve", positions.address, MAX_UINT256)
    await d.send(tokens.weth, "deposit", value_wei=600 * WETH_ONE)
    usdc_side, weth_side = 1_500_000 * USDC_ONE, 500 * WETH_ONE
    usdc_first = int(tokens.usdc.address, 16) < int(weth, 16)
    pair = (tokens.usdc.address, weth) if usdc_first else (weth, tokens.usdc.address)
    sides = (usdc_side, weth_side) if usdc_first else (weth_side, usdc_side)
    sqrt_price = int((sides[1] / sides[0]) ** 0.5 * 2**96)
    await d.send(positions, "createAndInitializePoolIfNecessary", *pair, FEE, sqrt_price)
    await d.send(positions, "mint", (*pair, FEE, -FULL_RANGE, FULL_RANGE, *sides, 0, 0, d.me, FAR_DEADLINE))
    pool = await d.read_address(factory, "getPool", *pair, FEE)
    return Exchange(factory, router, positions, quoter, pool)
