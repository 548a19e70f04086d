"""Doubles of Morpho Vaults V2 (contracts/doubles/VaultV2Double.sol) over the sandbox's real Morpho Blue: one that lends
in both markets itself, one over the MetaMorpho vault."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

NO_CAP = 2**128 - 1
MAX_RATE = 2 * WAD // 31_536_000
"""The highest that the real vault allows: 200 % a year, per second."""
PERFORMANCE_FEE, MANAGEMENT_FEE = 15 * 10**16, 10**14 // 31_536_000
PENALTY = 10**16
CAP = 2_000_000
"""The cap of the market that deposits go to, in whole tokens."""


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC in each: of the first 600,000 in the market that deposits go to, 300,000 in the other, and 100,000
    idle."""
    from eth_abi.abi import encode

    d, ours, tokens, at = site.d, site.ours, site.tokens, site.addresses
    types = "(address,address,address,address,uint256)"
    usdc = tokens.usdc.address

    async def params(letter: str) -> bytes:
        blue = Contract(at["morpho"], [TERMS])
        return await d.read(blue, "idToMarketParams", bytes.fromhex(at[f"morpho_market_{letter}"][2:]))

    async def vault(symbol: str) -> Contract:
        made = await d.deploy(ours["VaultV2Double"], usdc, symbol, 6)
        await d.send(made, "setMaxRate", MAX_RATE)
        await d.send(made, "setFees", PERFORMANCE_FEE, MANAGEMENT_FEE, d.accounts[9])
        await d.send(tokens.usdc, "approve", made.address, MAX_UINT256)
        return made

    async def cap(made: Contract, data: bytes, most: int, part: int = WAD) -> None:
        await d.send(made, "setCaps", data, most, part)

    first, over = await vault("v2USDC"), await vault("v2mmUSDC")
    lends = await d.deploy(ours["MarketAdapterDouble"], first.address, at["morpho"], at["irm"])
    one, other = await params("a"), await params("b")
    await cap(first, encode(["string", "address"], ["this", lends.address]), NO_CAP)
    await cap(first, encode(["string", "address"], ["collateralToken", tokens.weth.address]), NO_CAP)
    for data, most in ((one, CAP * USDC_ONE), (other, NO_CAP)):
        (of,) = decode_params(data)
        await cap(first, encode(["string", "address", types], ["this/marketParams", lends.address, of]), most)
    await d.send(first, "addAdapter", lends.address)
    await d.send(first, "setPenalty", lends.address, PENALTY)
    await d.send(first, "deposit", 400_000 * USDC_ONE, d.me)
    await d.send(first, "allocate", lends.address, other, 300_000 * USDC_ONE)
    await d.send(first, "setLiquidityAdapterAndData", lends.address, one)
    await d.send(first, "deposit", 600_000 * USDC_ONE, d.me)

    below = await d.deploy(ours["VaultAdapterDouble"], over.address, at["metamorpho"])
    await cap(over, encode(["string", "address"], ["this", below.address]), NO_CAP)
    await d.send(over, "addAdapter", below.address)
    await d.send(over, "setLiquidityAdapterAndData", below.address, b"")
    await d.send(over, "deposit", 1_000_000 * USDC_ONE, d.me)
    where = {"protocol": "morpho_vault_v2", "morpho": at["morpho"], "irm": at["irm"]}
    return Deployed(
        tables=[where | {"name": "Morpho V2 (double)", "vaults": [first.address, over.address]}],
        addresses={"vault_v2": first.address, "vault_v2_over": over.address, "vault_v2_adapter": lends.address},
    )


TERMS = {
    "type": "function",
    "name": "idToMarketParams",
    "stateMutability": "view",
    "inputs": [{"name": "id", "type": "bytes32"}],
    "outputs": [{"name": "", "type": "bytes"}],
}


def decode_params(data: bytes) -> tuple[tuple[str, str, str, str, int]]:
    """The market's parameters, from their encoding."""
    from eth_abi.abi import decode

    (found,) = decode(["(address,address,address,address,uint256)"], data)
    return ((found[0], found[1], found[2], found[3], found[4]),)


SANDBOX = SandboxProtocol(protocol="morpho_vault_v2", deploy=deploy, tolerance_bp={"morpho_vault_v2": 0.1})
