"""The EVM sandbox's market: which protocols are deployed, in which state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.aave import (
    DAI_ONE,
    USDC_ONE,
    AaveInstance,
    AaveShape,
    Tokens,
    deploy_instance,
    deploy_libraries,
    deploy_stata,
)
from yieldbot.sandbox.artifacts import Artifact, compiled, multicall3_bytecode, own, packaged
from yieldbot.sandbox.deployer import Contract, Deployer
from yieldbot.sandbox.evm.protocols import Deployed, sandbox_protocol
from yieldbot.sandbox.exchange import Exchange, deploy_exchange
from yieldbot.sandbox.exchange_v4 import ExchangeV4, deploy_exchange_v4
from yieldbot.sandbox.morpho import MorphoSuite, deploy_morpho

HOUR = 3600

M = 1_000_000
AAVE_SHAPES = {
    "Aave v3": AaveShape(8 * M, 6_400_000, cap=50 * M, kink_bps=9200, slope1_bps=550, slope2_bps=3500, dai=True),
    "Aave v3 Prime": AaveShape(3 * M, 2_700_000, cap=3 * M, kink_bps=9200, slope1_bps=700, slope2_bps=4000),
    "Aave v3 Legacy": AaveShape(M, 700_000, cap=0, kink_bps=9000, slope1_bps=600, slope2_bps=6000, frozen=True),
}
"""Initial states of the three Aave instances: healthy at 80 % utilisation; at its supply cap; frozen."""


@dataclass(frozen=True, slots=True)
class SandboxMarket:
    """Everything that is deployed on the EVM sandbox."""

    tokens: Tokens
    """The tokens and their price feeds."""
    aave: dict[str, AaveInstance]
    """Aave instances by display name."""
    stata: Contract
    """stataUSDC, Aave's ERC-4626 wrapper."""
    morpho: MorphoSuite
    """Morpho Blue with its markets and vault."""
    comet: Contract
    """The double of Compound v3's Comet."""
    drip: Contract
    """An ERC-4626 vault of USDC."""
    dai_drip: Contract
    """An ERC-4626 vault of DAI."""
    exchange: Exchange
    """Uniswap v3."""
    exchange_v4: ExchangeV4
    """Uniswap v4."""
    more: tuple[Deployed, ...]
    """Protocols of sandbox/evm/protocols that were asked for."""
    transactions: int
    """How many transactions deployed all of it."""


async def deploy_market(node: Node, say: Callable[[str], None], protocols: Sequence[str] = ()) -> SandboxMarket:
    """Deploy and populate the market on an empty node with unlocked accounts, in about 200 transactions.

    ``protocols``: names of protocols in sandbox/evm/protocols to deploy too. Raises ConfigError for an unknown one.
    """
    chosen = [sandbox_protocol(name) for name in protocols]
    units = compiled(say)
    ours, aave = units["ours"], units["aave"]
    all_of_ours = own(say) if chosen else ours
    say("deploying Aave v3.6, Morpho Blue, MetaMorpho, Uniswap v3 and v4, an ERC-4626 vault and a Comet double")
    from web3 import Web3

    d = Deployer(node, [Address(Web3.to_checksum_address(a)) for a in await node.request("eth_accounts", [])])
    await _multicall3(d)
    tokens = await _tokens(d, ours)
    await deploy_libraries(d, aave)
    instances = {name: await deploy_instance(d, aave, tokens, shape) for name, shape in AAVE_SHAPES.items()}
    stata = await deploy_stata(d, units["stata"], aave, instances["Aave v3"], tokens.usdc)
    suite = await deploy_morpho(d, units["morpho"], units["irm"], units["metamorpho"], tokens)
    comet = await _comet(d, ours["CometDouble"], tokens.usdc)
    drip = await _drip(d, ours["DripVault"], "USDC", tokens.usdc, USDC_ONE, 45_000)
    dai_drip = await _drip(d, ours["DripVault"], "DAI", tokens.dai, DAI_ONE, 105_000)
    exchange = await deploy_exchange(d, tokens)
    v4 = await deploy_exchange_v4(d, tokens, exchange.factory.address, exchange.positions.address)
    more = tuple([await one.deploy(d, all_of_ours, tokens) for one in chosen])
    for _ in range(48):  # some history for trailing rates
        await d.warp(HOUR)
    return SandboxMarket(tokens, instances, stata, suite, comet, drip, dai_drip, exchange, v4, more, d.transactions)


async def _multicall3(d: Deployer) -> None:
    """Put Multicall3's code, which has no immutables, at its canonical address."""
    made = await d.deploy(Artifact([], multicall3_bytecode(), {}))
    code = await d.node.code(made.address)
    await d.node.request("anvil_setCode", [MULTICALL3, "0x" + code.hex()])


async def _tokens(d: Deployer, ours: dict[str, Artifact]) -> Tokens:
    usdc = await d.deploy(ours["TestToken"], "USD Coin", "USDC", 6)
    weth = await d.deploy(packaged("@uniswap/v2-periphery/build/WETH9.json"))
    dai = await d.deploy(ours["TestToken"], "Dai Stablecoin", "DAI", 18)
    await d.send(usdc, "mint", d.me, 100_000_000 * USDC_ONE)
    await d.send(dai, "mint", d.me, 100_000_000 * DAI_ONE)
    usdc_feed = await d.deploy(ours["PriceFeed"], "USDC / USD", 10**8)
    dai_feed = await d.deploy(ours["PriceFeed"], "DAI / USD", 10**8)
    weth_feed = await d.deploy(ours["PriceFeed"], "ETH / USD", 3000 * 10**8)
    return Tokens(usdc, dai, weth, usdc_feed, dai_feed, weth_feed)


async def _comet(d: Deployer, double: Artifact, usdc: Contract) -> Contract:
    """A Comet double at 95 % utilisation, above its kink of 90 %."""
    supply_curve = [9 * WAD // 10, 0, 36 * WAD // 1000, 3 * WAD // 10]
    borrow_curve = [9 * WAD // 10, 15 * WAD // 1000, 35 * WAD // 1000, 4 * WAD // 10]
    comet = await d.deploy(double, usdc.address, supply_curve, borrow_curve)
    await d.send(usdc, "approve", comet.address, MAX_UINT256)
    await d.send(comet, "supply", usdc.address, 2_000_000 * USDC_ONE)
    await d.send(comet, "withdraw", usdc.address, 1_900_000 * USDC_ONE, sender=d.accounts[1])
    return comet


async def _drip(d: Deployer, vault: Artifact, symbol: str, token: Contract, one: int, a_year: int) -> Contract:
    """A vault with 1,000,000 deposited, which pays a fixed number of whole tokens a year to all holders, for ten
    years."""
    drip = await d.deploy(vault, token.address, a_year * one // 31_536_000, f"dv{symbol}")
    await d.send(token, "approve", drip.address, MAX_UINT256)
    await d.send(drip, "deposit", 1_000_000 * one, d.me)
    # After it: what drips without a holder would make the first share dear.
    await d.send(drip, "fund", 10 * a_year * one)
    return drip
