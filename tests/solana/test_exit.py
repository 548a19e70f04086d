"""`yieldbot exit` on Solana: every market is left as far as it pays, the rest in later cycles; nothing goes in."""

from __future__ import annotations

from typing import Any

from tests.kit.program import Ended, yieldbot
from tests.kit.solana.world import sandbox as sandbox
from tests.kit.solana.world import wealth, world
from tests.solana.test_thin import DRAINS
from yieldbot.app import cycle
from yieldbot.sandbox.solana.node import SvmSandbox

PAID = 0.4
"""The part of our holding that each market can pay at first."""


def run(sandbox: SvmSandbox, *words: str) -> Ended:
    return yieldbot("--json", *words, cwd=sandbox.directory)


def job(ended: Ended, code: int = 0) -> Any:
    assert ended.code == code, ended.err
    (only,) = ended.document["jobs"]
    return only


async def test_all_of_it_comes_out_in_parts_and_stays_out(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        first = await cycle.run_job(w, w.settings.jobs[0])
        assert first.after is not None and first.declined is None
        held = {state.market.id: state for state in first.after.markets if state.held.raw}
        assert len(held) > 1
        whole = wealth(first)
    for state in held.values():
        DRAINS[state.market.protocol](sandbox, state, int(state.held.raw * PAID))
    waits = job(run(sandbox, "exit", "all"), 3)
    assert waits["declined"]["code"] == "QUEUED" and len(waits["still_in"]) == len(held)
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("[policy]\n", "[policy]\nauto_exit = true\n", 1))
    second = job(run(sandbox, "exit"))
    assert {one["market_id"] for one in second["came_out"]} == set(held)
    left = {one["market_id"]: int(one["held"]["raw"]) for one in second["still_in"]}
    for market_id, state in held.items():
        assert abs(left[market_id] - state.held.raw * (1 - PAID)) < state.held.raw * 0.01, market_id
    for state in held.values():
        DRAINS[state.market.protocol](sandbox, state, 2 * state.held.raw)
    third = job(run(sandbox, "run"))
    assert {one["leg"]["market_id"] for one in third["transactions"]} == set(held) and third["still_in"] == []
    assert {one["leg"]["kind"] for one in third["transactions"]} == {"withdraw"}
    fourth = job(run(sandbox, "run"))
    assert fourth["plan"]["action"] == "hold" and fourth["transactions"] == [], "and nothing goes in again"
    (idle,) = fourth["holdings"]
    assert abs(int(idle["held"]["raw"]) - whole) < whole * 0.001
    assert run(sandbox, "exit", "all", "--stop").document["lifted"][0]["name"] == "all"
    assert job(run(sandbox, "plan"))["plan"]["action"] == "move"
