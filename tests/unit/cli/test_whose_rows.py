"""Tables that name the job and the chain of a row by their names, and leave out jobs that have nothing to show."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from yieldbot.app.history_documents import EventsDocument, JournalEvent
from yieldbot.app.risk_documents import GradeSide, JobRisk, MarketRisk, RiskDocument
from yieldbot.cli.history import _entries
from yieldbot.cli.risk import _shown

CHAIN = "eip155:31337"


def printed(part: Any) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(part)
    return console.export_text()


def test_the_end_of_a_run_names_its_job() -> None:
    body = {"wallet": "main", "assets": ["USDC", "USDT"]}
    head: dict[str, Any] = {"seq": 1, "at": 0, "owner": None, "plan_id": None, "tx_hash": None, "body": body}
    rows = [JournalEvent(kind=kind, chain=CHAIN, text=kind, **head) for kind in ("run.ended", "observed")]
    text = printed(_entries(EventsDocument(journal="j", events=tuple(rows), unchanged=()), {CHAIN: "sandbox"}))
    assert "main: USDC, USDT on sandbox: run.ended" in text and text.count("main") == 1


def test_risk_of_one_market_shows_only_its_jobs_and_the_chains_name() -> None:
    unknown = (f"what chain {CHAIN} is",)
    side = GradeSide.model_construct(name="chain", score=50.0, weight=1.0, evidence=(), missing=unknown)
    one = MarketRisk.model_construct(
        name="Vault", safety=50, letter="C", loss_bps=1.0, loss_low_bps=0.0, loss_high_bps=2.0, quoted=0.05,
        short_mean=0.05, long_mean=0.05, short=1, long=1, advice="", reason="", haircut_bps=None, limits=(),
        components=(side,),
    )  # fmt: skip
    head: dict[str, Any] = {"wallet": "w", "chain": "sandbox", "chain_id": CHAIN, "block": object(), "exposures": ()}
    rows = {"USDC": (one,), "DAI": ()}
    jobs = [JobRisk.model_construct(asset=asset, markets=found, **head) for asset, found in rows.items()]
    document = RiskDocument.model_construct(jobs=tuple(jobs), exposures=())
    text = printed(_shown(document, None, "Vault"))
    assert "what chain sandbox is" in text and CHAIN not in text and "DAI" not in text
    assert "DAI" in printed(_shown(document, None))
