"""A job over USDC and DAI whose swap goes through Balancer's doubles: two allowances, and neither is left."""

from __future__ import annotations

from pathlib import Path

from tests.kit.contracts import call
from tests.kit.evm.several_assets import BASE
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import sandboxed


async def test_a_plans_swap_goes_through_balancer_to_the_unit(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, exchanges=("balancer_v3",)) as sandbox:
        sandbox.config.write_text(sandbox.config.read_text().replace('asset = "USDC"', 'base = "USD"') + BASE)
        chain = sandbox.directory / "chains" / "sandbox.toml"
        text = chain.read_text()
        for router in ("uniswap_router", "v4_router"):
            line = f'router = "{sandbox.addresses[router]}"\n'
            assert line in text
            text = text.replace(line, "")
        chain.write_text(text)
        with world(sandbox) as w:
            report = await cycle.run_job(w, w.settings.jobs[0])
            assert report.declined is None and report.decision is not None and report.rehearsal is not None
            plan = report.decision.outcome
            assert isinstance(plan, Plan)
            (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
            first, second, third = report.rehearsal.lines[:3]
            assert first == f"allow Permit2 to take exactly {swap.amount}"
            assert second.startswith("let Balancer v3 (double) ") and "by Permit2, until " in second
            assert third.startswith(f"swap {swap.amount} for at least ") and "Balancer v3 (double)" in third
            (expected,) = plan.allocation.swaps
            swapped = report.outcomes[2][1]
            assert isinstance(swapped, Confirmed)
            changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
            assert changed["USDC"] == -swap.amount.raw and changed["DAI"] == expected.gets.raw, "to the unit"
        usdc, permit2 = sandbox.addresses["usdc"], sandbox.addresses["permit2"]
        router = sandbox.addresses["balancer_router"]
        token = call(sandbox, usdc, "allowance(address,address)", sandbox.wallet, permit2)
        onward = call(sandbox, permit2, "allowance(address,address,address)", sandbox.wallet, usdc, router)
        assert not any(token) and not any(onward[:32])
