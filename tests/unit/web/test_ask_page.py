"""The assistant's pane: what is sent, what of an answer is shown, whose it is, and what a model cannot do there."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.assistant.port_double import PortDouble, answered, whole
from tests.kit.web.browsing import ORIGIN, Browsing, dangers
from tests.kit.web.rows import HOSTILE
from yieldbot.access.caller import Scope
from yieldbot.app.answer_documents import FigurePart, FindingPart, ProposalPart, SourcePart
from yieldbot.app.asking import Ended, Looking, Piece, Withdrawn
from yieldbot.app.passkey_sign_in import RIGHTS
from yieldbot.web.asking import LONGEST_QUESTION, MOST_TURNS, page_of, paragraphs

STREAM = {"Accept": "text/event-stream"}
OTHER = "0x" + "1" * 40


@pytest.fixture
def double(served: Served) -> PortDouble:
    """The server's assistant."""
    found = PortDouble()
    served.service.assistant = found
    return found


def key(served: Served) -> str:
    return str(served.service.newest("markets").rows[0]["key"])


def test_without_an_assistant_the_page_says_what_is_missing_and_is_not_in_the_navigation(
    browsing: Browsing, served: Served
) -> None:
    assert browsing.get("/ask").headers["location"] == "/sign-in?then=%2Fask"
    browsing.sign_in("read", "plan")
    off = PortDouble(why="ANTHROPIC_API_KEY is not set")
    for assistant, words in ((None, "pip install"), (off, "_KEY is not set")):
        served.service.assistant = assistant
        shown = browsing.get("/ask")
        assert shown.status_code == 200 and words in shown.text and 'id="question"' not in shown.text
        assert 'href="/ask"' not in shown.text
        refused = browsing.post("/ask", {"question": "What do we hold?"})
        assert refused.status_code == 503 and words in refused.text
    assert off.asked == []


def test_an_answer_shows_the_source_of_each_number_and_where_a_person_accepts_what_it_proposes(
    browsing: Browsing, served: Served, double: PortDouble
) -> None:
    double.events = [Looking("get_market"), Piece("It pays 4.12 % now"), Ended(whole(key(served)))]
    browsing.sign_in("read", "plan")
    empty = browsing.get("/ask").text
    assert 'aria-current="page">Ask</a>' in empty and "What do we hold, and what does it earn?" in empty
    done = browsing.post("/ask", {"question": "  What does it pay? "})
    assert done.status_code == 303 and done.headers["location"] == "/ask#latest"
    text = browsing.get("/ask").text
    mark = '<sup><a href="#q1-{0}" aria-label="source {0}">{0}</a></sup>'
    two, three = mark.format("S2"), mark.format("S3")
    assert f"It pays 4.12 %</bdi>{two}<bdi> now, and 4.12 %</bdi>{two}<bdi> before." in text
    assert f"We hold 12 USDC</bdi>{three}" in text
    assert text.count('id="q1-S2"') == 1 and 'id="q1-S1"' not in text and "1 other source read" in text
    assert f'href="/markets/{key(served)}"' in text and 'block <span class="n">21</span>' in text
    assert "<bdi>total_apy</bdi>" in text and "0.0412" in text and 'datetime="2026-' in text
    assert f'href="/plans/{"a" * 64}"' in text and 'href="/proposals/p1"' in text
    assert "an owner changed" in text and dangers(text) == []


def test_the_conversation_is_of_one_session_and_bounded(browsing: Browsing, double: PortDouble) -> None:
    browsing.sign_in("read", name="ben")
    for at in range(MOST_TURNS + 2):
        double.events = [Ended(answered(f"answer {at}", question=f"question {at}"))]
        browsing.post("/ask", {"question": f"question {at}"})
    text = browsing.get("/ask").text
    assert text.count("<article") == MOST_TURNS and "question 1<" not in text
    assert text.index("question 11<") < text.index("question 2<"), "the newest is first"
    last = double.asked[-1]
    assert len(last[2]) == MOST_TURNS and (last[2][-1].question, last[2][-1].answer) == ("question 10", "answer 10")
    browsing.sign_in("read", name="ann")
    assert "<article" not in browsing.get("/ask").text
    browsing.post("/ask", {"question": "mine"})
    assert double.asked[-1][2] == ()
    assert (
        browsing.post("/ask/forget", {"x": "1"}, token=False).status_code == 403
        and "<article" in browsing.get("/ask").text
    )
    assert browsing.post("/ask/forget").status_code == 303 and "<article" not in browsing.get("/ask").text


def test_an_answer_that_is_not_shown_says_why_and_is_no_part_of_what_is_asked_next(
    browsing: Browsing, double: PortDouble
) -> None:
    browsing.sign_in()
    note = "not shown: 2 of its numbers are in none of its sources"
    double.events = [Ended(answered(None, status="not_shown", note=note))]
    browsing.post("/ask", {"question": "What would it pay?"})
    assert note in browsing.get("/ask").text
    browsing.post("/ask", {"question": "And now?"})
    assert double.asked[-1][2] == ()


def test_rights_are_the_sessions_own_and_never_more_than_plan(browsing: Browsing, double: PortDouble) -> None:
    double.events = [Ended(answered("So."))]
    browsing.sign_in(*Scope, name="all", accounts=frozenset((OTHER,)))
    browsing.post("/ask", {"question": "What do others hold?"})
    (_, caller, _) = double.asked[-1]
    assert caller.scopes == {Scope.READ, Scope.PLAN} and caller.accounts == {OTHER}
    browsing.sign_in("read", "approve", name="reader")
    browsing.post("/ask", {"question": "What do we hold?"})
    assert double.asked[-1][1].scopes == {Scope.READ} and "It can read, and" in browsing.get("/ask").text
    assert {Scope.READ, Scope.PLAN, Scope.APPROVE, Scope.HALT} == RIGHTS, "of who signs in with a passkey"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_model_writes_is_text(browsing: Browsing, served: Served, double: PortDouble, name: str) -> None:
    text = f"{name} pays 5 %. [here](https://evil.example) ![x](//evil.example/p.png) <a href='https://evil.example'>"
    source = SourcePart(source="S2", kind="tool", name=f'get_market {{"key": "{name}"}}', as_of=None, block=None)
    figure = FigurePart(text="5 %", source="S2", path=name, value=name)
    more: dict[str, Any] = {
        "figures": (figure,),
        "sources": (source,),
        "findings": (FindingPart(severity="info", why=name, place=name, text=name),),
        "proposals": (ProposalPart(id="../halt", kind="plan", lines=(name,), command=name),),
        "note": name,
    }
    double.events = [Piece(text), Withdrawn(name), Looking(name), Ended(answered(text, question=name, **more))]
    browsing.sign_in()
    fields = {"question": name, "token": browsing.token()}
    streamed = browsing.client.post("/ask", data=fields, headers=STREAM | {"Origin": ORIGIN})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert all(len(block.split("\n")) == 2 for block in streamed.text.strip().split("\n\n")), "no event is forged"
    shown = browsing.get("/ask").text
    inside = shown.partition("<main")[2].partition("</main>")[0]
    said = inside.partition("<article")[2].partition('class="said"')[2].partition("</div>")[0]
    assert dangers(shown) == [] and "<script" not in inside and "pays 5 %" in said and "\u202e" not in said
    links = re.findall(r'href="([^"]*)"', inside)
    assert all(one.startswith(("#q1-S2", "/plans/..%2Fhalt", "/plans/")) for one in links), links


def test_an_answer_is_streamed_and_ends_with_the_key(browsing: Browsing, served: Served, double: PortDouble) -> None:
    document = answered("It pays 5 %.\nSo.")
    double.events = [
        Looking("list_markets"),
        Piece("It pays 5 %.\n"),
        Withdrawn("no source"),
        Piece("So."),
        Ended(document),
    ]
    browsing.sign_in(name="ben")
    fields = {"question": "What?", "token": browsing.token()}
    reply = browsing.client.post("/ask", data=fields, headers=STREAM | {"Origin": ORIGIN})
    assert reply.status_code == 200 and reply.headers["cache-control"] == "no-store"
    found = [one.split("\n") for one in reply.text.strip().split("\n\n")]
    assert [(kind, json.loads(data.removeprefix("data: "))) for kind, data in found] == [
        ("event: looking", "list markets"), ("event: piece", "It pays 5 %.\n"), ("event: withdrawn", "no source"),
        ("event: piece", "So."), ("event: ended", "answered"),
    ]  # fmt: skip
    ring, prefix = served.ring, next(one.prefix for one in served.ring.all() if one.name == "ben")

    class Revoking(list[Any]):
        """What is said, while the key is revoked before the second sentence."""

        def __iter__(self) -> Any:
            yield Piece("first")
            ring.revoke_one(prefix, 1)
            yield from (Piece("second"), Ended(document))

    double.events = Revoking()
    reply = browsing.client.post("/ask", data=fields, headers=STREAM | {"Origin": ORIGIN})
    assert "first" in reply.text and "second" not in reply.text and double.closed == 2
    assert browsing.app.state.asking == set()


def test_what_is_no_question_is_refused_in_one_line(browsing: Browsing, double: PortDouble) -> None:
    browsing.sign_in()
    assert browsing.post("/ask", {"question": "What?"}, token=False).status_code == 403
    assert browsing.post("/ask", {"question": "What?"}, Origin="https://other.example").status_code == 403
    assert "write a question first" in browsing.post("/ask", {"question": " "}).text
    long = browsing.post("/ask", {"question": "a" * (LONGEST_QUESTION + 1)})
    assert long.status_code == 422 and str(LONGEST_QUESTION) in long.text
    browsing.app.state.asking.update(range(4))
    busy = browsing.post("/ask", {"question": "<b>What?"})
    assert busy.status_code == 429 and "&lt;b&gt;What?</textarea>" in busy.text
    assert double.asked == []


def test_a_session_has_one_answer_at_a_time_and_a_reader_who_leaves_ends_it(
    browsing: Browsing, double: PortDouble
) -> None:
    browsing.sign_in()
    token, cookie = browsing.token(), f"yieldbot={browsing.client.cookies['yieldbot']}"
    body = f"token={token}&question=What%3F".encode()
    headers = {"host": "testserver", "origin": ORIGIN, "cookie": cookie, "accept": "text/event-stream",
               "content-type": "application/x-www-form-urlencoded"}  # fmt: skip

    async def work() -> int:
        double.wait, double.events = asyncio.Event(), [Piece("So."), Ended(answered("So."))]
        gone, begun = asyncio.Event(), asyncio.Event()
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/ask", "raw_path": b"/ask", "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
            "server": ("testserver", 80), "headers": [(one.encode(), text.encode()) for one, text in headers.items()],
        }  # fmt: skip
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await gone.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if b"So." in message.get("body", b""):
                begun.set()

        running = asyncio.create_task(browsing.app(scope, receive, send))
        await asyncio.wait_for(begun.wait(), 60)
        status = (await asyncio.to_thread(browsing.post, "/ask", {"question": "Again?"})).status_code
        gone.set()
        await asyncio.wait_for(running, 60)
        return int(status)

    assert asyncio.run(work()) == 429
    assert double.closed == 1 and browsing.app.state.asking == set()
    assert "<article" not in browsing.get("/ask").text


def test_marks_stand_behind_their_numbers_and_links_lead_to_our_pages_alone() -> None:
    figures = [FigurePart(text=text, source=source, path="x", value="1") for text, source in
               (("1", "S1"), ("10 %", "S2"), ("missing", "S3"), ("2", "S4"))]  # fmt: skip
    made = paragraphs("21 is 1 of 10 %.\n\nAnd 2", figures)
    assert [[(part.text, part.source) for part in line] for line in made] == [
        [("21 is 1", "S1"), (" of 10 %", "S2"), (".", "")], [("And 2", "S4")],
    ]  # fmt: skip

    def page(name: str, kind: Any = "tool") -> Any:
        return page_of(SourcePart(source="S1", kind=kind, name=name, as_of=None, block=None), frozenset(("a~b",)))

    assert page("list_markets {}") == ("/markets", "Markets") and page('get_risk {"key": "a~b"}')[0] == "/markets/a~b"
    assert page(f'explain_plan {{"plan_id": "{"0" * 64}"}}') == ("/plans/" + "0" * 64, "Plan")
    for other in ('get_market {"key": "//evil"}', "get_market [1]", "get_market {", 'x {"plan_id": "../halt"}', "x"):
        assert page(other) is None
    assert page("list_markets {}", "page") is None
