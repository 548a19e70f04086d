"""Uniswap v4 on the sandbox: the pool manager with its lenses and position manager, Permit2, the Universal Router, and
two pools without hooks.

Sources: v4 periphery 1.0.3 (its artifacts hold v4 core's PoolManager too, and its lib/ Permit2's code), Universal
Router 2.1.0.
"""

from __future__ import annotations

from typing import Any

from yieldbot.math.concentrated import MOST_TICK, tick_at
from yieldbot.math.liquidity_range import Range
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import packaged, permit2_code
from yieldbot.sandbox.evm.deployer import ZERO, Contract, Deployer
from yieldbot.sandbox.evm.exchanges import SandboxExchange
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE, WETH_ONE

OUT = "@uniswap/v4-periphery/foundry-out/"
PERMIT2 = Address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
PERMIT2_ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "approve",
        "stateMutability": "nonpayable",
        "inputs": [{"name": n, "type": t} for n, t in (("token", "address"), ("spender", "address"))]
        + [{"name": "amount", "type": "uint160"}, {"name": "expiration", "type": "uint48"}],
        "outputs": [],
    }
]
FEE, STABLE_FEE = (3000, 60), (1000, 20)
"""Fee in hundredths of a bp, and tick spacing."""
STABLE_WIDTH = 200
FAR = 2**40
MINT_POSITION, SETTLE_PAIR = 0x02, 0x0D
KEY = "(address,address,uint24,int24,address)"
MINT = [KEY, "int24", "int24", "uint256", "uint128", "uint128", "address", "bytes"]
UNSUBSCRIBE_GAS = 300_000


@dataclass(frozen=True, slots=True)
class ExchangeV4:
    """The contracts of Uniswap v4."""

    manager: Contract
    """PoolManager."""
    state_view: Contract
    """StateView."""
    quoter: Contract
    """V4Quoter."""
    positions: Contract
    """PositionManager."""
    router: Contract
    """UniversalRouter."""
    permit2: Contract
    """Permit2, at its canonical address."""


async def deploy_v4(d: Deployer, weth: Address, v3_factory: Address, v3_positions: Address) -> ExchangeV4:
    """Deploy the contracts without pools. Addresses of other exchanges that the router takes are set but not used."""
    manager = await d.deploy(packaged(OUT + "PoolManager.sol/PoolManager.default.json"), d.me)
    state_view = await d.deploy(packaged(OUT + "StateView.sol/StateView.json"), manager.address)
    quoter = await d.deploy(packaged(OUT + "V4Quoter.sol/V4Quoter.json"), manager.address)
    # Permit2's code at its canonical address. Its immutables only cache a signing domain that it recomputes on other
    # chains.
    await d.node.request("anvil_setCode", [PERMIT2, "0x" + permit2_code()])
    picture = ZERO  # the contract that draws NFT pictures is never called
    positions = await d.deploy(
        packaged(OUT + "PositionManager.sol/PositionManager.json"),
        *(manager.address, PERMIT2, UNSUBSCRIBE_GAS, picture, weth),
    )
    router = await d.deploy(
        packaged("@uniswap/universal-router/artifacts/contracts/UniversalRouter.sol/UniversalRouter.json"),
        (PERMIT2, weth, ZERO, v3_factory, bytes(32), bytes(32), manager.address, v3_positions, positions.address, ZERO),
    )
    return ExchangeV4(manager, state_view, quoter, positions, router, Contract(PERMIT2, PERMIT2_ABI))


async def deploy(site: Site) -> Deployed:
    """Two pools: full-range 300,000 USDC and 100 WETH at 0.3 %, and USDC/DAI around 1 at 0.1 %. Its router knows
    Uniswap v3, which must be there."""
    d, tokens = site.d, site.tokens
    v3_factory, v3_positions = (Address(site.addresses[f"uniswap_{name}"]) for name in ("factory", "positions"))
    made = await deploy_v4(d, tokens.weth.address, v3_factory, v3_positions)
    for token in (tokens.usdc, tokens.dai, tokens.weth):
        await allow(d, made, token)
    await d.send(tokens.weth, "deposit", value_wei=100 * WETH_ONE)
    sides: dict[Address, int] = {tokens.usdc.address: 300_000 * USDC_ONE, tokens.weth.address: 100 * WETH_ONE}
    await _pool(d, made, sides, FEE, None)
    sides = {tokens.usdc.address: 500_000 * USDC_ONE, tokens.dai.address: 500_000 * DAI_ONE}
    await _pool(d, made, sides, STABLE_FEE, STABLE_WIDTH)
    table = {
        "protocol": "uniswap_v4",
        "name": "Uniswap v4",
        "pool_manager": made.manager.address,
        "state_view": made.state_view.address,
        "router": made.router.address,
        "keys": [list(FEE), list(STABLE_FEE)],
    }
    return Deployed(
        tables=[table],
        addresses={
            "v4_manager": made.manager.address,
            "v4_state_view": made.state_view.address,
            "v4_quoter": made.quoter.address,
            "v4_positions": made.positions.address,
            "v4_router": made.router.address,
            "permit2": made.permit2.address,
        },
    )


async def allow(d: Deployer, made: ExchangeV4, token: Contract) -> None:
    """Allow the position manager to take the deployer's token through Permit2."""
    await d.send(token, "approve", PERMIT2, MAX_UINT256)
    await d.send(made.permit2, "approve", token.address, made.positions.address, 2**160 - 1, FAR)


async def mint(
    d: Deployer, made: ExchangeV4, key: tuple[Any, ...], ticks: Range, liquidity: int, owner: str | None = None
) -> None:
    """Mint a position for the deployer (or ``owner``), with whatever amounts it takes."""
    from eth_abi.abi import encode

    terms = (key, ticks.low, ticks.high, liquidity, 2**128 - 1, 2**128 - 1, owner or d.me, b"")
    parts = [encode(MINT, terms), encode(["address", "address"], key[:2])]
    unlock = encode(["bytes", "bytes[]"], [bytes([MINT_POSITION, SETTLE_PAIR]), parts])
    await d.send(made.positions, "modifyLiquidities", unlock, FAR)


async def _pool(
    d: Deployer, made: ExchangeV4, sides: dict[Address, int], fee: tuple[int, int], width: int | None
) -> None:
    """Create a pool at the price that the amounts imply, with liquidity ``width`` ticks to each side (None: full
    range)."""
    pair = sorted(sides, key=lambda token: int(token, 16))
    zero, one = (sides[token] for token in pair)
    sqrt_price, spacing = int((one / zero) ** 0.5 * 2**96), fee[1]
    key = (*pair, *fee, ZERO)
    await d.send(made.manager, "initialize", key, sqrt_price)
    middle, most = tick_at(sqrt_price) // spacing * spacing, MOST_TICK // spacing * spacing
    ticks = Range(-most, most) if width is None else Range(middle - width, middle + width)
    await mint(d, made, key, ticks, ticks.liquidity(sqrt_price, zero, one))


SANDBOX = SandboxExchange(protocol="uniswap_v4", deploy=deploy)
