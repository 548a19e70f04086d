"""Morpho Blue, its AdaptiveCurveIrm and a MetaMorpho vault on the sandbox."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.keccak import keccak
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import Artifact
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE, WETH_ONE, Tokens

Artifacts = dict[str, Artifact]

LLTVS = (86 * 10**16, 915 * 10**15)
TIMELOCK_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class MorphoMarket:
    """One Morpho Blue market."""

    id: str
    """The market's id, 0x and 64 hex digits."""
    params: tuple[str, str, str, str, int]
    """Loan token, collateral token, oracle, interest rate model and LLTV (1e18), as the contract takes them."""


@dataclass(frozen=True, slots=True)
class MorphoSuite:
    """The contracts of Morpho Blue."""

    morpho: Contract
    """Morpho."""
    irm: Contract
    """AdaptiveCurveIrm."""
    oracle: Contract
    """The collateral's price oracle."""
    markets: tuple[MorphoMarket, ...]
    """The two markets."""
    vault: Contract
    """The MetaMorpho vault over both."""


async def deploy_morpho(
    d: Deployer, blue: Artifacts, irm_unit: Artifacts, meta: Artifacts, tokens: Tokens
) -> MorphoSuite:
    """Deploy two markets (85 % and 92 % utilisation) and a vault over both, with a cap in the second."""
    morpho = await d.deploy(blue["Morpho"], d.me)
    irm = await d.deploy(irm_unit["AdaptiveCurveIrm"], morpho.address)
    oracle = await d.deploy(blue["OracleMock"])
    await d.send(oracle, "setPrice", 3000 * 10 ** (36 + 6 - 18))
    await d.send(morpho, "enableIrm", irm.address)
    for lltv in LLTVS:
        await d.send(morpho, "enableLltv", lltv)
    await d.send(tokens.usdc, "approve", morpho.address, MAX_UINT256)
    await d.send(tokens.weth, "approve", morpho.address, MAX_UINT256)
    first = await _market(d, morpho, irm, oracle, tokens, LLTVS[0], supplied=3_000_000, borrowed=2_550_000)
    second = await _market(d, morpho, irm, oracle, tokens, LLTVS[1], supplied=500_000, borrowed=460_000)
    vault = await _vault(d, meta, morpho, tokens, (first, second))
    return MorphoSuite(morpho, irm, oracle, (first, second), vault)


async def _market(
    d: Deployer,
    morpho: Contract,
    irm: Contract,
    oracle: Contract,
    tokens: Tokens,
    lltv: int,
    supplied: int,
    borrowed: int,
) -> MorphoMarket:
    from eth_abi.abi import encode

    params = (tokens.usdc.address, tokens.weth.address, oracle.address, irm.address, lltv)
    market_id = keccak(encode(["(address,address,address,address,uint256)"], [params]))
    await d.send(morpho, "createMarket", params)
    await d.send(morpho, "supply", params, supplied * USDC_ONE, 0, d.me, b"")
    collateral = (borrowed // 2000 + 1) * WETH_ONE
    await d.send(tokens.weth, "deposit", value_wei=collateral)
    await d.send(morpho, "supplyCollateral", params, collateral, d.me, b"")
    await d.send(morpho, "borrow", params, borrowed * USDC_ONE, 0, d.me, d.me)
    return MorphoMarket("0x" + market_id.hex().removeprefix("0x"), params)


async def _vault(
    d: Deployer, meta: Artifacts, morpho: Contract, tokens: Tokens, markets: tuple[MorphoMarket, MorphoMarket]
) -> Contract:
    """A vault with caps of 300,000 in the 92 % market and 20 million in the other, a 10 % fee, and 1,000,000
    deposited."""
    # Without its factory, which holds the vault's code a second time: the compiler would optimise both.
    terms = (d.me, morpho.address, TIMELOCK_SECONDS, tokens.usdc.address, "Sandbox USDC Vault", "mmUSDC")
    vault = await d.deploy(meta["MetaMorpho"], *terms)
    first, second = markets
    await d.send(vault, "setFeeRecipient", d.accounts[9])
    await d.send(vault, "setFee", 10**17)
    await d.send(vault, "submitCap", second.params, 300_000 * USDC_ONE)
    await d.send(vault, "submitCap", first.params, 20_000_000 * USDC_ONE)
    await d.warp(TIMELOCK_SECONDS + 1)
    await d.send(vault, "acceptCap", second.params)
    await d.send(vault, "acceptCap", first.params)
    await d.send(vault, "setSupplyQueue", [bytes.fromhex(second.id[2:]), bytes.fromhex(first.id[2:])])
    await d.send(tokens.usdc, "approve", vault.address, MAX_UINT256)
    await d.send(vault, "deposit", 1_000_000 * USDC_ONE, d.me)
    # The vault's deposits lowered both markets' utilisation: borrow more, up to 85 % and 92 % again.
    for market, borrowed in ((first, 595_000), (second, 276_000)):
        collateral = (borrowed // 2000 + 1) * WETH_ONE
        await d.send(tokens.weth, "deposit", value_wei=collateral)
        await d.send(morpho, "supplyCollateral", market.params, collateral, d.me, b"")
        await d.send(morpho, "borrow", market.params, borrowed * USDC_ONE, 0, d.me, d.me)
    return vault


async def deploy(site: Site) -> Deployed:
    """Two markets, and a MetaMorpho vault over both."""
    units = site.units
    suite = await deploy_morpho(site.d, units["morpho"], units["irm"], units["metamorpho"], site.tokens)
    at = {"morpho": suite.morpho.address, "irm": suite.irm.address}
    markets = [one.id for one in suite.markets]
    vault = {"name": "MetaMorpho", "flavour": "metamorpho", "vaults": [suite.vault.address]}
    return Deployed(
        tables=[
            {"protocol": "morpho_blue", "name": "Morpho Blue", **at, "markets": markets},
            {"protocol": "erc4626", **vault, **at},
        ],
        registries=[{"kind": "morpho_blue", "name": "Morpho Blue", "from_block": 0, **at}],
        addresses=at
        | {"morpho_oracle": suite.oracle.address, "metamorpho": suite.vault.address}
        | {f"morpho_market_{letter}": one for letter, one in zip("ab", markets, strict=True)},
    )


SANDBOX = SandboxProtocol(protocol="morpho_blue", deploy=deploy, tolerance_bp={"morpho_blue": 0.1, "metamorpho": 0.1})
