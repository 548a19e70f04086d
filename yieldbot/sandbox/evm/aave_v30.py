"""A real Aave v3.0 pool like Spark's (npm @aave/core-v3, precompiled), which tests deploy on a running sandbox.

It is not part of the sandbox's own market. Deploying it takes about sixty transactions.
"""

from __future__ import annotations

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.settings import Job
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import Artifact, own, packaged
from yieldbot.sandbox.evm.deployer import ZERO, Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.tokens import USDC_ONE, WETH_ONE

PACKAGE = "@aave/core-v3/artifacts/contracts"
LIBRARIES = ("SupplyLogic", "EModeLogic", "BorrowLogic", "BridgeLogic", "LiquidationLogic", "PoolLogic")
LINKED = ("FlashLoanLogic", "ConfiguratorLogic")
STABLE, VARIABLE = 1, 2
BPS_RAY = 10**23
SUPPLIED, BORROWED, FIRST_STABLE, LATER_STABLE = 8_000_000, 4_900_000, 1_000_000, 500_000
CAP = 12_000_000
"""Supply cap in whole USDC. Initially utilisation is 80 %, and almost a quarter of the debt has stable rates."""


@dataclass(frozen=True, slots=True)
class OldPool:
    """The contracts of the Aave v3.0 instance."""

    d: Deployer
    """Deployer, pool admin and first lender; ``d.accounts[1]`` is the borrower."""
    pool: Contract
    """Pool."""
    configurator: Contract
    """PoolConfigurator."""
    data_provider: Contract
    """AaveProtocolDataProvider."""

    def deployment(self, job: Job) -> Deployment:
        """Its ``[[protocols]]`` table."""
        where = {"pool": self.pool.address, "data_provider": self.data_provider.address}
        return Deployment("aave_v3", job.chain.chain, "Aave v3.0", where, (job.asset,))


def _artifact(folder: str, name: str) -> Artifact:
    return packaged(f"{PACKAGE}/{folder}/{name}.sol/{name}.json")


async def deploy_old_pool(node: Node, sandbox: Sandbox) -> OldPool:
    """The pool with USDC (reserve factor 10 %, a cap, debt of both kinds) and with WETH as collateral."""
    d = Deployer(node, [checksum(account) for account in await node.request("eth_accounts", [])])
    usdc = Contract(sandbox.addresses["usdc"], own()["TestToken"].abi)
    weth = Contract(sandbox.addresses["weth"], packaged("@uniswap/v2-periphery/build/WETH9.json").abi)
    for name in (*LIBRARIES, *LINKED):
        await d.library(name, _artifact("protocol/libraries/logic", name))
    provider = await d.deploy(_artifact("protocol/configuration", "PoolAddressesProvider"), "Sandbox v3.0", d.me)
    await d.send(provider, "setACLAdmin", d.me)
    acl = await d.deploy(_artifact("protocol/configuration", "ACLManager"), provider.address)
    await d.send(provider, "setACLManager", acl.address)
    await d.send(acl, "addPoolAdmin", d.me)
    feeds = [sandbox.addresses["usdc_feed"], sandbox.addresses["weth_feed"]]
    tokens = [usdc.address, weth.address]
    oracle = await d.deploy(_artifact("misc", "AaveOracle"), provider.address, tokens, feeds, ZERO, ZERO, 10**8)
    await d.send(provider, "setPriceOracle", oracle.address)
    pool_code, configurator_code = (_artifact("protocol/pool", name) for name in ("Pool", "PoolConfigurator"))
    await d.send(provider, "setPoolImpl", (await d.deploy(pool_code, provider.address)).address)
    await d.send(provider, "setPoolConfiguratorImpl", (await d.deploy(configurator_code)).address)
    pool = Contract(await d.read_address(provider, "getPool"), pool_code.abi)
    configurator = Contract(await d.read_address(provider, "getPoolConfigurator"), configurator_code.abi)
    data_provider = await d.deploy(_artifact("misc", "AaveProtocolDataProvider"), provider.address)
    await d.send(provider, "setPoolDataProvider", data_provider.address)
    # Kink 90 %, base 0.5 %, slopes 5.5 % and 60 %; stable rates from 6.5 %, dearer above a fifth of the debt.
    rates = [BPS_RAY * bps for bps in (9000, 50, 550, 6000, 50, 6000, 100, 800, 2000)]
    strategy = await d.deploy(
        _artifact("protocol/pool", "DefaultReserveInterestRateStrategy"), provider.address, *rates
    )
    code = [
        (await d.deploy(_artifact("protocol/tokenization", name), pool.address)).address
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    listed = ((usdc, "USDC", 6), (weth, "WETH", 18))
    reserves = [
        (*code, decimals, strategy.address, token.address, d.accounts[9], ZERO, *_names(symbol), b"")
        for token, symbol, decimals in listed
    ]
    await d.send(configurator, "initReserves", reserves)
    for token, _, _ in listed:
        await d.send(configurator, "configureReserveAsCollateral", token.address, 7500, 8000, 10500)
        await d.send(configurator, "setReserveBorrowing", token.address, True)
        await d.send(configurator, "setReserveStableRateBorrowing", token.address, True)
        await d.send(configurator, "setReserveFactor", token.address, 1000)
    await d.send(configurator, "setSupplyCap", usdc.address, CAP)
    old = OldPool(d, pool, configurator, data_provider)
    await _populate(old, usdc, weth)
    return old


def _names(symbol: str) -> tuple[str, ...]:
    kinds = (("Old", "o"), ("Old variable debt", "ovd"), ("Old stable debt", "osd"))
    return tuple(name for words, short in kinds for name in (f"{words} {symbol}", f"{short}{symbol}"))


async def _populate(old: OldPool, usdc: Contract, weth: Contract) -> None:
    """Supply and borrow. Debt at stable rates is taken twice, days apart, so that its average rate and age are not
    round numbers."""
    d, pool, borrower = old.d, old.pool, old.d.accounts[1]
    await d.send(usdc, "approve", pool.address, MAX_UINT256)
    await d.send(pool, "supply", usdc.address, SUPPLIED * USDC_ONE, d.me, 0)
    collateral = (
        (BORROWED + FIRST_STABLE + LATER_STABLE) // 1800 + 1
    ) * WETH_ONE  # ETH stands at 3,000 USDC and lends 75 %
    await d.send(weth, "deposit", sender=borrower, value_wei=collateral)
    await d.send(weth, "approve", pool.address, MAX_UINT256, sender=borrower)
    await d.send(pool, "supply", weth.address, collateral, borrower, 0, sender=borrower)
    for amount, kind in ((FIRST_STABLE, STABLE), (BORROWED, VARIABLE), (LATER_STABLE, STABLE)):
        await d.send(pool, "borrow", usdc.address, amount * USDC_ONE, kind, 0, borrower, sender=borrower)
        await d.warp(2 * 86_400 + 12_345)
