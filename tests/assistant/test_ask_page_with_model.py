"""The web page's pane over the real assistant and the double of the Messages API."""

from __future__ import annotations

import asyncio

import pytest

from tests.assistant.conftest import Asked
from tests.kit.assistant.messages_double import say, use
from tests.kit.web.browsing import Browsing, dangers


def test_a_question_on_the_page_is_answered_with_sources_and_without_others_accounts(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = asked.served.service
    service.assistant = asked.answers
    row = max(service.newest("markets").rows, key=lambda one: one["total_apy_after_deposit"])
    name, pays = row["name"], f"{row['total_apy_after_deposit'] * 100:.2f} % APY"
    browsing = Browsing(asked.served)
    browsing.sign_in("read", "approve", name="ben")
    assert 'href="/ask"' in browsing.get("/").text
    evil = "See https://evil.example/?a=b <b>now</b>."
    asked.double.steps[:] = [
        use(("list_markets", {})),
        say(f"{{{{S5r1.total_apy_after_deposit}}}}\n{evil}"),
    ]
    assert browsing.post("/ask", {"question": "What does it pay?"}).status_code == 303
    text = browsing.get("/ask").text
    assert f"{name}: yield after our deposit {pays}</bdi><sup><a" in text and 'href="/markets">Markets</a>' in text
    assert "evil.example" not in text and dangers(text) == []
    tools = {tool["name"] for tool in asked.double.asked[0]["tools"]}
    assert "list_markets" in tools and not any(one.startswith("propose") for one in tools), "ben may not plan"

    browsing.sign_in("read", name="other", accounts=frozenset(("0x" + "1" * 40,)))
    asked.double.steps[:] = [use(("list_positions", {})), say("So be it.")]
    browsing.post("/ask", {"question": "What do we hold?"})
    sent = str(asked.double.asked[-1]["messages"])
    assert '"items": []' in sent.replace("\\", "") or '"items":[]' in sent.replace("\\", "")
    assert "So be it." in browsing.get("/ask").text

    monkeypatch.delenv("ANTHROPIC_API_KEY")
    asked.answers._looked = None
    shown = browsing.get("/ask").text
    assert "as ANTHROPIC_API_KEY is not set" in shown and 'href="/ask"' not in shown
    config = service.context.config
    (config.parent / ".env").write_text("ANTHROPIC_API_KEY=x\n")
    (config.parent / ".env").chmod(0o600)
    asked.answers._looked = None
    assert asked.answers.off() is None, "the .env has it"
    assert asyncio.run(asyncio.to_thread(asked.answers.key)) == "x"
