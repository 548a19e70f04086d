"""The EVM sandbox's market: which protocols and exchanges are deployed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.dataclass import dataclass
from yieldbot.model.known import MULTICALL3
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import Artifact, compiled, multicall3_bytecode, own, packaged
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.exchanges import SandboxExchange, sandbox_exchange
from yieldbot.sandbox.evm.protocols import SandboxProtocol, sandbox_protocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE, Tokens

HOUR = 3600
STANDARD = ("aave_v3", "morpho_blue", "compound_v3", "erc4626")
"""The protocols of the sandbox's own market, in the order in which they are deployed."""
STANDARD_EXCHANGES = ("uniswap_v3", "uniswap_v4")
"""Its exchanges, deployed in this order after its protocols."""


@dataclass(frozen=True, slots=True)
class SandboxMarket:
    """Everything that is deployed on the EVM sandbox."""

    tokens: Tokens
    """The tokens and their price feeds."""
    exchanges: tuple[Deployed, ...]
    """The exchanges: those of STANDARD_EXCHANGES, then those requested."""
    protocols: tuple[Deployed, ...]
    """The protocols: those of STANDARD, then those requested."""
    transactions: int
    """Number of transactions that deployed all of it."""


async def deploy_market(
    node: Node, say: Callable[[str], None], protocols: Sequence[str] = (), exchanges: Sequence[str] = ()
) -> SandboxMarket:
    """Deploy and populate the market on an empty node with unlocked accounts, in about 200 transactions.

    ``protocols``, ``exchanges``: names of further modules in sandbox/evm/protocols and sandbox/evm/exchanges. Raises
    ConfigError for an unknown one.
    """
    more = [sandbox_protocol(name) for name in protocols if name not in STANDARD]
    more_exchanges = [sandbox_exchange(name) for name in exchanges if name not in STANDARD_EXCHANGES]
    units = compiled(say)
    ours = own(say) if more or more_exchanges else units["ours"]
    say("deploying Aave v3.6, Morpho Blue, MetaMorpho, Uniswap v3 and v4, an ERC-4626 vault and a Comet double")
    d = Deployer(node, [checksum(a) for a in await node.request("eth_accounts", [])])
    await _multicall3(d)
    tokens = await _tokens(d, ours)
    addresses: dict[str, str] = {}
    site = Site(d=d, ours=ours, units=units, tokens=tokens, addresses=addresses)

    async def deployed(one: SandboxProtocol | SandboxExchange) -> Deployed:
        found = await one.deploy(site)
        addresses.update(found.addresses)
        return found

    lending = [await deployed(sandbox_protocol(name)) for name in STANDARD]
    trading = [await deployed(sandbox_exchange(name)) for name in STANDARD_EXCHANGES]
    lending += [await deployed(one) for one in more]
    trading += [await deployed(one) for one in more_exchanges]
    for _ in range(48):  # some history for trailing rates
        await d.warp(HOUR)
    return SandboxMarket(tokens, tuple(trading), tuple(lending), d.transactions)


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
