"""A double of a Maple pool of USDC (contracts/doubles/MapleDouble.sol) with most of its money lent at 9 % a year."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

SUPPLIED, LENT, CAP = 1_000_000, 700_000, 4_000_000
RATE = 0.09


async def deploy(site: Site) -> Deployed:
    """1,000,000 USDC supplied, 700,000 of it lent."""
    d, ours, usdc = site.d, site.ours, site.tokens.usdc
    manager = await d.deploy(ours["MapleManagerDouble"])
    pool = await d.deploy(ours["MaplePoolDouble"], usdc.address, manager.address)
    queue = await d.deploy(ours["MapleQueueDouble"], pool.address)
    await d.send(manager, "set", pool.address, queue.address, CAP * USDC_ONE)
    loans = await d.deploy(ours["MapleLoansDouble"])
    await d.send(manager, "add", loans.address)
    await d.send(usdc, "approve", pool.address, MAX_UINT256)
    await d.send(pool, "deposit", SUPPLIED * USDC_ONE, d.me)
    a_second = int(LENT * USDC_ONE * RATE * 10**27 / SECONDS_PER_YEAR)
    await d.send(pool, "fund", loans.address, LENT * USDC_ONE, a_second)
    found = {"maple_pool": pool, "maple_manager": manager, "maple_queue": queue, "maple_loans": loans}
    return Deployed(
        tables=[{"protocol": "maple", "name": "Maple (double)", "pools": [pool.address]}],
        addresses={name: one.address for name, one in found.items()},
    )


SANDBOX = SandboxProtocol(protocol="maple", deploy=deploy, tolerance_bp={"maple": 0.01})
