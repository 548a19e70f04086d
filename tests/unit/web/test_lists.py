"""Positions, transactions and alerts: what is listed, who may see and change it, and what empty pages say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.web.browsing import Browsing, dangers
from tests.kit.web.rows import HOSTILE
from tests.unit.app.test_overview import Quiet
from tests.unit.app.test_paper_show import wallet as paper_wallet
from yieldbot.app import alerts as use
from yieldbot.app.collections import Collection
from yieldbot.app.paper_state import FILE, folder_of
from yieldbot.web import found as found_page

PAGES = ("/", "/markets", "/positions", "/transactions", "/alerts", "/forecasts", "/backtests")
OTHER = "0x" + "1" * 40


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_heading_its_place_in_the_navigation_and_nothing_that_could_run(
    browsing: Browsing, path: str
) -> None:
    browsing.sign_in("read", "plan")
    text = browsing.get(path).text
    assert text.count("<h1>") == 1 and text.count('aria-current="page"') == 1 and dangers(text) == []


def test_positions_say_what_each_earned_and_was_predicted_to_earn(browsing: Browsing, served: Served) -> None:
    service = served.service
    found = service.newest("positions")
    row: dict[str, Any] = dict(found.rows[0])
    money = row["held"]
    pnl = {"since": 1_700_000_000, "put_in": money, "taken_out": money, "earned": money, "base": "USD"}
    pnl |= {"total": "-12.5", "realised": "0", "unrealised": "-12.5", "gas": None, "gas_base": None}
    alarm = {"code": "UTILISATION", "act": "leave", "saw": HOSTILE[0], "since": 1}
    row |= {"apy_predicted": 0.0412, "apy_realised": 0.0398, "pnl": pnl, "alarms": [alarm], "name": HOSTILE[1]}
    held = {"chain_id": row["chain_id"], "owner": row["owner"], "id": row["id"], "name": HOSTILE[2], "since": 5}
    held |= {"until": None, "predicted": 0.05, "realised": None, "forecasts_off": -0.001, "forecasts_inside": 0.8}
    held |= {"forecasts_over": 5}
    service._newest["positions"] = replace(found, rows=(row,))
    service._newest["held"] = replace(found, rows=(held, held | {"owner": OTHER, "name": "not yours"}))
    browsing.sign_in(accounts=frozenset((row["owner"].lower(),)))
    text = browsing.get("/positions").text
    assert 'value="-12.5"' in text and 'value="0.0412"' in text and 'value="0.0398"' in text
    assert "not yours" not in text and dangers(text) == [] and HOSTILE[0] not in text
    assert dangers(browsing.get("/").text) == [], "the alarm's words on the overview too"


def test_transactions_are_the_persons_own_and_can_be_found(
    browsing: Browsing, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = served.service
    owner = service.newest("markets").rows[0]["owner"]
    rows = tuple(
        {
            "hash": f"0x{at:064x}",
            "chain_id": "eip155:1",
            "owner": owner if at % 2 else OTHER,
            "plan_id": "a" * 64,
            "words": HOSTILE[0] if at == 1 else f"deposit {at}",
            "at": 1_700_000_000 + at,
            "attempts": 1 + at % 2,
            "result": ("confirmed", "reverted", None)[at % 3],
            "reason": None,
            "notes": (),
        }
        for at in range(300)
    )

    async def journalled(self: object, name: str) -> Collection:
        return Collection(rows if name == "transactions" else (), "x", 1)

    monkeypatch.setattr(type(service), "journalled", journalled)
    browsing.sign_in(accounts=frozenset((owner.lower(),)))
    text = browsing.get("/transactions").text
    assert "deposit 3" in text and "deposit 4<" not in text and dangers(text) == []
    assert text.count('<th scope="row">') == 100
    found = browsing.get("/transactions?result=reverted").text
    assert "deposit 7<" in found and "deposit 3<" not in found
    assert browsing.get(f"/transactions?q={rows[9]['hash']}").text.count('<th scope="row">') == 1


def test_an_alert_is_made_and_removed_by_whoever_may(browsing: Browsing, served: Served) -> None:
    context = served.service.context
    browsing.sign_in("read", "plan", name="ben")
    fields = {"measure": "utilisation", "subject": "a", "side": "above", "threshold": "95%", "severity": "critical"}
    assert browsing.post("/alerts", fields, token=False).status_code == 403
    assert browsing.post("/alerts", fields).status_code == 303
    (made,) = use.list_(context).alerts
    assert (made.made_by, made.above, made.threshold, made.severity) == ("key ben", True, 0.95, "critical")
    wrong = browsing.post("/alerts", fields | {"threshold": "<b>much</b>"})
    assert wrong.status_code == 422 and "&lt;b&gt;much" in wrong.text and dangers(wrong.text) == []
    assert 'value="a"' in wrong.text, "what was written stays in the form"
    assert browsing.post("/alerts", fields | {"subject": "no-such-market"}).status_code == 422

    browsing.sign_in("read", name="reader")
    assert "A new alert" not in browsing.get("/alerts").text
    assert browsing.post("/alerts", fields).status_code == 403
    browsing.sign_in("read", "plan", name="carl")
    assert browsing.post(f"/alerts/{made.id}/remove").status_code == 403, "it is ben's"
    browsing.sign_in("read", "plan", name="own", accounts=frozenset((OTHER,)))
    assert made.condition not in browsing.get("/alerts").text
    assert browsing.post(f"/alerts/{made.id}/remove").status_code == 404, "not theirs to see"
    browsing.sign_in("read", "plan", name="ben2")
    assert len(use.list_(context).alerts) == 1


def test_an_alert_is_removed_by_its_maker(browsing: Browsing, served: Served) -> None:
    browsing.sign_in("read", "plan", name="ben")
    fields = {"measure": "grade", "subject": "a", "side": "below", "threshold": "60", "severity": "info"}
    assert browsing.post("/alerts", fields).status_code == 303
    (made,) = use.list_(served.service.context).alerts
    assert "Remove the alert" in browsing.get("/alerts").text
    assert browsing.post(f"/alerts/{made.id}/remove").status_code == 303
    assert use.list_(served.service.context).alerts == ()
    assert browsing.post(f"/alerts/{made.id}/remove").status_code == 404


def test_what_has_not_been_measured_is_not_said_to_have_earned_nothing(browsing: Browsing, served: Served) -> None:
    service = served.service
    found = service.newest("wealth")
    for measured, earned, shown in ((None, None, False), (0.04, 12.5, True)):
        row = {
            **found.rows[0],
            "earned": earned,
            "predicted": earned,
            "realised_apr": measured,
            "predicted_apr": measured,
        }
        service._newest["wealth"] = replace(found, rows=(row,))
        if measured is None:
            browsing.sign_in()
        assert ('value="12.5"' in browsing.get("/").text) is shown


def test_a_person_without_an_account_here_is_not_asked_to_wait_for_a_reading(browsing: Browsing) -> None:
    browsing.sign_in(accounts=frozenset((OTHER,)))
    text = browsing.get("/").text
    assert "first reading" not in text and "no account that you may see" in text


def test_no_page_shows_who_may_see_one_account_anything_of_another(browsing: Browsing, served: Served) -> None:
    """Every page without a name in its path: that the first person sees the account shows that the search finds it."""
    owners = {job.wallet.address.lower() for job in served.service.context.settings.jobs}
    owners |= {row["owner"].lower() for row in served.service.newest("positions").rows}
    paths = [str(route.path) for route in browsing.app.routes if "GET" in route.methods and "{" not in route.path]
    assert len(paths) > 10
    seen = {}
    for accounts in (None, frozenset((OTHER,))):
        browsing.sign_in("read", "keys", "halt", name=f"of-{accounts is None}", accounts=accounts)
        texts = {path: browsing.get(path).text.lower() for path in paths if path != "/live"}
        seen[accounts is None] = {
            path for path, text in texts.items() if any(one in text or f"{one[:6]}…" in text for one in owners)
        }
        links = browsing.get("/").text
        assert ('href="/approvers"' in links) is (browsing.get("/approvers").status_code == 200) is (accounts is None)
    assert "/settings" in seen[True] and not seen[False], seen


def test_paper_wallets_stand_beside_the_backtests(browsing: Browsing, context: Quiet) -> None:
    browsing.sign_in()
    assert "Paper wallets" not in browsing.get("/backtests").text
    paper_wallet(context.settings.data_dir, 3)
    shown = browsing.get("/backtests").text
    assert "Paper wallets" in shown and "<bdi>old</bdi>" in shown and "Net, APR" in shown and dangers(shown) == []
    other = Browsing(browsing.served)
    other.sign_in("read", "plan", accounts=frozenset(("0x" + "99" * 20,)))
    assert "<bdi>old</bdi>" not in other.get("/backtests").text
    (folder_of(context.settings.data_dir, "old") / FILE).write_bytes(b"x" * 8192)
    damaged = browsing.get("/backtests")
    assert damaged.status_code == 200 and 'class="alert"' in damaged.text


def test_found_markets_are_listed_and_filtered(browsing: Browsing, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "key": "r~0x12", "chain": "testnet", "registry": "Morpho Blue", "market": "0x12", "name": HOSTILE[0],
        "asset": "USDC", "supplied": 1_000.0, "state": "found", "collateral": None,
        "curator": "0x" + "77" * 20, "unfit": None,
        "first_seen": 1_790_000_000, "read_at": None,
    }  # fmt: skip
    rows = (
        row,
        row | {"key": "r~0x34", "market": "0x34", "name": "", "state": "listed", "unfit": "no adapter reads it"},
    )
    browsing.sign_in()
    assert "Nothing was found yet" in browsing.get("/found").text and 'href="/found"' in browsing.get("/markets").text
    monkeypatch.setattr(found_page, "found_rows", lambda settings: Collection(rows, "1", 1_790_000_000))
    text = browsing.get("/found").text
    assert "2</data> of" in text and "no adapter reads it" in text and "not in your files" in text
    assert dangers(text) == [] and 'href="/markets" aria-current="page"' in text
    assert "0x34" not in browsing.get("/found?state=found&q=7777").text
    assert "No found market matches" in browsing.get("/found?q=zzz").text
