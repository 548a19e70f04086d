"""No new money by any interface: what-ifs of REST, MCP and the command line call the use case that judges markets
first, and interfaces have no other way to a decision."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

import yieldbot
from tests.kit import ROOT
from tests.kit.api.served import Served
from tests.kit.market_builder import CHAIN, USDC, kinked, market, snapshot, usdc
from tests.kit.risk.protections import JOB
from tests.unit.app import test_overview
from yieldbot.access.caller import Caller, Scope
from yieldbot.app.context import Context
from yieldbot.app.memory import FOLDER
from yieldbot.app.plan import PlanRequest, plan
from yieldbot.app.whatif import WhatIf
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.mcp.server import server
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

BEST = market("best", kinked(1e7, 8e6, low=0.12), borrowed=8e6, liquidity=2e6)
BEST = replace(BEST, supplied=usdc(1e7))
NEXT = replace(market("next", kinked(1e7, 8e6, low=0.06), borrowed=8e6, liquidity=2e6), supplied=usdc(1e7))
LOCKED = replace(BEST, borrowed=usdc(9.9e6))
"""By the chain alone: no alarm is in the snapshot that the session reads."""


def put_in(document: dict[str, Any], key: str) -> int:
    """The largest target of a market in a document of plans, in base units."""
    jobs = [job for job in document["jobs"] if job.get("plan")]
    assert jobs and all(job["plan"] for job in jobs)
    targets = [
        int(one["amount"]["raw"])
        for job in jobs
        for one in (job["plan"]["allocation"] or {"targets": ()})["targets"]
        if one["market_id"] == key
    ]
    return max(targets, default=0)


@pytest.mark.parametrize(("state", "enters"), [(BEST, True), (LOCKED, False)])
async def test_what_ifs_of_every_interface_judge_first(
    context: Context, monkeypatch: pytest.MonkeyPatch, state: Any, enters: bool
) -> None:
    monkeypatch.setattr(test_overview, "SEEN", snapshot(5_000, state, NEXT))
    served = Served(context)
    asked = {"wealth": "70000", "max_share": 1.0}
    headers = served.key("plan") | {"Idempotency-Key": "what-if-1"}
    found = served.client.post("/v1/plans", json={"what_if": asked}, headers=headers)
    assert found.status_code == 200, found.text
    own = PlanRequest(what_if=WhatIf(wealth="70000", max_share=1.0))
    document = (await asyncio.to_thread(plan, own, context)).document
    caller = Caller("assistant", frozenset((Scope.READ, Scope.PLAN)))
    async with Client(server(served.service, lambda: caller)) as client:
        tool = await client.call_tool("what_if", asked)
    documents = [found.json(), tool.structured_content, document.as_json()]
    key = str(BEST.market.id)
    for document in documents:
        assert (put_in(document, key) > 0) is enters, document


@pytest.mark.parametrize("remembered", [True, False])
def test_the_librarys_decision_raises_alarms_too(tmp_path: Path, remembered: bool) -> None:
    """Of the snapshot alone, and with a data directory of what memory saw five hours ago."""
    policy = Policy(max_share_market=1.0)
    key = MarketKey(chain=CHAIN, market=BEST.market.id, asset="USDC", asset_address=USDC.address.lower())
    row = Reading(key=key, time=BEST.block.timestamp - 5 * 3600, utilisation=0.99, supplied=1e7, cash=1e5)
    assert not Store(tmp_path / FOLDER).append([row]).failure
    state, where = (BEST, tmp_path) if remembered else (LOCKED, None)
    for data_dir, barred in ((where, True), (None, not remembered)):
        seen = snapshot(5_000, state, NEXT)
        found = yieldbot.decide(seen, policy, JOB, now=BEST.block.timestamp, data_dir=data_dir)
        assert isinstance(found.outcome, Plan)
        assert (found.outcome.legs[0].market_id == NEXT.market.id) is barred


DECIDES = ("decide", "decide_exits", "decide_claims", "assess", "allocate")
ROOMS = ("yieldbot.decision", "yieldbot.allocator")
JUDGES = {"cycle.py", "library.py", "overview.py", "paper.py", "watch.py"}
"""Use cases that judge a snapshot, and decide on what was judged."""
GIVEN = {
    "plan.py": "overview",
    "markets.py": "overview",
    "exit.py": "cycle",
    "claims.py": "cycle",
    "run.py": "cycle",
}
"""Use cases that take a judged snapshot from one of those."""


def _used(file: Any) -> set[str]:
    """Functions that decide, as far as a module imports them."""
    text = file.read_text(encoding="utf-8")
    if not any(name in text for name in DECIDES):  # else all files are parsed
        return set()
    return {
        name.name
        for one in ast.walk(ast.parse(text))
        if isinstance(one, ast.ImportFrom) and (one.module or "").startswith(ROOMS)
        for name in one.names
        if name.name in DECIDES
    }


def test_who_decides_judges_before() -> None:
    """By the imports: an interface imports no room that decides (the contracts in pyproject.toml), and each use case
    that does so judges, or has its snapshot from one that does."""
    deciding = {file.name for file in (ROOT / "yieldbot" / "app").glob("*.py") if _used(file)}
    unknown = deciding - JUDGES - set(GIVEN)
    assert not unknown, f"{unknown} decide: do they judge the markets first?"
    for name in JUDGES & deciding:
        text = (ROOT / "yieldbot" / "app" / name).read_text(encoding="utf-8")
        assert "judged(" in text or "with_alarms(" in text, name
    for name, source in GIVEN.items():
        if name in deciding:
            assert source in (ROOT / "yieldbot" / "app" / name).read_text(encoding="utf-8"), name
    for room in ("api", "mcp", "notify", "cli", "signer"):
        for file in (ROOT / "yieldbot" / room).rglob("*.py"):
            assert not _used(file), file
