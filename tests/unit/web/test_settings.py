"""Halt, keys, approvers and settings on the page."""

from __future__ import annotations

import html
import re
from dataclasses import fields

from tests.kit.web.browsing import Browsing, dangers
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers
from yieldbot.app.settings_view import explanations
from yieldbot.model.policy import Policy
from yieldbot.model.timing import Serving


def test_who_may_halt_halts_and_lifts_the_halt_that_they_saw(browsing: Browsing) -> None:
    browsing.sign_in("read", "halt")
    assert 'href="/halt"' in browsing.get("/").text
    assert browsing.post("/halt", {"reason": "<b>odd</b> prices"}).status_code == 303
    halted = browsing.served.service.halted()
    assert halted is not None and "<b>odd</b> prices (key read-halt)" in halted
    shown = browsing.get("/halt").text
    assert "&lt;b&gt;odd&lt;/b&gt;" in shown and dangers(shown) == []
    assert "Nothing is signed" in browsing.get("/markets").text
    assert browsing.post("/halt/lift", {"seen": "another"}).status_code == 409
    assert browsing.served.service.halted() is not None
    found = re.search(r'name="seen" value="([^"]*)"', shown)
    assert found is not None
    assert browsing.post("/halt/lift", {"seen": html.unescape(found[1])}).status_code == 303
    assert browsing.served.service.halted() is None


def test_who_may_not_halt_is_offered_no_halt_and_has_none(browsing: Browsing) -> None:
    browsing.sign_in("read")
    assert 'href="/halt"' not in browsing.get("/").text
    assert browsing.get("/halt").status_code == browsing.post("/halt").status_code == 403
    browsing.sign_in("read", "halt", name="own", accounts=frozenset(("0x" + "99" * 20,)))
    assert browsing.post("/halt").status_code == 303
    assert browsing.post("/halt/lift", {"seen": browsing.served.service.halted() or ""}).status_code == 403
    assert browsing.served.service.halted() is not None


def test_keys_are_listed_and_revoked_by_who_may(browsing: Browsing) -> None:
    browsing.served.key("read", name="robot")
    browsing.sign_in("read")
    assert browsing.get("/keys").status_code == 403
    browsing.sign_in("read", "keys", name="holder")
    page = browsing.get("/keys")
    assert 'href="/keys" aria-current="page"' in page.text, "who holds keys finds them"
    assert page.status_code == 200 and dangers(page.text) == [] and "yb_" in page.text
    prefix = next(one.prefix for one in browsing.served.ring.all() if one.name == "robot")
    assert browsing.post(f"/keys/{prefix}/revocation", {"x": "1"}, token=False).status_code == 403
    assert browsing.post(f"/keys/{prefix}/revocation").status_code == 303
    assert browsing.served.service.admission.living([prefix]) == frozenset()
    assert browsing.post("/keys/yb_nothing/revocation").status_code == 404


def test_approvers_are_listed_and_added_at_a_terminal_alone(browsing: Browsing, context: Quiet) -> None:
    approvers.add(approvers.person("anna", wallet="0x" + "77" * 20), context)
    browsing.sign_in("read")
    page = browsing.get("/approvers").text
    assert "anna" in page and approvers.list_(context).approvers[0].check_code in page
    assert "<form" not in page.partition("<main")[2]


def test_settings_have_each_an_explanation_and_no_secret(browsing: Browsing, context: Quiet) -> None:
    browsing.sign_in("read")
    page = browsing.get("/settings").text
    assert dangers(page) == [] and "127.0.0.1:9" not in page and str(context.settings.data_dir) not in page
    for kind in (Policy, Serving):
        for one in fields(kind):
            assert f"<code>{one.name}</code>" in page and explanations(kind)[one.name]
