"""The night's summary in words: once a day one request as a batch (half the price, hours of time), looked for at later
times, its numbers checked like those of any answer. It adds lines to the daily notice and replaces none.

What was asked is stored before it is sent and the batch's identifier afterwards, so that no restart sends a second
request for one day.
"""

from __future__ import annotations

import asyncio
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yieldbot.app import nightly as kept
from yieldbot.app.nightly import AGAIN, SENDING, WAITING, Night
from yieldbot.app.nightly_facts import facts as facts_of
from yieldbot.assistant.budget import Budget, OverBudget
from yieldbot.assistant.messages_api import MessagesApi, ModelFailed, Reply
from yieldbot.assistant.question import Question
from yieldbot.assistant.requests import body_of, conversation, most, version
from yieldbot.assistant.tools import fitted
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import Status
    from yieldbot.app.service import Service
    from yieldbot.assistant.answering import Answers
    from yieldbot.model.assistance import Assistance

PASSING = ("overloaded", "limited", "away")
"""Failures of requests that the service did not take, and takes later."""
NOT_TAKEN = (*PASSING, "key", "refused", "model")
"""Failures of requests that the service did not take."""
FREE = ("expired", "errored", "canceled")
"""Ends of requests in a batch that cost nothing."""
MOST_LINES = 8
LONGEST_LINE = 270
"""Shorter than what a notice cuts a finding to: half a number would be another number."""
LOST = "it is not known whether the request arrived, and it is not sent twice"


class NightlySummary:
    """The summary of one server."""

    def __init__(self, service: Service, answers: Answers, now: Callable[[], float] = time.time) -> None:
        self._service, self._answers, self._now = service, answers, now
        self._budget = Budget(service.context.settings.data_dir, now)
        self._complained = ""

    @property
    def _settings(self) -> Assistance:
        return self._service.context.settings.assistance

    async def work(self) -> None:
        """Ask for the summary that is due, or look whether it is there. Never raises: a failure is a line on stderr,
        once."""
        try:
            await self._step()
        except (YieldbotError, OSError) as failure:
            self._complain(str(failure))
        except Exception as bug:  # no fault of a model's words stops a server
            self._complain(type(bug).__name__)

    def _complain(self, text: str) -> None:
        if text != self._complained:
            self._complained = text
            self._service.context.complain(f"nightly summary: {self._service.shown(text)}")

    async def _step(self) -> None:
        settings, data_dir = self._settings, self._service.context.settings.data_dir
        if settings.nightly_minute is None:
            return
        zone, now = self._service.context.settings.notice_times.time_zone, int(self._now())
        label, since, until = kept.last(settings.nightly_minute, zone, now)
        night = kept.load(data_dir)
        open_now = night is not None and night.state in (SENDING, WAITING, AGAIN)
        fresh = (night is None or night.label < label) and now - until <= kept.LATE_SECONDS
        if not open_now and not fresh:
            return
        api = MessagesApi(await asyncio.to_thread(self._answers.key), settings)
        try:
            with kept.alone(data_dir) as mine:
                if mine:
                    await self._in_turn(api, label, since, until, now)
        finally:
            await api.close()

    async def _in_turn(self, api: MessagesApi, label: str, since: int, until: int, now: int) -> None:
        data_dir = self._service.context.settings.data_dir
        night = kept.load(data_dir)
        if night is not None and night.state == WAITING:
            night = await self._look(api, night)
        if night is not None and night.state == SENDING:  # the process that sent it ended in between
            night = self._end(night, "unavailable", LOST)
        late = now - until > kept.LATE_SECONDS
        if night is not None and night.state == AGAIN and (late or night.label < label):
            night = self._end(night, "unavailable", "the service took no request in time")
        if late or (night is not None and night.label >= label and night.state != AGAIN):
            return
        if night is not None and night.state == WAITING:
            self._budget.failed(night.number, "late", self._now() - night.began, taken=True)
        await self._ask(api, label, since, until)

    async def _ask(self, api: MessagesApi, label: str, since: int, until: int) -> None:
        """Send the day's request."""
        data_dir, settings = self._service.context.settings.data_dir, self._settings
        found = await facts_of(self._service, since, until)
        facts = tuple(replace(one, document=fitted(one.document)) for one in found)
        model = settings.models["summary"]
        night = Night(label, until, SENDING, self._now(), model=model, prompt=version("nightly"), facts=facts)
        if not facts:  # the plain summary says that nothing was held or done
            kept.save(data_dir, night.ended())
            return
        question, blocks = await self._question(night)
        body = body_of(settings, "nightly", conversation(question.text, (), blocks, question.names), ())
        tokens, nanodollars = most(body, settings.price(model).half())
        try:
            number = await asyncio.to_thread(self._budget.take, settings, night.prompt, model, tokens, nanodollars)
        except OverBudget:
            self._end(night, "over_budget", "the day's budget of the assistant is used up", question)
            return
        night = replace(night, number=number)
        kept.save(data_dir, night)  # before it is sent: a killed process sends no second one
        try:
            batch = await api.begin_batch(_name(label), body)
        except ModelFailed as failure:
            self._budget.failed(number, failure.kind, self._now() - night.began, failure.kind not in NOT_TAKEN)
            if failure.kind in PASSING:
                kept.save(data_dir, replace(night, state=AGAIN, facts=()))
            else:
                self._end(night, "unavailable", str(failure), question)
            return
        kept.save(data_dir, replace(night, state=WAITING, batch=batch))

    async def _look(self, api: MessagesApi, night: Night) -> Night:
        """The night as it is now: it has ended, or it waits further."""
        try:
            found = await api.end_of_batch(night.batch, _name(night.label))
        except ModelFailed:
            return night
        if found is None:
            return night
        seconds = self._now() - night.began
        if isinstance(found, str):
            self._budget.failed(night.number, found, seconds, found not in FREE)
            why = "of no use" if found == "nonsense" else found
            return self._end(night, "unavailable", f"the service's result is {why}")
        price = self._settings.price(night.model).half()
        cost = await asyncio.to_thread(self._budget.settle, night.number, found.tokens, price, "done", seconds)
        question, _ = await self._question(night)
        question.took(found.tokens, cost)
        return self._read(night, question, found)

    def _read(self, night: Night, question: Question, reply: Reply) -> Night:
        """Check a reply and keep what may be shown."""
        text = "\n".join(str(one.get("text", "")) for one in reply.blocks if one.get("type") == "text").strip()
        if reply.stop == "refusal":
            return self._end(night, "refused", "the model refuses to write it", question)
        if reply.stop != "end_turn":
            return self._end(night, "cut_off", "the model's text is cut off", question)
        if not text:
            return self._end(night, "unavailable", "the model wrote nothing", question)
        said = question.say(text)
        if not said.text.strip():
            return self._end(night, "not_shown", "not shown: nothing of it has a source", question)
        document = question.document("answered", said.text.strip(), None, night.model, night.prompt, said.figures)
        lines = [
            part
            for line in (document.answer or "").splitlines()
            for part in textwrap.wrap(" ".join(line.split()), LONGEST_LINE, break_on_hyphens=False)
        ]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES - 1 :] = ["further sentences are shown by `yieldbot ask --nightly`"]
        return self._keep(night.ended(lines, document.as_json()))

    def _end(self, night: Night, status: Status, note: str, question: Question | None = None) -> Night:
        """It ends without words; a line says so."""
        if question is None:
            question = Question(_text(night), self._answers.names(), self._now)
            question.begin()
        document = question.document(status, None, note, night.model, night.prompt)
        return self._keep(night.ended([f"no summary in words: {self._service.shown(note)}"], document.as_json()))

    def _keep(self, night: Night) -> Night:
        kept.save(self._service.context.settings.data_dir, night)
        return night

    async def _question(self, night: Night) -> tuple[Question, list[str]]:
        """The question with its sources and their blocks of data: the same whenever it is made for a night."""
        names = await asyncio.to_thread(self._answers.names)
        question = Question(_text(night), names, lambda: night.began)
        blocks = question.begin()
        blocks += [question.give(_kind(one.kind), one.name, one.document) for one in night.facts]
        question.now = self._now
        return question, blocks


def _text(night: Night) -> str:
    return f"Summarise the day that ended on {night.label}."


def _name(label: str) -> str:
    """The request's name in its batch."""
    return f"nightly-{label}"


def _kind(text: str) -> Any:
    return text if text in ("tool", "journal", "finding") else "tool"


def newest(service: Service) -> dict[str, Any]:
    """The newest complete summary (``AnswerDocument``) as JSON values. Raises ConfigError where it is off, and
    YieldbotError where none is complete."""
    settings = service.context.settings
    night = kept.load(settings.data_dir)
    if night is not None and night.answer is not None:
        return dict(night.answer)
    if settings.assistance.nightly_minute is None:
        raise ConfigError('the nightly summary is off: write nightly = "03:00" under [assistant]')
    if night is not None and night.state == WAITING:
        raise YieldbotError(f"the summary of {night.label} is not there yet: the service works on it, look again later")
    raise YieldbotError("there is no summary yet: `yieldbot serve` asks for it at assistant.nightly")
