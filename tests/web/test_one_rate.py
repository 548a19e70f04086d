"""One kind of rate on the page, the same for the same market and amount; and what it did in as few lines as there are
different ends."""

from __future__ import annotations

import re
from typing import Any

from tests.kit.web.browsing import Browsing
from tests.kit.web.planned import waiting_plan
from yieldbot.app.plan_view import plan_view
from yieldbot.web import figures
from yieldbot.web.charts import spark
from yieldbot.web.expected import expected_of
from yieldbot.web.summary import MOST_DONE, _alike


def shown(value: float) -> str:
    return str(figures.percent(value))


def test_what_our_money_is_expected_to_earn_is_the_same_on_every_page(browsing: Browsing, context: Any) -> None:
    service = browsing.served.service
    position = service.newest("positions").rows[0]
    row = next(one for one in service.newest("markets").rows if one["id"] == position["id"])
    curve = next(one for one in service.newest("curves").rows if one["id"] == position["id"])
    expected = expected_of(curve)
    assert expected is not None and curve["held"] == float(position["held"]["text"])
    browsing.sign_in()
    page = browsing.get(f"/markets/{position['key']}").text
    assert shown(expected) in page.split("Expected of what we hold")[1].split("</dd>")[0]
    assert shown(position["apy_now"]) in page.split("It earns now")[1].split("</dd>")[0]
    assert shown(expected) in browsing.get("/positions").text
    listed = browsing.get("/markets").text.split(f'{position["key"]}"')[1].split("</td>")[0]
    assert shown(row["total_apy_after_deposit"]) in listed
    assert f"for {figures.compact(row['after_deposit_of'])}" in listed
    assert shown(row["total_apy_after_deposit"]) in page.split("Expected for")[1].split("</dd>")[0]
    plan = waiting_plan(browsing.served)
    place = next(one for one in plan_view(plan.id, {}, context).places if one.apr_after)
    days = service.context.settings.policy.horizon_seconds / 86_400
    text = browsing.get(f"/plans/{plan.id}").text
    assert f"then {figures.apy_over(place.apr_after, days)} APY expected" in text
    assert not re.search(r"[0-9]%</data>[^<]*(?:<[^>]*>)?\s*a year\b", browsing.get("/").text)


def test_simple_rates_become_yields_as_documents_state_them() -> None:
    assert abs(figures.compounded(0.05) - 0.0512711) < 1e-7
    assert abs(figures.grown(0.12, 365 / 12) - (1.01**12 - 1)) < 1e-9
    for wild in (1e9, -5.0):
        assert all(isinstance(found, float) for found in (figures.grown(wild, 30), figures.compounded(wild)))
    assert figures.grown(1e9, 1) == 1e9 and figures.compounded(1e9) == 1e9, "no page ends for it"
    joined = spark([0.05, None, None, 0.05, *[None] * 5, 0.05, 0.05])
    assert joined.count("M") == 2, "short gaps are joined, long ones are not"


def test_times_in_messages_are_for_the_script_to_write(browsing: Browsing) -> None:
    plain = "v3.6, block 31337, 0x12.5, 1.2.3, 10:00, 4 calls"
    assert figures.local(plain) == plain
    text = "<b> since 2026-11-30 17:59:16 UTC: -30,227.283335 USDC, +0.5 %, block 21,004; 2026-13-45 10:00 UTC"
    found = figures.local(text)
    assert found.startswith("&lt;b&gt; since <time") and found.count("<time") == 1, "a day that there is not stays"
    assert '<data class="n" value="-30227.283335" data-digits="6">-30,227.283335</data> USDC' in found
    assert 'value="0.5" data-digits="1" data-signed>+0.5</data> %' in found and 'value="21004"' in found
    assert '<data class="n" value="4.28" data-digits="2">4.28</data>' in figures.duration(4.28 * 3600)
    browsing.sign_in()
    browsing.served.service.halt("the oracle <i>looks</i> wrong")
    alert = browsing.get("/").text.split('role="alert">Nothing is signed')[1].split("</p>")[0]
    assert "<time datetime=" in alert and "&lt;i&gt;" in alert


def test_runs_that_ended_alike_are_one_line() -> None:
    def run(number: int, outcome: str, reason: str, plan: str | None = None) -> dict[str, Any]:
        job = {"wallet": "main", "chain_id": "1", "assets": ["USDC"], "outcome": outcome, "reason": reason}
        head = {"id": str(number), "command": "run", "by": "schedule", "error": None, "began_at": 100 - number}
        return head | {"jobs": [job | {"plan_id": plan}]}

    held = [run(number, "held", f"{number}.5 USDC a year more is too little") for number in range(3)]
    found = _alike([*held, run(3, "executed", "", "p"), run(4, "executed", "", "q"), run(5, "held", "another")])
    assert [(one.run["id"], one.times, one.since) for one in found] == [
        ("0", 3, 98), ("3", 1, 97), ("4", 1, 96), ("5", 1, 95),
    ]  # fmt: skip
    assert len(_alike([run(number, "executed", "", str(number)) for number in range(50)])) == MOST_DONE
