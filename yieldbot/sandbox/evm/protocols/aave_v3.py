"""Aave v3.6 instances on the sandbox, each a whole protocol with USDC and WETH reserves."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import Artifact
from yieldbot.sandbox.evm.deployer import ZERO, Contract, Deployer
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE, WETH_ONE, Tokens

Artifacts = dict[str, Artifact]
LIBRARIES = ("PoolLogic", "SupplyLogic", "BorrowLogic", "LiquidationLogic", "FlashLoanLogic", "ConfiguratorLogic")


@dataclass(frozen=True, slots=True)
class AaveShape:
    """The initial state of one Aave instance's USDC reserve."""

    supplied: int
    """Whole USDC supplied."""
    borrowed: int
    """Whole USDC borrowed."""
    cap: int
    """Supply cap in whole USDC; 0: none."""
    kink_bps: int
    """Optimal utilisation, in basis points."""
    slope1_bps: int
    """Borrow rate at the kink, in basis points a year."""
    slope2_bps: int
    """Rise of the borrow rate from the kink to full utilisation, in basis points a year."""
    frozen: bool = False
    """Whether the reserve is frozen."""
    dai: bool = False
    """Whether the instance lends DAI too: 3 M supplied, 2.4 M borrowed."""


M = 1_000_000
AAVE_SHAPES = {
    "Aave v3": AaveShape(8 * M, 6_400_000, cap=50 * M, kink_bps=9200, slope1_bps=550, slope2_bps=3500, dai=True),
    "Aave v3 Prime": AaveShape(3 * M, 2_700_000, cap=3 * M, kink_bps=9200, slope1_bps=700, slope2_bps=4000),
    "Aave v3 Legacy": AaveShape(M, 700_000, cap=0, kink_bps=9000, slope1_bps=600, slope2_bps=6000, frozen=True),
}
"""Initial states of the three Aave instances: healthy at 80 % utilisation; at its supply cap; frozen."""


@dataclass(frozen=True, slots=True)
class AaveInstance:
    """The contracts of one Aave v3.6 instance."""

    pool: Contract
    """Pool."""
    configurator: Contract
    """PoolConfigurator."""
    data_provider: Contract
    """AaveProtocolDataProvider."""
    oracle: Contract
    """AaveOracle."""
    provider: Contract
    """PoolAddressesProvider."""
    rewards: Address
    """Address of the RewardsController."""
    emissions: Contract
    """EmissionManager."""


async def deploy_libraries(d: Deployer, artifacts: Artifacts) -> None:
    """Aave's logic libraries, shared by all instances."""
    for name in LIBRARIES:
        await d.library(name, artifacts[name])


async def deploy_instance(d: Deployer, a: Artifacts, tokens: Tokens, shape: AaveShape) -> AaveInstance:
    """A new instance with a lender's USDC, a borrower's WETH collateral and the borrowing that ``shape`` states."""
    usdc, dai, weth = tokens.usdc, tokens.dai, tokens.weth
    listed = [(usdc, "USDC"), *([(dai, "DAI")] if shape.dai else []), (weth, "WETH")]
    provider = await d.deploy(a["PoolAddressesProvider"], "Sandbox", d.me)
    strategy = await d.deploy(a["DefaultReserveInterestRateStrategyV2"], provider.address)
    await d.send(provider, "setACLAdmin", d.me)
    acl = await d.deploy(a["ACLManager"], provider.address)
    await d.send(provider, "setACLManager", acl.address)
    await d.send(acl, "addPoolAdmin", d.me)
    oracle = await d.deploy(
        a["AaveOracle"],
        provider.address,
        [usdc.address, dai.address, weth.address],
        [tokens.usdc_feed.address, tokens.dai_feed.address, tokens.weth_feed.address],
        ZERO,
        ZERO,
        10**8,
    )
    await d.send(provider, "setPriceOracle", oracle.address)
    pool_code = await d.deploy(a["PoolInstance"], provider.address, strategy.address)
    await d.send(provider, "setPoolImpl", pool_code.address)
    configurator_code = await d.deploy(a["PoolConfiguratorInstance"])
    await d.send(provider, "setPoolConfiguratorImpl", configurator_code.address)
    pool = Contract(await d.read_address(provider, "getPool"), a["PoolInstance"].abi)
    configurator = Contract(await d.read_address(provider, "getPoolConfigurator"), a["PoolConfiguratorInstance"].abi)
    data_provider = await d.deploy(a["AaveProtocolDataProvider"], provider.address)
    await d.send(provider, "setPoolDataProvider", data_provider.address)
    emission = await d.deploy(a["EmissionManager"], d.me)
    rewards_code = await d.deploy(a["RewardsController"], emission.address)
    key = keccak(b"INCENTIVES_CONTROLLER")
    await d.send(provider, "setAddressAsProxy", key, rewards_code.address)
    rewards = checksum(await d.read_address(provider, "getAddress(bytes32)", key))
    await d.send(emission, "setRewardsController", rewards)
    a_token = await d.deploy(a["ATokenInstance"], pool.address, rewards, d.accounts[9])
    debt_token = await d.deploy(a["VariableDebtTokenInstance"], pool.address, rewards)
    rates = _rates(shape)
    await d.send(
        configurator,
        "initReserves",
        [
            (
                a_token.address,
                debt_token.address,
                t.address,
                f"Aave {s}",
                f"a{s}",
                f"Aave debt {s}",
                f"vd{s}",
                b"",
                rates,
            )
            for t, s in listed
        ],
    )
    for token, _ in listed:
        await d.send(configurator, "configureReserveAsCollateral", token.address, 7500, 8000, 10500)
        await d.send(configurator, "setReserveBorrowing", token.address, True)
        await d.send(configurator, "setReserveFactor", token.address, 1000)
    instance = AaveInstance(pool, configurator, data_provider, oracle, provider, rewards, emission)
    await _populate(d, instance, tokens, shape)
    return instance


def _rates(shape: AaveShape) -> bytes:
    from eth_abi.abi import encode

    return bytes(encode(["(uint16,uint32,uint32,uint32)"], [(shape.kink_bps, 0, shape.slope1_bps, shape.slope2_bps)]))


async def _populate(d: Deployer, instance: AaveInstance, tokens: Tokens, shape: AaveShape) -> None:
    borrower, pool, usdc, weth = d.accounts[1], instance.pool, tokens.usdc, tokens.weth
    await d.send(usdc, "approve", pool.address, MAX_UINT256)
    await d.send(pool, "supply", usdc.address, shape.supplied * USDC_ONE, d.me, 0)
    if shape.dai:
        await d.send(tokens.dai, "approve", pool.address, MAX_UINT256)
        await d.send(pool, "supply", tokens.dai.address, 3_000_000 * DAI_ONE, d.me, 0)
    dollars = shape.borrowed + (2_400_000 if shape.dai else 0)
    collateral = (dollars // 2000 + 1) * WETH_ONE  # ETH stands at 3,000 USDC and lends 75 %
    await d.send(weth, "deposit", sender=borrower, value_wei=collateral)
    await d.send(weth, "approve", pool.address, MAX_UINT256, sender=borrower)
    await d.send(pool, "supply", weth.address, collateral, borrower, 0, sender=borrower)
    await d.send(pool, "borrow", usdc.address, shape.borrowed * USDC_ONE, 2, 0, borrower, sender=borrower)
    if shape.dai:
        await d.send(pool, "borrow", tokens.dai.address, 2_400_000 * DAI_ONE, 2, 0, borrower, sender=borrower)
    if shape.cap:
        await d.send(instance.configurator, "setSupplyCap", usdc.address, shape.cap)
    if shape.frozen:
        await d.send(instance.configurator, "setReserveFreeze", usdc.address, True)


async def deploy_stata(d: Deployer, stata: Artifacts, a: Artifacts, instance: AaveInstance, usdc: Contract) -> Contract:
    """stataUSDC: Aave's own ERC-4626 wrapper of the instance's aUSDC."""
    code = await d.deploy(stata["StataTokenV2"], instance.pool.address, instance.rewards)
    proxy = await d.deploy(a["InitializableUpgradeabilityProxy"])
    token = Contract(proxy.address, stata["StataTokenV2"].abi)
    a_token = await d.read_address(instance.pool, "getReserveAToken", usdc.address)
    start = token.data("initialize", Contract(a_token, []).address, "Static Aave USDC", "stataUSDC")
    await d.send(proxy, "initialize", code.address, bytes.fromhex(start[2:]))
    await d.send(usdc, "approve", token.address, MAX_UINT256)
    await d.send(token, "deposit", 10_000 * USDC_ONE, d.me)
    return token


async def deploy(site: Site) -> Deployed:
    """Three instances, and Aave's own ERC-4626 wrapper on the first."""
    d, a = site.d, site.units["aave"]
    await deploy_libraries(d, a)
    instances = {name: await deploy_instance(d, a, site.tokens, shape) for name, shape in AAVE_SHAPES.items()}
    main = instances["Aave v3"]
    stata = await deploy_stata(d, site.units["stata"], a, main, site.tokens.usdc)
    tables: list[dict[str, object]] = [
        {
            "protocol": "aave_v3",
            "name": name,
            "pool": one.pool.address,
            "data_provider": one.data_provider.address,
            "oracle": one.oracle.address,
            "assets": ["USDC", "DAI"] if AAVE_SHAPES[name].dai else ["USDC"],
        }
        for name, one in instances.items()
    ]
    wrapper: dict[str, object] = {
        "protocol": "erc4626",
        "name": "Static Aave",
        "flavour": "stata",
        "vaults": [stata.address],
        "pool": main.pool.address,
        "data_provider": main.data_provider.address,
    }
    addresses: dict[str, str] = {"stata": stata.address}
    for prefix, one in zip(("aave", "aave_prime", "aave_legacy"), instances.values(), strict=True):
        addresses |= {
            f"{prefix}_pool": one.pool.address,
            f"{prefix}_data_provider": one.data_provider.address,
            f"{prefix}_configurator": one.configurator.address,
            f"{prefix}_oracle": one.oracle.address,
            f"{prefix}_rewards": one.rewards,
            f"{prefix}_emissions": one.emissions.address,
        }
    of_first = {"pool": main.pool.address, "data_provider": main.data_provider.address}
    registry = {"kind": "aave_v3", "name": "Aave v3", **of_first}
    return Deployed(tables=[*tables, wrapper], addresses=addresses, registries=[registry])


SANDBOX = SandboxProtocol(protocol="aave_v3", deploy=deploy, tolerance_bp={"aave_v3": 0.01, "stata": 0.01})
