"""ERC-4626 vaults that pay a fixed sum a year (contracts/DripVault.sol), of USDC and of DAI."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import Artifact
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import DAI_ONE, USDC_ONE


async def deploy(site: Site) -> Deployed:
    """One vault of each token; the vaults of Aave and Morpho are deployed with those protocols."""
    vault = site.ours["DripVault"]
    usdc = await _drip(site.d, vault, "USDC", site.tokens.usdc, USDC_ONE, 45_000)
    dai = await _drip(site.d, vault, "DAI", site.tokens.dai, DAI_ONE, 105_000)
    terms = {"flavour": "generic", "lookback_blocks": 40}
    return Deployed(
        tables=[
            {"protocol": "erc4626", "name": "Drip Vault", "vaults": [usdc.address], **terms},
            {"protocol": "erc4626", "name": "DAI Drip Vault", "vaults": [dai.address], **terms, "assets": ["DAI"]},
        ],
        addresses={"drip": usdc.address, "dai_drip": dai.address},
    )


async def _drip(d: Deployer, vault: Artifact, symbol: str, token: Contract, one: int, a_year: int) -> Contract:
    """A vault with 1,000,000 deposited, which pays a fixed number of whole tokens a year to all holders, for ten
    years."""
    drip = await d.deploy(vault, token.address, a_year * one // 31_536_000, f"dv{symbol}")
    await d.send(token, "approve", drip.address, MAX_UINT256)
    await d.send(drip, "deposit", 1_000_000 * one, d.me)
    # After the deposit, since income without a holder would make the first share expensive.
    await d.send(drip, "fund", 10 * a_year * one)
    return drip


SANDBOX = SandboxProtocol(protocol="erc4626", deploy=deploy)
