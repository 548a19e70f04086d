"""``markets``, ``positions`` and ``plan`` as use cases: no terminal and no node, only what a chain's session tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.config.files import written
from tests.kit.market_builder import CHAIN, OWNER, USDC, kinked, market, snapshot
from yieldbot.app import liquidity, overview
from yieldbot.app.context import Context
from yieldbot.app.document import SCHEMAS
from yieldbot.app.liquidity_documents import PoolsDocument
from yieldbot.app.market_documents import JobMarkets, YieldsDocument
from yieldbot.app.market_view import View
from yieldbot.app.markets import MarketsAnswer, MarketsRequest, markets
from yieldbot.app.parts import JobHead
from yieldbot.app.plan import PlanRequest, plan
from yieldbot.app.plan_documents import JobPlan, PlanDocument
from yieldbot.app.plan_parts import Hold, Plan
from yieldbot.app.position_documents import JobPositions, PositionsDocument
from yieldbot.app.positions import PositionsRequest, positions
from yieldbot.app.whatif import WhatIf
from yieldbot.app.wiring import JobFilter
from yieldbot.errors import ConfigError, TransientError
from yieldbot.journal.fold import Record
from yieldbot.model.market import Quarantined, Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job

HELD = market("a", kinked(1e6, 8e5), held=10_000)
FREE = market("b", kinked(1e6, 8.9e5))
SEEN = replace(
    snapshot(5_000, HELD, FREE), quarantined=(Quarantined(market("c", kinked(1e6, 1e5)).market, "no answer"),)
)
HEAD = ["wallet", "owner", "chain", "chain_id", "asset", "base", "assets", "skipped", "block"]


class Live:
    """A chain's session that has read SEEN."""

    left_out = (("one.example", "it lags behind"),)
    round_trips = 3

    async def verify_chain(self) -> None: ...

    async def observe(self, records: tuple[Record, ...], full: object = ()) -> Snapshot:
        return SEEN

    async def with_exits(self, found: Snapshot, records: tuple[Record, ...], policy: Policy) -> Snapshot:
        return found


class Quiet(Context):
    """Keeps what is told."""

    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quiet:
    """Two jobs: the chain of one is served."""
    made = Quiet(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))
    (job,) = made.settings.jobs
    served = replace(job, wallet=replace(job.wallet, address=OWNER), chain=replace(job.chain, chain=CHAIN), asset=USDC)
    other = replace(served, chain=replace(served.chain, name="away"))

    @asynccontextmanager
    async def watch(job: Job) -> AsyncIterator[Live]:
        if job.chain.name == "away":
            raise TransientError("nobody answers")
        yield Live()

    def jobs_of(wanted: JobFilter, context: Context) -> tuple[Job, ...]:
        return tuple(job for job in (served, other) if wanted.chain in (None, job.chain.name))

    monkeypatch.setattr(overview, "watch", watch)
    for module in (overview, liquidity):
        monkeypatch.setattr(module, "jobs_of", jobs_of)
    return made


def written_down(document: Any) -> dict[str, Any]:
    """As --json has it."""
    found: dict[str, Any] = json.loads(json.dumps(document.as_json(), allow_nan=False))
    return found


def test_markets_of_a_chain_that_is_served_and_of_one_that_is_not(context: Quiet) -> None:
    found = markets(MarketsRequest(), context)
    assert (
        isinstance(found, MarketsAnswer)
        and found.exit_code == 1
        and [job.chain.name for job, _ in found.skipped] == ["away"]
    )
    (listed,) = found.listed
    assert listed.snapshot == SEEN and context.lines == [
        "testnet: RPC endpoint one.example is left out: it lags behind"
    ]
    first, second = found.document.jobs
    assert isinstance(first, JobMarkets) and type(second) is JobHead and second.skipped == "nobody answers"
    assert [one.id for one in first.markets] == [HELD.market.id, FREE.market.id]
    assert first.markets[0].held.text == "10000.000000" and first.markets[0].status == "active"
    assert [(one.name, one.reason) for one in first.quarantined] == [("c", "no answer")]
    text = written_down(found.document)
    assert list(text) == ["schema", "horizon_seconds", "risk_free", "jobs"] and text["schema"] == "yieldbot/markets/v1"
    assert list(text["jobs"][0]) == [*HEAD, "markets", "quarantined", "glanced"] and list(text["jobs"][1]) == HEAD
    fields = {name: text[name] for name in ("horizon_seconds", "risk_free", "jobs")}
    assert YieldsDocument.model_validate(fields) == found.document


def test_markets_for_an_amount_and_of_a_kind(context: Quiet) -> None:
    here = JobFilter(chain="testnet")
    found = markets(MarketsRequest(jobs=here, amount="1000", kind="vault"), context)
    (job,) = found.document.jobs
    assert isinstance(job, JobMarkets) and not job.markets and found.exit_code == 0
    (job,) = markets(MarketsRequest(jobs=here, amount="1000", kind="lending"), context).document.jobs
    assert isinstance(job, JobMarkets)
    assert {one.id: one.after_deposit_of.text for one in job.markets}[FREE.market.id] == "1000.000000"
    with pytest.raises(ConfigError, match="--amount"):
        markets(MarketsRequest(jobs=here, amount="1,000"), context)
    with pytest.raises(ConfigError, match="--kind idle"):
        markets(MarketsRequest(kind="idle"), context)


def test_markets_have_their_grade_and_can_be_filtered_by_it(context: Quiet) -> None:
    here = JobFilter(chain="testnet")
    (job,) = markets(MarketsRequest(jobs=here), context).document.jobs
    assert isinstance(job, JobMarkets) and len(job.markets) == 2
    for one in job.markets:
        assert one.safety is not None and one.letter and one.loss_bps and one.loss_bps >= 24.0
    most = max(one.safety for one in job.markets if one.safety is not None)
    (job,) = markets(MarketsRequest(jobs=here, min_safety=most), context).document.jobs
    assert isinstance(job, JobMarkets) and {one.safety for one in job.markets} == {most}
    (job,) = markets(MarketsRequest(jobs=here, min_safety=most + 1), context).document.jobs
    assert isinstance(job, JobMarkets) and not job.markets
    with pytest.raises(ConfigError, match="--min-safety 101: write a grade from 0 to 100"):
        markets(MarketsRequest(jobs=here, min_safety=101), context)
    with pytest.raises(ConfigError, match="pools have no safety grade"):
        markets(MarketsRequest(jobs=here, kind="lp", min_safety=50), context)
    for flag, value in (("sort", "quoted"), ("top", 1), ("min_supplied", "1"), ("exit_within_hours", 0.0)):
        with pytest.raises(ConfigError, match="pools are not filtered or sorted"):
            markets(MarketsRequest(jobs=here, kind="lp", view=View(**{flag: value})), context)


def test_positions_without_a_journal_are_shown_as_held(context: Quiet) -> None:
    found = positions(PositionsRequest(), context)
    served, skipped = found.jobs
    assert found.exit_code == 1 and skipped.skipped == "nobody answers" and skipped.snapshot is None
    assert [row.state.market.id for row in served.positions] == [HELD.market.id] and not served.earned
    first, second = found.document.jobs
    assert isinstance(first, JobPositions) and type(second) is JobHead
    (row,) = first.positions
    assert (row.held.text, row.since, row.earned, row.pnl, row.pnl_unknown) == ("10000.000000", None, None, None, None)
    assert first.idle is not None and first.idle.text == "5000.000000"
    text = written_down(found.document)
    assert list(text["jobs"][0]) == [
        *HEAD, "positions", "closed", "rewards", "reward_flags", "idle", "quarantined", "exposures"
    ]  # fmt: skip
    assert text["liquidity"] == [] and not (context.settings.data_dir / "journal.sqlite").exists()


def test_a_plan_and_what_if(context: Quiet) -> None:
    found = plan(PlanRequest(), context)
    first, second = found.document.jobs
    assert isinstance(first, JobPlan) and type(second) is JobHead and found.exit_code == 1
    assert isinstance(first.plan, Plan) and first.plan.moves and found.document.what_if is None
    assert [one.market_id for one in first.ways_out] == [HELD.market.id, FREE.market.id]
    assert list(written_down(found.document)["jobs"][0]) == [
        *HEAD,
        "quarantined",
        "ways_out",
        "plan",
        "forecasts",
        "bound_of",
        "contradicted",
        "alarms",
    ]
    here = JobFilter(chain="testnet")
    held = plan(PlanRequest(jobs=here, what_if=WhatIf(exclude=("lend",))), context)
    (job,) = held.document.jobs
    assert held.exit_code == 0 and isinstance(job, JobPlan) and isinstance(job.plan, Hold | Plan)
    assert held.document.what_if is not None and held.document.what_if.exclude == ("lend",)
    with pytest.raises(ConfigError, match="--exclude nothing"):
        plan(PlanRequest(jobs=here, what_if=WhatIf(exclude=("nothing",))), context)


def test_pools_where_no_chain_has_any(context: Quiet) -> None:
    found = markets(MarketsRequest(kind="lp"), context)
    assert isinstance(found, liquidity.PoolsAnswer) and not found.shown and found.exit_code == 0
    assert written_down(found.document) == {
        "schema": "yieldbot/markets/v1", "horizon_seconds": 14 * 86_400.0, "kind": "lp", "jobs": []
    }  # fmt: skip


def test_schemas_are_known_by_their_names() -> None:
    assert {"yieldbot/markets/v1", "yieldbot/positions/v1", "yieldbot/plan/v1"} <= SCHEMAS.keys()


def test_every_field_is_explained() -> None:
    for document in (YieldsDocument, PoolsDocument, PositionsDocument, PlanDocument):
        schema = document.model_json_schema()
        for part in (schema, *schema["$defs"].values()):
            for name, field in part["properties"].items():
                assert field.get("description"), f"{part['title']}.{name}"
