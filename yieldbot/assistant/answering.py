"""The assistant: asks the model, uses the tools that it names, and shows what it cites in words of its own.

A model is an outsider here: it may read and plan for one caller, its input to tools is checked, and it writes no
figure: it cites fields of what it was given, which are written out here. Where it is down, slow, over budget or lying,
the answer says so and all else goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.app.admission import SPIKE, Caller, Scope
from yieldbot.app.answer_documents import AnswerDocument, AssistantRequestDocument, AssistantUsageDocument, Status
from yieldbot.app.asking import Ended, Event, Looking, Piece, Turn, Withdrawn
from yieldbot.app.desk import Desk
from yieldbot.app.service import visible
from yieldbot.assistant import usage
from yieldbot.assistant.budget import Budget, dollars
from yieldbot.assistant.earlier import Summaries, older
from yieldbot.assistant.kept import KeptAnswers, name_of
from yieldbot.assistant.messages_api import MessagesApi, ModelFailed, Reply, Tokens
from yieldbot.assistant.privacy import Names
from yieldbot.assistant.prompts import prompt
from yieldbot.assistant.proposing import Proposer
from yieldbot.assistant.question import Question
from yieldbot.assistant.requests import body_of, conversation, data_block, most, version
from yieldbot.assistant.searching import Searcher, as_document
from yieldbot.assistant.speaking import Figure, sentences
from yieldbot.assistant.tools import Toolbox, tools_of
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import Supplier
    from yieldbot.app.service import Service
    from yieldbot.model.assistance import Assistance

MOST_ROUNDS = 10
"""Most requests for one question."""
MOST_TOOLS = 24
"""Most uses of tools for one question."""
AT_ONCE = 4
"""Most uses of tools in one reply; the others are refused."""
NOT_TAKEN = ("overloaded", "limited", "key", "away", "refused", "model")
"""Failures of requests that the service did not work on."""
LOOK_SECONDS = 10.0
"""For so long it is not looked again whether there is a key."""
T = TypeVar("T")


class Answers:
    """The assistant of one service."""

    def __init__(self, service: Service, now: Callable[[], float] = time.time) -> None:
        self._service, self._now = service, now
        self._budget = Budget(service.context.settings.data_dir, now)
        self._kept, self._summaries, self._spike_at = KeptAnswers(), Summaries(), 0
        self._looked: tuple[float, str, str | None] | None = None

    @property
    def _settings(self) -> Assistance:
        return self._service.context.settings.assistance

    async def ask(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> AsyncIterator[Event]:
        """See ``app.asking.Assistant``."""
        caller, moment = _bounded(caller), name_of(self._service, question, _bounded(caller), version())
        if not history and (known := self._kept.get(moment, self._now())) is not None:
            yield Piece(known.answer or "")
            yield Ended(known)
            return
        names = await asyncio.to_thread(self.names)
        run = _Run(self, Question(question, names, self._now), caller, history)
        try:
            async for event in run.events():
                if isinstance(event, Ended) and not history:
                    now = name_of(self._service, question, caller, version())
                    self._kept.keep(now, event.document, self._now())
                yield event
        finally:
            await run.close()
            with contextlib.suppress(YieldbotError):  # it is said where the next request is counted
                self.watch()

    async def request(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> AssistantRequestDocument:
        """See ``app.asking.Assistant``."""
        names = await asyncio.to_thread(self.names)
        run = _Run(self, Question(question, names, self._now), _bounded(caller), history)
        body = await run.first()
        tokens, nanodollars = most(body, self._settings.price(body["model"]))
        return AssistantRequestDocument(
            url=f"{self._settings.api}/v1/messages",
            body=body | {"stream": True},
            tokens_at_most=tokens,
            nanodollars_at_most=nanodollars,
        )

    def usage(self, days: int = 7) -> AssistantUsageDocument:
        """See ``app.asking.Assistant``."""
        return usage.document(self._budget.rows(days), days)

    def watch(self) -> None:
        """Add a line to the audit, which is a notice too, once in an hour that costs much more than usual."""
        now = int(self._now())
        found = usage.spike(self._budget.rows(), now, self._settings.daily_nanodollars)
        if found is not None and now - self._spike_at >= usage.HOUR:
            self._spike_at = now
            what = f"spent {dollars(found[0])} within an hour, usually {dollars(found[1])}"
            self._service.admission.note("assistant", "", what, SPIKE)

    def off(self) -> str | None:
        """See ``app.asking.Assistant``."""
        name, now = self._settings.key_env, time.monotonic()
        if self._looked is None or now - self._looked[0] > LOOK_SECONDS or self._looked[1] != name:
            try:
                why = None if self._service.context.gives(name) else _no_key(name)
            except YieldbotError as failure:
                why = self._service.shown(str(failure))
            self._looked = (now, name, why)
        return self._looked[2]

    def key(self) -> str:
        """The key. Raises ConfigError where there is none."""
        name = self._settings.key_env
        found = self._service.context.environment.get(name)
        if not found:
            raise ConfigError(_no_key(name))
        return found

    def names(self) -> Names:
        """The names that stand for addresses, for one conversation."""
        context = self._service.context
        wallets = {str(job.wallet.address): job.wallet.name for job in context.settings.jobs}
        return Names(wallets, context.secrets(), self._settings.send_addresses)


class _Run:
    """The way from one question to its end."""

    def __init__(self, of: Answers, question: Question, caller: Caller, history: Sequence[Turn]) -> None:
        self._of, self._question, self._caller, self._history = of, question, caller, history
        self._settings = of._settings
        proposer = Proposer(of._service, caller, question.proposals.append)
        self._searcher = Searcher(of._service, caller)
        self._toolbox = Toolbox(tools_of(Desk(of._service, lambda: caller), proposer, self._searcher), caller)
        self._task = "answer"
        self._prompt = version()
        self._deadline = time.monotonic() + self._settings.seconds
        self._api: MessagesApi | None = None
        self._said = list[str]()
        self._figures = list[Figure]()
        self._uses = self._left_out = 0

    async def first(self, sends: bool = False) -> dict[str, Any]:
        """The body of the first request. sends: whether a summary of earlier turns may be asked for."""
        blocks = self._question.begin()
        for passage in await self._searcher.found(self._question.text):
            kind: Supplier = passage.kind
            document = as_document([passage])
            blocks.append(self._question.give(kind, passage.place, next(rows[0] for rows in document.values() if rows)))
        names, send = self._question.names, self._summary if sends else None
        earlier = await self._of._summaries.of(self._history, self._settings, names, send)
        recent = self._history[older(len(self._history)) :]
        messages = conversation(self._question.text, recent, blocks, names, earlier)
        return self._body(messages)

    async def _summary(self, body: dict[str, Any]) -> str:
        """The words of the small model; empty where it gave none. Raises ModelFailed, OverBudget."""
        async for part in self._sent(body, version("summary")):
            if isinstance(part, Reply):
                return "".join(one.get("text", "") for one in part.blocks if one["type"] == "text").strip()
        return ""

    def _body(self, messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return body_of(self._settings, self._task, messages, self._toolbox.schemas())

    async def events(self) -> AsyncIterator[Event]:
        """The events until the end."""
        end: Ended | None = None
        try:
            self._api = MessagesApi(await asyncio.to_thread(self._of.key), self._settings)
            async for event in self._rounds():
                yield event
                if isinstance(event, Ended):
                    end = event
        except ModelFailed as failure:
            yield self._ended("unavailable", None, str(failure))
        except TimeoutError:
            yield self._ended("unavailable", None, f"no answer within {self._settings.seconds:g} s: ask again later")
        except YieldbotError as failure:
            status: Status = "over_budget" if failure.exit_code == 4 else "unavailable"
            yield self._ended(status, None, self._of._service.shown(str(failure)))
        else:
            assert end is not None

    async def close(self) -> None:
        """Close the connections to the service."""
        if self._api is not None:
            await self._api.close()

    async def _rounds(self) -> AsyncIterator[Event]:
        body = await self._within(self.first(sends=True))
        messages: list[dict[str, Any]] = body["messages"]
        asked_again = False
        for _ in range(MOST_ROUNDS):
            begun, reply, wrong = "", None, list[str]()
            async for part in self._sent(self._body(messages)):
                if isinstance(part, Reply):
                    reply = part
                    whole, begun = [begun], ""
                else:
                    *whole, begun = sentences(begun + part)
                for text in whole:
                    shown, faults = self._say(text)
                    wrong += faults
                    if shown and (asked_again or not wrong):
                        yield Piece(shown)
            assert reply is not None
            if not (wrong or self._said or self._question.proposals) and reply.stop == "end_turn" and _text_of(reply):
                wrong.append("nothing of it cites a source")
            if wrong and not asked_again:
                if self._said:
                    yield Withdrawn("a part of it had no source; it is asked again")
                asked_again, self._said, self._figures = True, [], []
                faults_out = self._question.names.text_out("; ".join(wrong))[:600]
                text = prompt("again").text.replace("{faults}", faults_out)
                messages = [*messages, *_closed(reply), {"role": "user", "content": text}]
                continue
            self._left_out += len(wrong)
            if reply.stop == "tool_use":
                results = list[dict[str, Any]]()
                for block in [one for one in reply.blocks if one["type"] == "tool_use"]:
                    yield Looking(self._toolbox.known(str(block["name"])))
                    results.append(await self._use(block, len(results)))
                messages = [*messages, {"role": "assistant", "content": reply.blocks}]
                messages.append({"role": "user", "content": results})
                continue
            if reply.stop == "pause_turn":
                messages = [*messages, {"role": "assistant", "content": reply.blocks}]
                continue
            yield self._at_end(reply)
            return
        yield self._ended("cut_off", None, f"no answer after {MOST_ROUNDS} requests: ask for less")

    def _at_end(self, reply: Reply) -> Ended:
        answer = "".join(self._said).strip()
        missing = f"{self._left_out} parts of it cite nothing that the model was given, and are left out"
        if not answer and self._question.proposals:
            answer, _ = self._say("{{say.proposed}}")
        if reply.stop == "refusal":
            return self._ended("refused", None, "the model refuses to answer this")
        if reply.stop in ("max_tokens", "model_context_window_exceeded"):
            return self._ended("cut_off", answer or None, "the answer is cut off: ask for less")
        if not answer and self._left_out:
            return self._ended("not_shown", None, "not shown: nothing of it has a source; ask in another way")
        if not answer:
            return self._ended("unavailable", None, "the model gave no answer: ask again")
        return self._ended("answered", answer, missing if self._left_out else None)

    async def _sent(self, body: dict[str, Any], prompts: str = "") -> AsyncIterator[str | Reply]:
        """One request, counted before it is sent."""
        price = self._settings.price(body["model"])
        budget, began, some = self._of._budget, time.monotonic(), False
        tokens, nanodollars = most(body, price)
        number = await asyncio.to_thread(
            budget.take, self._settings, prompts or self._prompt, body["model"], tokens, nanodollars
        )  # fmt: skip
        outcome = "left"
        assert self._api is not None
        stream = self._api.stream(body)
        try:
            while True:
                try:
                    part = await self._within(anext(stream))
                except StopAsyncIteration:
                    break
                some = True
                if isinstance(part, Reply):
                    seconds = time.monotonic() - began
                    cost = await asyncio.to_thread(budget.settle, number, part.tokens, price, "done", seconds)
                    self._question.took(part.tokens, cost)
                    outcome = ""
                yield part
        except ModelFailed as failure:
            outcome = failure.kind
            raise
        except TimeoutError:
            outcome = "slow"
            raise
        finally:
            await stream.aclose()
            if outcome:
                taken = some or outcome not in NOT_TAKEN
                budget.failed(number, outcome, time.monotonic() - began, taken)

    async def _use(self, block: dict[str, Any], index: int) -> dict[str, Any]:
        """Use the tool that a block names; returns the block with its result."""
        self._uses += 1
        name, given = str(block["name"]), self._question.names.inward(block["input"])
        head = {"type": "tool_result", "tool_use_id": block["id"]}
        if index >= AT_ONCE or self._uses > MOST_TOOLS:
            return head | {"content": "too many tools at once: use fewer", "is_error": True}
        if self._toolbox.plans(name):
            self._task = "plan"
        found = await self._within(self._toolbox.use(name, given))
        if found.error:
            error = self._question.names.text_out(self._of._service.shown(found.error))
            return head | {
                "content": data_block("error", name[:60], error),
                "is_error": True,
            }  # no source: it may quote
        markets, named = visible(self._of._service.newest("markets").rows, self._caller), _ids(found.document)
        self._question.know({row["id"]: row["name"] for row in markets if row["id"].casefold() in named})
        what = f"{name} {json.dumps(given, ensure_ascii=False)}"
        return head | {"content": self._question.give("tool", what, found.document)}

    def _say(self, text: str) -> tuple[str, list[str]]:
        """A piece of the model's text as it is shown, and what is wrong with it."""
        said = self._question.say(text)
        if not said.text.strip():
            return "", said.faults
        text, before = said.text.rstrip("\n"), "".join(self._said[-1:])
        if before and not before[-1:].isspace():  # a new line, also before and after the use of a tool
            text = f"\n{text}"
        self._said.append(text)
        self._figures += said.figures
        return text, said.faults

    def _ended(self, status: Status, answer: str | None, note: str | None) -> Ended:
        model, figures = self._settings.models[self._task], self._figures if answer else []
        return Ended(self._question.document(status, answer, note, model, self._prompt, figures))

    async def _within(self, work: Awaitable[T]) -> T:
        """Wait for this no longer than the question may take. Raises TimeoutError."""
        # not ``wait_for``, which in Python 3.11 loses a Ctrl-C that comes in the same moment as the result
        async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
            return await work


def _bounded(caller: Caller) -> Caller:
    """The caller with no more than the scopes ``read`` and ``plan``."""
    return replace(caller, scopes=caller.scopes & {Scope.READ, Scope.PLAN})


def _no_key(name: str) -> str:
    return (
        f"the assistant is off, as {name} is not set: put it into .env, or see docs/assistant.md for a secret command"
    )


def _ids(document: Any) -> frozenset[str]:
    """Every text of a document that may be a market's identifier."""
    if isinstance(document, Mapping):
        return frozenset().union(*map(_ids, document.values()))
    if isinstance(document, list):
        return frozenset().union(*map(_ids, document))
    return frozenset((document.casefold(),)) if isinstance(document, str) and "/" in document else frozenset()


def _text_of(reply: Reply) -> str:
    return "".join(one.get("text", "") for one in reply.blocks if one["type"] == "text").strip()


def _closed(reply: Reply) -> list[dict[str, Any]]:
    """A reply as it is sent back, without the tools that it wanted to use."""
    return [{"role": "assistant", "content": _text_of(reply) or "(no answer)"}]


__all__ = ["AnswerDocument", "Answers", "Tokens"]
