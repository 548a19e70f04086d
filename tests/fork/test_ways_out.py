"""Markets whose way out does not work: what the journal keeps of them, and the first real money into one."""

from __future__ import annotations

from tests.fork.test_main_job import world
from tests.unit.cli.program import yieldbot
from yieldbot import cycle
from yieldbot.config.load import load
from yieldbot.execution.approve import DeclineAll
from yieldbot.journal.events import ExitProven, ExitRefused
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import LegKind, Plan
from yieldbot.rpc.evm import EvmNode
from yieldbot.sandbox.node import Sandbox
from yieldbot.sandbox.traps import deploy_trap, trap_table

USDC = 10**6
MILLION = 1_000_000 * USDC
YEAR = 31_536_000


async def trap(sandbox: Sandbox, *, always: bool, keeps_bps: int = 0, a_year: int = 90_000) -> MarketId:
    """A vault that pays more than the sandbox's others and does not let money out, in the chain's file."""
    settings = load(sandbox.directory / "yieldbot.toml")
    job = settings.jobs[0]
    async with EvmNode(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
        args = (a_year * USDC // YEAR, always, keeps_bps)
        name = "ForkAwareVault"
        d, vault = await deploy_trap(node, name, job.asset.address, *args, deposited_raw=MILLION, history=False)
        await d.send(vault, "fund", 10 * a_year * USDC)
        await node.request("anvil_mine", [hex(48), hex(3600)])
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text(file.read_text() + trap_table(vault.address))
    return MarketId(f"erc4626/31337/{vault.address.lower()}")


def written(journal: Journal, kind: type[ExitProven] | type[ExitRefused]) -> list[ExitProven | ExitRefused]:
    return [record.event for record in journal.history() if isinstance(record.event, kind)]


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
            (("plan",), f"({market_id}) has no way out: "),
            (("markets",), "no way out: "),
            (("history", "--limit", "0"), "nothing goes in until it changes"),
        ):
            shown = yieldbot(*words, cwd=sandbox.directory, environment={"COLUMNS": "600"}).out
            assert said in shown and "exits are closed" in shown, (words, shown)
        await mend(sandbox, market_id)
        third = await cycle.run_job(w, job)
        assert third.decision is not None and isinstance(third.decision.outcome, Plan)
        assert {one.market_id: one.vetoes for one in third.decision.assessments}[market_id] == ()
        assert market_id in {leg.market_id for leg in third.decision.outcome.legs}
        assert len(written(w.journal, ExitRefused)) == 1 and third.rehearsal is not None


async def mend(sandbox: Sandbox, market_id: MarketId) -> None:
    """Put other code where the vault is; what it has stays."""
    job = load(sandbox.directory / "yieldbot.toml").jobs[0]
    async with EvmNode(job.chain.chain, sandbox.rpc_url, multicall3=job.chain.multicall3) as node:
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
        for proof in proofs:
            assert isinstance(proof, ExitProven)
            state = report.after.of(proof.market_id)
            assert abs(proof.up_to.raw - state.held.raw) <= state.held.raw // 10**4 + 4
