"""Markets whose way out does not work: what the journal keeps of them, and the first real money into one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.evm.trap import MILLION, USDC, trap
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.open import session
from yieldbot.config.load import load
from yieldbot.decision.decide import decide
from yieldbot.errors import InvariantError
from yieldbot.execution.approvals import Auto, DeclineAll
from yieldbot.execution.world import Wiring
from yieldbot.journal.exit_entries import ExitProven, ExitRefused
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.traps import deploy_trap, trap_table


def written(journal: Journal, kind: type[ExitProven] | type[ExitRefused]) -> list[ExitProven | ExitRefused]:
    return [record.entry for record in journal.history() if isinstance(record.entry, kind)]


async def test_a_market_that_cannot_be_left_is_kept_out_until_it_changes(sandbox: Sandbox) -> None:
    market_id = await trap(sandbox, always=True)
    with world(sandbox, DeclineAll) as w:
        job = w.settings.jobs[0]
        report = await cycle.run_job(w, job)
        assert report.rehearsal is not None and report.decision is not None  # the rest was planned and rehearsed
        (refusal,) = written(w.journal, ExitRefused)
        assert isinstance(refusal, ExitRefused) and refusal.market_id == market_id
        assert "exits are closed" in refusal.reason and not refusal.reason.startswith("leg")
        assert written(w.journal, ExitProven) == []  # nothing is proven by a dry run
        again = await cycle.run_job(w, job)
        assert again.decision is not None and len(written(w.journal, ExitRefused)) == 1
        vetoes = {one.market_id: one.vetoes for one in again.decision.assessments}
        assert any("no way out" in veto for veto in vetoes[market_id])
        for words, said in (
            (("check",), "nothing goes in until it changes"),
            (("plan",), "Trap forkaware has no way out: "),
            (("markets",), "no way out: "),
            (("history", "--limit", "0"), "nothing goes in until it changes"),
        ):
            shown = yieldbot(*words, cwd=sandbox.directory, environment={"COLUMNS": "600"}).out
            assert said in shown and "exits are closed" in shown, (words, shown)
        await mend(sandbox, market_id)
        third = await cycle.run_job(w, job)
        assert third.decision is not None and isinstance(third.decision.outcome, Plan)
        (only,) = {one.market_id: one.vetoes for one in third.decision.assessments}[market_id]
        assert "CONTROL_WEAKER" in only and "code changed without warning" in only, "mended, and by whom?"
        trusting = replace(w.settings.policy, alarms=replace(w.settings.policy.alarms, off=("CONTROL_WEAKER",)))
        third = await cycle.run_job(replace(w, settings=replace(w.settings, policy=trusting)), job)
        assert third.decision is not None and isinstance(third.decision.outcome, Plan)
        assert market_id in {leg.market_id for leg in third.decision.outcome.legs}
        assert len(written(w.journal, ExitRefused)) == 1 and third.rehearsal is not None


async def mend(sandbox: Sandbox, market_id: MarketId) -> None:
    """Put other code where the vault is; what it has stays."""
    job = load(sandbox.directory / "yieldbot.toml").jobs[0]
    async with Node(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
        _, vault = await deploy_trap(node, "MendedVault", job.asset.address, history=False)
        code = await node.code(vault.address)
        await node.request("anvil_setCode", [market_id.rpartition("/")[2], "0x" + code.hex()])


async def test_what_came_out_in_a_rehearsal_is_written_down_when_the_money_is_in(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.declined is None and report.after is not None
        proofs = written(w.journal, ExitProven)
        into = {leg.market_id for leg, _ in report.outcomes if leg.kind is LegKind.DEPOSIT}
        assert {proof.market_id for proof in proofs} == into
        last = {proof.market_id: proof for proof in proofs if isinstance(proof, ExitProven) and not proof.on_chain}
        for proof in last.values():
            state = report.after.of(proof.market_id)
            assert abs(proof.up_to.raw - state.held.raw) <= state.held.raw // 10**4 + 4


@pytest.mark.parametrize("keeps_bps", [0, 500])
async def test_a_vault_that_behaves_on_forks_and_traps_on_the_chain_gets_a_hundredth(
    sandbox: Sandbox, keeps_bps: int
) -> None:
    market_id = await trap(sandbox, always=False, keeps_bps=keeps_bps)
    sandbox.rpc("anvil_setCoinbase", "0x" + "c0" * 20)  # forks have none
    try:
        with world(sandbox) as w:
            job = w.settings.jobs[0]
            seen = await cycle.observe_job(w, job)
            plan = await planned(w, job)
            legs = [leg for leg in plan.legs if leg.market_id == market_id]
            assert [leg.kind for leg in legs] == [LegKind.DEPOSIT, LegKind.WITHDRAW, LegKind.DEPOSIT]
            whole = legs[0].amount - legs[1].amount + legs[2].amount
            assert (legs[0].amount.raw, legs[1].amount.raw) == (whole.raw // 100, whole.raw // 200)
            assert any("tried first" in move.reason for move in plan.moves if move.target == market_id)
            if keeps_bps:
                with pytest.raises(InvariantError, match="is stopped"):
                    await cycle.run_job(w, job)
            else:
                report = await cycle.run_job(w, job)
                assert report.failed and report.outcomes[-1][0] == legs[1]
            (refusal,) = written(w.journal, ExitRefused)
            assert isinstance(refusal, ExitRefused) and refusal.on_chain and refusal.market_id == market_id
            after = await cycle.observe_job(w, job)
            gone = seen.wealth(job.asset).raw - after.of(market_id).held.raw - after.idle[0].held.raw
            gone -= sum(state.held.raw for state in after.markets if state.market.id != market_id)
            most = whole.raw // 200 * keeps_bps // 10_000
            assert -100 <= gone <= most + 100  # interest of the blocks between, and rounding
            assert after.of(market_id).held.raw <= whole.raw // 100 + 10
            if not keeps_bps:  # the account is not stopped: the rest goes elsewhere
                again = await cycle.run_job(w, job)
                assert again.decision is not None
                vetoes = {one.market_id: one.vetoes for one in again.decision.assessments}[market_id]
                assert any("no way out" in veto for veto in vetoes)
    finally:
        sandbox.rpc("anvil_setCoinbase", "0x" + "00" * 20)


async def planned(w: Wiring, job: Job) -> Plan:
    async with session(w, job) as live:
        snapshot = await live.with_exits(await live.observe(), w.journal.history(), w.settings.policy)
    found = decide(snapshot, w.settings.policy, job, w.now()).outcome
    assert isinstance(found, Plan), found
    return found


async def test_an_honest_vault_is_tried_once(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        job = w.settings.jobs[0]
        plan = await planned(w, job)
        (drip,) = {leg.market_id for leg in plan.legs if leg.market_id.startswith("erc4626") and is_generic(plan, leg)}
        report = await cycle.run_job(w, job)
        assert report.declined is None and not report.failed and report.after is not None
        target = plan.allocation.targets[drip]
        assert abs(report.after.of(drip).held.raw - target.raw) <= target.raw // 10**5
        tried = [proof for proof in written(w.journal, ExitProven) if isinstance(proof, ExitProven) and proof.on_chain]
        assert [proof.market_id for proof in tried] == [drip]
        async with session(w, job) as live:
            known = await live.with_exits(await live.observe(), w.journal.history(), w.settings.policy)
        assert not known.of(drip).untried
    off = load(sandbox.directory / "yieldbot.toml")
    off = replace(off, policy=replace(off.policy, try_first=()))
    with world(sandbox, Auto, off) as w:
        async with session(w, off.jobs[0]) as live:
            seen = await live.with_exits(await live.observe(), (), off.policy)
        assert not any(state.untried for state in seen.states.values())


async def gift(sandbox: Sandbox, vault: str, admin: str, raw: int) -> None:
    """Income in both halves of the window that the rate is taken from."""
    asset = load(sandbox.directory / "yieldbot.toml").jobs[0].asset.address
    for _ in range(2):
        data = "0xa9059cbb" + vault[2:].lower().rjust(64, "0") + f"{raw:064x}"
        sandbox.rpc("eth_sendTransaction", {"from": admin, "to": asset, "data": data})
        sandbox.rpc("anvil_mine", hex(15), hex(3600))


async def fee_vault(sandbox: Sandbox, entry_bps: int, exit_bps: int, table: str = "") -> tuple[MarketId, str]:
    """A vault in the chain's file that earns, with fees that its previews alone name."""
    job = load(sandbox.directory / "yieldbot.toml").jobs[0]
    async with Node(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
        args = (entry_bps, exit_bps)
        d, vault = await deploy_trap(node, "FeeVault", job.asset.address, *args, deposited_raw=MILLION, history=False)
        await node.request("anvil_mine", [hex(48), hex(3600)])
    await gift(sandbox, vault.address, d.me, 20_000 * USDC)
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text(file.read_text() + trap_table(vault.address) + table)
    text = sandbox.config.read_text()  # the gift makes it quote hundreds of per cent
    sandbox.config.write_text(text.replace("[policy]\n", '[policy]\nalarms = { off = ["SPIKE"] }\n', 1))
    return MarketId(f"erc4626/31337/{vault.address.lower()}"), vault.address


def told_by_vault(sandbox: Sandbox, vault: str, name: str, argument: int | str) -> int:
    raw = int(argument, 16) if isinstance(argument, str) else argument
    data = "0x" + selector(name).hex() + f"{raw:064x}"
    return int(sandbox.rpc("eth_call", {"to": vault, "data": data}, "latest"), 16)


async def test_a_vault_with_fees_is_entered_by_what_leaving_pays(sandbox: Sandbox) -> None:
    """20 bps in, 50 out, which convertToAssets leaves out: declared, in the cost, in what the position is worth, and
    the rehearsed way out and the tried hundredth are compared with them."""
    market_id, vault = await fee_vault(sandbox, 20, 50)
    with world(sandbox) as w:
        job = w.settings.jobs[0]
        plan = await planned(w, job)
        legs = [leg for leg in plan.legs if leg.market_id == market_id]
        assert [leg.kind for leg in legs] == [LegKind.DEPOSIT, LegKind.WITHDRAW, LegKind.DEPOSIT]
        (state,) = [s for s in (await cycle.observe_job(w, job)).markets if s.market.id == market_id]
        assert state.entry_cost_bps == pytest.approx(1e4 * (1 - 0.998 * 0.995), rel=1e-4)
        report = await cycle.run_job(w, job)
        assert report.declined is None and not report.failed and report.after is not None
        held = report.after.of(market_id)
        shares = told_by_vault(sandbox, vault, "balanceOf(address)", sandbox.wallet)
        pays = told_by_vault(sandbox, vault, "previewRedeem(uint256)", shares)
        converts = told_by_vault(sandbox, vault, "convertToAssets(uint256)", shares)
        assert held.held.raw == pays < converts and pays == pytest.approx(converts * 0.995, rel=1e-6)
        target = plan.allocation.targets[market_id]
        assert held.held.raw == pytest.approx(target.raw * 0.998 * 0.995, rel=1e-3)
        proofs = [p for p in written(w.journal, ExitProven) if p.market_id == market_id and isinstance(p, ExitProven)]
        assert {proof.on_chain for proof in proofs} == {True, False}
        (row,) = [
            p
            for one in yieldbot("--json", "positions", cwd=sandbox.directory).document["jobs"]
            for p in one["positions"]
            if p["id"] == market_id
        ]
        assert int(row["held"]["raw"]) == pays
        before = told_by_vault(sandbox, job.asset.address, "balanceOf(address)", sandbox.wallet)
        text = sandbox.config.read_text()
        sandbox.config.write_text(text.replace("erc4626 = 15", "erc4626 = 9000"))
        settings = load(sandbox.config)
    with world(sandbox, Auto, settings) as w:
        left = await cycle.run_job(w, settings.jobs[0])
        assert left.declined is None and not left.failed and left.after is not None
        out = [leg for leg, _ in left.outcomes if leg.market_id == market_id]
        assert [leg.kind for leg in out] == [LegKind.WITHDRAW] and not left.after.of(market_id).held
        got = sum(
            delta.raw
            for leg, outcome in left.outcomes
            if leg.market_id == market_id and isinstance(outcome, Confirmed)
            for delta in outcome.deltas
            if delta.token == job.asset
        )
        assert got == pays and before >= 0, "to the unit what it was said to be worth"


@pytest.mark.parametrize(("exit_bps", "why"), [(500, "fees to 100 bps are let by")])
async def test_a_fee_beyond_what_the_table_lets_by_keeps_new_money_out(
    sandbox: Sandbox, exit_bps: int, why: str
) -> None:
    market_id, _ = await fee_vault(sandbox, 0, exit_bps)
    with world(sandbox, DeclineAll) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.decision is not None and isinstance(report.decision.outcome, Plan)
        assert market_id not in {leg.market_id for leg in report.decision.outcome.legs}
        vetoes = {one.market_id: one.vetoes for one in report.decision.assessments}[market_id]
        assert any("previewRedeem pays" in veto and why in veto for veto in vetoes)


async def test_a_market_is_not_judged_by_what_gas_the_wallet_has_left(sandbox: Sandbox) -> None:
    """Gas for the way in alone: the way out is rehearsed with gas of the fork's own."""
    with world(sandbox, DeclineAll) as w:
        job = w.settings.jobs[0]
        rich = await cycle.run_job(w, job)
        assert rich.rehearsal is not None and rich.rehearsal.gas_used
        need = sum(tx.gas_limit for leg in rich.rehearsal.legs for tx in leg.txs) * rich.rehearsal.fees.max_fee_wei
        sandbox.rpc("anvil_setBalance", sandbox.wallet, hex(need * 102 // 100))
        try:
            poor = await cycle.run_job(w, job)
        finally:
            sandbox.rpc("anvil_setBalance", sandbox.wallet, hex(10**20))
        assert poor.rehearsal is not None and written(w.journal, ExitRefused) == [], poor.declined


def is_generic(plan: Plan, leg: Leg) -> bool:
    return sum(1 for one in plan.legs if one.market_id == leg.market_id) == 3


async def test_cash_that_nobody_sees_is_told_by_a_simulated_holder(sandbox: Sandbox) -> None:
    """All of it lies in a strategy: one that gives it back gets money, one that has lent nearly all out does not."""
    pays = await trap(sandbox, locked_raw=0)
    stuck = await trap(sandbox, a_year=120_000, locked_raw=2_199_000 * USDC)
    off = load(sandbox.directory / "yieldbot.toml")
    off = replace(off, policy=replace(off.policy, try_first=()))
    with world(sandbox, Auto, off) as w:
        job = off.jobs[0]
        blind = await cycle.observe_job(w, job)
        assert all(blind.of(one).cash is None and "cash-unknown" in blind.of(one).flags for one in (pays, stuck))
        report = await cycle.run_job(w, job)
        assert report.snapshot is not None and report.decision is not None
        seen, other = report.snapshot.of(pays), report.snapshot.of(stuck)
        size = int(report.snapshot.wealth(job.asset).raw * off.policy.max_share_market)
        assert seen.cash is not None and abs(seen.cash.raw - size) <= 1000 and "cash-simulated" in seen.flags
        assert other.cash is None and "cash-unknown" in other.flags
        vetoes = {one.market_id: one.vetoes for one in report.decision.assessments}
        assert vetoes[pays] == () and any("cash is not known" in veto for veto in vetoes[stuck])
        into = {leg.market_id for leg, outcome in report.outcomes if leg.kind is LegKind.DEPOSIT}
        assert report.declined is None and not report.failed and pays in into and stuck not in into
        assert report.after is not None and report.after.of(pays).held
