"""Doubles of Moonwell's markets (contracts/doubles/CTokenDouble.sol): one without a cap, one with a cap, one that is
closed."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

FIRST_RATE = 2 * 10**14
"""Moonwell's first exchange rate for USDC: 0.02 USDC for a whole cToken of 8 decimals."""
RESERVE_FACTOR = 10**17
RATES = (0, 61 * 10**15, 9 * 10**18, 9 * 10**17)
"""Moonwell's rate model for USDC: base, slope up to the kink, slope beyond it (a year), and kink."""
CAP, SUPPLIED, BORROWED = 1_200_000, 1_000_000, 800_000


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied to each and 800,000 borrowed, under one comptroller."""
    d, ours, tokens = site.d, site.ours, site.tokens
    comptroller = await d.deploy(ours["ComptrollerDouble"])
    model = await d.deploy(ours["SecondsJumpRateDouble"], *RATES)

    async def market(symbol: str) -> Contract:
        where = (symbol, tokens.usdc.address, comptroller.address, model.address)
        made = await d.deploy(ours["SecondsCTokenDouble"], *where, FIRST_RATE, RESERVE_FACTOR)
        await d.send(tokens.usdc, "approve", made.address, MAX_UINT256)
        await d.send(made, "mint", SUPPLIED * USDC_ONE)
        await d.send(made, "borrow", BORROWED * USDC_ONE, sender=d.accounts[1])
        return made

    markets = {name: await market(f"m{name}") for name in ("USDC", "Capped", "Closed")}
    await d.send(comptroller, "cap", markets["Capped"].address, CAP * USDC_ONE)
    await d.send(comptroller, "pauseMint", markets["Closed"].address, True)
    isolated = await _isolated(site)
    names = {"USDC": "Moonwell (double)", "Capped": "Moonwell Capped (double)", "Closed": "Moonwell Closed (double)"}
    row = {"protocol": "compound_v2", "comptroller": comptroller.address}
    tables = [row | {"name": names[key], "markets": [made.address]} for key, made in markets.items()]
    where = {"protocol": "compound_v2", "comptroller": isolated["venus_comptroller"].address}
    tables.append(where | {"name": "Venus isolated (double)", "markets": [isolated["venus_isolated"].address]})
    return Deployed(
        tables=tables,
        addresses={name: one.address for name, one in isolated.items()}
        | {"moonwell_comptroller": comptroller.address, "moonwell_model": model.address}
        | {f"moonwell_{key.lower()}": made.address for key, made in markets.items()},
    )


async def _isolated(site: Site) -> dict[str, Contract]:
    """A market of an isolated pool with a cap, which counts seconds in functions named after blocks."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    comptroller = await d.deploy(ours["IsolatedComptrollerDouble"])
    model = await d.deploy(ours["IsolatedRateDouble"], *RATES, 31_536_000)
    where = ("vUSDC", usdc.address, comptroller.address, model.address)
    made = await d.deploy(ours["IsolatedVTokenDouble"], *where, FIRST_RATE, RESERVE_FACTOR, True)
    await d.send(comptroller, "cap", made.address, CAP * USDC_ONE)
    await d.send(usdc, "approve", made.address, MAX_UINT256)
    await d.send(made, "mint", SUPPLIED * USDC_ONE)
    await d.send(made, "borrow", BORROWED * USDC_ONE, sender=d.accounts[1])
    return {"venus_comptroller": comptroller, "venus_isolated": made}


SANDBOX = SandboxProtocol(protocol="compound_v2", deploy=deploy, tolerance_bp={"compound_v2": 0.01})
