"""The sandbox's money market: what is deployed, how it stands, and how the chain's TOML describes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yieldbot.model.ids import Address
from yieldbot.rpc.evm import EvmNode
from yieldbot.sandbox.aave import (
    USDC_ONE,
    AaveInstance,
    AaveShape,
    Tokens,
    deploy_instance,
    deploy_libraries,
    deploy_stata,
)
from yieldbot.sandbox.artifacts import Artifact, compiled, multicall3_bytecode, packaged
from yieldbot.sandbox.deployer import MAX_UINT256, Contract, Deployer
from yieldbot.sandbox.exchange import Exchange, deploy_exchange
from yieldbot.sandbox.morpho import MorphoSuite, deploy_morpho

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
WAD = 10**18
HOUR = 3600

AAVE_SHAPES = {
    "Aave v3": AaveShape(supplied=8_000_000, borrowed=6_400_000, cap=50_000_000, kink_bps=9200, slope1_bps=550, slope2_bps=3500),
    "Aave v3 Prime": AaveShape(supplied=3_000_000, borrowed=2_700_000, cap=3_000_000, kink_bps=9200, slope1_bps=700, slope2_bps=4000),
    "Aave v3 Legacy": AaveShape(supplied=1_000_000, borrowed=700_000, cap=0, kink_bps=9000, slope1_bps=600, slope2_bps=6000, frozen=True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SandboxMarket:
    """Everything deployed. ``aave`` by display name."""

    tokens: Tokens
    aave: dict[str, AaveInstance]
    stata: Contract
    morpho: MorphoSuite
    comet: Contract
    drip: Contract
    exchange: Exchange
    transactions: int


async def deploy_market(node: EvmNode, say: Callable[[str], None]) -> SandboxMarket:
    """Deploy and populate every protocol on an empty node with unlocked accounts. About 200 transactions."""
    units = compiled(say)
    say("deploying Aave v3.6, Morpho Blue, MetaMorpho, Uniswap v3, an ERC-4626 vault and a Comet double")
    from web3 import Web3

    d = Deployer(node, [Address(Web3.to_checksum_address(a)) for a in await node.request("eth_accounts", [])])
    ours, aave = units["ours"], units["aave"]
    await _multicall3(d)
    tokens = await _tokens(d, ours)
    await deploy_libraries(d, aave)
    instances = {name: await deploy_instance(d, aave, tokens, shape) for name, shape in AAVE_SHAPES.items()}
    stata = await deploy_stata(d, units["stata"], aave, instances["Aave v3"], tokens.usdc)
    suite = await deploy_morpho(d, units["morpho"], units["irm"], units["metamorpho"], tokens)
    comet = await _comet(d, ours["CometDouble"], tokens.usdc)
    drip = await _drip(d, ours["DripVault"], tokens.usdc)
    exchange = await deploy_exchange(d, tokens)
    for _ in range(6):  # some history, so that a trailing rate has something to trail
        await d.warp(4 * HOUR)
    return SandboxMarket(tokens, instances, stata, suite, comet, drip, exchange, d.transactions)


async def _multicall3(d: Deployer) -> None:
    """Multicall3's code, which has no immutables, copied to its canonical address."""
    made = await d.deploy(Artifact([], multicall3_bytecode(), {}))
    code = await d.node.code(made.address)
    await d.node.request("anvil_setCode", [MULTICALL3, "0x" + code.hex()])


async def _tokens(d: Deployer, ours: dict[str, Artifact]) -> Tokens:
    usdc = await d.deploy(ours["TestToken"], "USD Coin", "USDC", 6)
    weth = await d.deploy(packaged("@uniswap/v2-periphery/build/WETH9.json"))
    await d.send(usdc, "mint", d.me, 100_000_000 * USDC_ONE)
    usdc_feed = await d.deploy(ours["PriceFeed"], "USDC / USD", 10**8)
    weth_feed = await d.deploy(ours["PriceFeed"], "ETH / USD", 3000 * 10**8)
    return Tokens(usdc, weth, usdc_feed, weth_feed)


async def _comet(d: Deployer, double: Artifact, usdc: Contract) -> Contract:
    """95 % used, above its kink of 90 %."""
    supply_curve = [9 * WAD // 10, 0, 36 * WAD // 1000, 3 * WAD // 10]
    borrow_curve = [9 * WAD // 10, 15 * WAD // 1000, 35 * WAD // 1000, 4 * WAD // 10]
    comet = await d.deploy(double, usdc.address, supply_curve, borrow_curve)
    await d.send(usdc, "approve", comet.address, MAX_UINT256)
    await d.send(comet, "supply", usdc.address, 2_000_000 * USDC_ONE)
    await d.send(comet, "withdraw", usdc.address, 1_900_000 * USDC_ONE, sender=d.accounts[1])
    return comet


async def _drip(d: Deployer, vault: Artifact, usdc: Contract) -> Contract:
    """1,000,000 deposited, earning 45,000 a year between all holders."""
    drip = await d.deploy(vault, usdc.address, 45_000 * USDC_ONE // 31_536_000)
    await d.send(usdc, "approve", drip.address, MAX_UINT256)
    await d.send(drip, "fund", 450_000 * USDC_ONE)
    await d.send(drip, "deposit", 1_000_000 * USDC_ONE, d.me)
    return drip


def chain_toml(market: SandboxMarket) -> str:
    """chains/sandbox.toml: the same format as a real chain's."""
    tokens = market.tokens
    head = [
        'name = "sandbox"',
        'chain = "eip155:31337"',
        'rpc_env = "SANDBOX_RPC_URL"',
        f'multicall3 = "{MULTICALL3}"',
        "max_fee_gwei = 50",
        "priority_fee_gwei = 0.1",
        'finality = "latest"',
        "poll_seconds = 0.05",
        "confirm_timeout_seconds = 30",
        "",
        "[native]",
        'symbol = "ETH"',
        f'feed = "{tokens.weth_feed.address}"',
        "",
        "[tokens.USDC]",
        f'address = "{tokens.usdc.address}"',
        "decimals = 6",
        f'feed = "{tokens.usdc_feed.address}"',
    ]
    tables: list[dict[str, Any]] = [
        {
            "protocol": "aave_v3",
            "name": name,
            "pool": i.pool.address,
            "data_provider": i.data_provider.address,
            "oracle": i.oracle.address,
        }
        for name, i in market.aave.items()
    ]
    main, suite = market.aave["Aave v3"], market.morpho
    tables += [
        {"protocol": "compound_v3", "name": "Compound v3 (double)", "comet": market.comet.address},
        {
            "protocol": "morpho_blue",
            "name": "Morpho Blue",
            "morpho": suite.morpho.address,
            "irm": suite.irm.address,
            "markets": [m.id for m in suite.markets],
        },
        {
            "protocol": "erc4626",
            "name": "MetaMorpho",
            "flavour": "metamorpho",
            "vaults": [suite.vault.address],
            "morpho": suite.morpho.address,
            "irm": suite.irm.address,
        },
        {
            "protocol": "erc4626",
            "name": "Static Aave",
            "flavour": "stata",
            "vaults": [market.stata.address],
            "pool": main.pool.address,
            "data_provider": main.data_provider.address,
        },
        {
            "protocol": "erc4626",
            "name": "Drip Vault",
            "flavour": "generic",
            "vaults": [market.drip.address],
            "lookback_blocks": 5,
        },
    ]
    lines = head
    for table in tables:
        lines += ["", "[[protocols]]", *(f"{key} = {_toml(value)}" for key, value in table.items()), 'assets = ["USDC"]']
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'
