"""A job over USDC and DAI whose swap goes through a real Uniswap v4 pool: two allowances, and neither is left."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.kit.contracts import call
from tests.kit.evm.several_assets import BASE
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def dollars(sandbox: Sandbox) -> Sandbox:
    """The sandbox with one job over both of its dollars; Uniswap v3 has no router, so that swaps go to v4."""
    sandbox.config.write_text(sandbox.config.read_text().replace('asset = "USDC"', 'base = "USD"') + BASE)
    chain = sandbox.directory / "chains" / "sandbox.toml"
    text, line = chain.read_text(), f'router = "{sandbox.addresses["uniswap_router"]}"\n'
    assert line in text
    chain.write_text(text.replace(line, ""))
    return sandbox


def allowed(sandbox: Sandbox) -> tuple[int, int]:
    """What Permit2 may take of our USDC, and the router by Permit2."""
    usdc, permit2, router = (sandbox.addresses[name] for name in ("usdc", "permit2", "v4_router"))
    token = call(sandbox, usdc, "allowance(address,address)", sandbox.wallet, permit2)
    onward = call(sandbox, permit2, "allowance(address,address,address)", sandbox.wallet, usdc, router)
    return int.from_bytes(token, "big"), int.from_bytes(onward[:32], "big")


async def test_a_plans_swap_goes_through_v4_to_the_unit(dollars: Sandbox) -> None:
    with world(dollars) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.declined is None and report.decision is not None and report.rehearsal is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan)
        (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
        first, second, third = report.rehearsal.lines[:3]
        assert first == f"allow Permit2 to take exactly {swap.amount}"
        assert second.startswith(f"let Uniswap v4 0.10%/20 take exactly {swap.amount} by Permit2, until ")
        assert third.startswith(f"swap {swap.amount} for at least ") and third.endswith("on Uniswap v4 0.10%/20")
        (expected,) = plan.allocation.swaps
        swapped = report.outcomes[2][1]
        assert isinstance(swapped, Confirmed)
        changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
        assert changed["USDC"] == -swap.amount.raw and changed["DAI"] == expected.gets.raw, "to the unit"
    assert allowed(dollars) == (0, 0)


async def test_both_allowances_are_taken_back_when_the_approval_ends_on_the_way(dollars: Sandbox) -> None:
    with world(dollars) as w:
        journal = w.journal
        ended = replace(w, now=lambda: int(time.time()) + (10**6 if len(journal.transactions()) >= 2 else 0))
        report = await cycle.run_job(ended, w.settings.jobs[0])
        assert report.declined is not None and report.declined.code == "EXPIRED", report.declined
        words = [tx.signed.words for tx in journal.transactions()]
        assert [line.split(" USDC")[0].split()[0] for line in words] == ["allow", "let", "take", "take"]
        assert words[2:] == [
            "take back Permit2's allowance of USDC",
            "take back what Permit2 lets Uniswap v4 0.10%/20 take of USDC",
        ]
    assert allowed(dollars) == (0, 0)
