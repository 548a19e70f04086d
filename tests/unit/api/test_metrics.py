"""Metrics: what an operator watches, by names that do not grow with what strangers send."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from tests.kit.api.served import Served
from tests.kit.journal.store import CHAIN, plan, signed
from tests.kit.journal.store import OWNER as OWNER_OF_PLAN
from tests.kit.market_builder import OWNER
from yieldbot.app.positions import PositionsRequest, positions
from yieldbot.app.workers import WorkerFailed
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSettled
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Expired


def figures(served: Served, key: dict[str, str]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = served.client.get("/v1/metrics", headers=key)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_state_and_money(served: Served) -> None:
    key = served.key("read")
    found = figures(served, key)
    assert 0 <= found[("yieldbot_last_reading_age_seconds", ())] < 60
    assert found[("yieldbot_halted", ())] == 0.0 and found[("yieldbot_reading_failing", ())] == 0.0
    (chain,) = {dict(labels)["chain"] for name, labels in found if name == "yieldbot_markets"}
    assert found[("yieldbot_markets", (("chain", chain),))] == 2.0
    place = (("asset", "USDC"), ("chain", chain), ("wallet", "main"))
    assert found[("yieldbot_held_tokens", place)] == 10_000.0 and 0 < found[("yieldbot_held_apy", place)] < 1
    jobs = positions(PositionsRequest(), served.service.context).document.as_json()["jobs"]
    (idle,) = (float(one["idle"]["text"]) for one in jobs if one.get("idle"))
    assert found[("yieldbot_wealth_tokens", place)] == 10_000.0 + idle
    served.answers = {"newest": WorkerFailed("down", "TransientError")}
    served.read()
    served.service.halt("")
    found = figures(served, key)
    assert found[("yieldbot_reading_failing", ())] == 1.0 and found[("yieldbot_halted", ())] == 1.0


def test_the_gap_is_the_newest_plans(served: Served) -> None:
    key, job = served.key("read"), served.service.context.settings.jobs[0]
    for gap in (40.0, 1.5):
        old = plan(str(gap))
        proof = replace(old.allocation.certificate, gap_bps=gap)
        made = replace(
            old,
            owner=job.wallet.address,
            block=replace(old.block, chain=job.chain.chain),
            allocation=replace(old.allocation, certificate=proof),
        )
        with Journal.open(served.service.journal_file) as journal:
            journal.append(PlanWritten(made, ()), PlanMarked(made.id, PlanStatus.QUEUED, "queue"))
    assert served.client.get("/v1/plans", headers=key).json()["items"][0]["gap_bps"] == 1.5
    place = (("chain", job.chain.name), ("wallet", "main"))
    assert figures(served, key)[("yieldbot_gap_bps", place)] == 1.5


def test_alarms_plans_and_transactions_are_counted_by_what_became_of_them(served: Served) -> None:
    key, rows = served.key("read"), served.service.newest("markets").rows
    alarmed = tuple(dict(row) | {"alarms": [{"code": "PEG"}]} for row in rows)
    served.service._newest["markets"] = replace(served.service.newest("markets"), rows=alarmed)
    ended = TxSettled(CHAIN, OWNER_OF_PLAN, Expired("0xbb", ""))
    with Journal.open(served.service.journal_file) as journal:
        journal.append(PlanWritten(plan(), ()), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
        journal.append(signed(), signed("0xbb", 1), ended)
    found = figures(served, key)
    assert found[("yieldbot_alarms", (("code", "PEG"),))] == len(rows) == 2
    assert found[("yieldbot_plans", (("status", "queued"),))] == 1.0
    assert found[("yieldbot_transactions", (("result", "open"),))] == 1.0
    assert found[("yieldbot_transactions", (("result", "expired"),))] == 1.0


def test_requests_are_counted_by_route(served: Served) -> None:
    key = served.key("read")
    for path in ("/v1/markets/a", "/v1/markets/b", "/v1/x/<script>", "/v1/markets?limit=1", "/elsewhere"):
        served.client.get(path, headers=key)
    served.client.request("BREW", "/v1/markets", headers=key)
    found = figures(served, key)
    routes = {dict(labels)["route"]: dict(labels) for name, labels in found if name.endswith("seconds_count")}
    assert set(routes) == {"/v1/markets/{key}", "/v1/markets", "other"}
    name = "yieldbot_http_request_duration_seconds_count"
    assert found[(name, (("method", "GET"), ("route", "/v1/markets/{key}"), ("status", "404")))] == 2.0
    assert found[(name, (("method", "other"), ("route", "/v1/markets"), ("status", "405")))] == 1.0


def test_no_label_holds_an_address(served: Served) -> None:
    text = served.client.get("/v1/metrics", headers=served.key("read")).text
    assert "0x" not in text and OWNER not in text
    own = served.key("read", name="own", accounts=frozenset((OWNER.lower(),)))
    assert served.client.get("/v1/metrics", headers=own).status_code == 403


def test_the_servers_own_jobs_the_skill_of_forecasts_and_the_age_of_success(served: Served) -> None:
    standing = {"forecaster": "ewma", "market_class": "dollar", "horizon_days": 7, "skill": 0.25}
    served.service._forecast = {"standings": [standing], "markets": ()}
    served.answers = {"watch": {"jobs": []}, "settle": WorkerFailed("down")}
    for name in ("watch", "settle", "settle"):
        asyncio.run(served.service.jobs.run(name))
    found = figures(served, served.key("read"))
    assert found[("yieldbot_runs_total", (("job", "settle"), ("outcome", "failed")))] == 2.0
    assert found[("yieldbot_runs_total", (("job", "watch"), ("outcome", "done")))] == 1.0
    assert found[("yieldbot_run_duration_seconds_count", (("job", "settle"),))] == 2.0
    ages = {dict(labels)["job"]: age for (name, labels), age in found.items() if name.endswith("success_age_seconds")}
    assert set(ages) == {"watch", "settle"} and all(0 <= age < 600 for age in ages.values())
    judged = (("forecaster", "ewma"), ("horizon_days", "7"), ("market_class", "dollar"))
    assert found[("yieldbot_forecast_skill", judged)] == 0.25
