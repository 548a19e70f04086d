"""An ERC-4626 vault of USDC whose deposits and exits are requests (EIP-7540; contracts/doubles/AsyncVault.sol), which
are served by themselves a day later. New money is put into it where ``policy.by_request`` names it."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

SERVED_AFTER = 86_400
SUPPLIED, A_YEAR, YEARS = 1_000_000, 80_000, 10


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC deposited, which earn 80,000 a year for ten years."""
    d, usdc = site.d, site.tokens.usdc
    vault = await d.deploy(site.ours["AsyncVault"], usdc.address, True)
    await d.send(usdc, "approve", vault.address, MAX_UINT256)
    await d.send(vault, "requestDeposit", SUPPLIED * USDC_ONE, d.me, d.me)
    await d.send(vault, "serveDeposit", d.me)
    await d.send(vault, "deposit(uint256,address)", SUPPLIED * USDC_ONE, d.me)
    await d.send(vault, "drip", YEARS * A_YEAR * USDC_ONE, A_YEAR * USDC_ONE // SECONDS_PER_YEAR)
    await d.send(vault, "setServeAfter", SERVED_AFTER)
    table = {"protocol": "erc4626", "name": "Vault by request (double)", "vaults": [vault.address]}
    terms = {"flavour": "generic", "lookback_blocks": 40}
    return Deployed(tables=[{**table, **terms}], addresses={"async_vault": vault.address})


SANDBOX = SandboxProtocol(protocol="erc4626", name="erc7540", deploy=deploy)
