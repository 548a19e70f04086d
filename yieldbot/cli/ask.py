"""``yieldbot ask`` and ``yieldbot chat``: questions to the assistant."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from yieldbot.app import serve as use
from yieldbot.app.admission import Caller, Scope
from yieldbot.app.asking import Ended, Looking, Piece, Turn, Withdrawn
from yieldbot.assistant.opening import assistant_of
from yieldbot.cli.prompts import interruptible
from yieldbot.errors import ConfigError
from yieldbot.model.text import one_line, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from yieldbot.app.answer_documents import AnswerDocument
    from yieldbot.app.asking import Assistant
    from yieldbot.app.service import Service
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_TURNS = 100
LONGEST_QUESTION = 8_000
GUTTER = "| "
"""Stands before each line that a model wrote, so that it can forge none of yieldbot's own."""


def register(listed: CommandList) -> None:
    about = ". It answers through the Claude API; it cites, and yieldbot writes the figures. It cannot sign."
    parser = listed.add_parser("ask", about)
    parser.add_argument("question", nargs="?", default="", help="the question, in quotes")
    parser.add_argument("--usage", action="store_true", help="print what it used in the last 7 days, and ask nothing")
    parser.add_argument("--nightly", action="store_true", help="print the newest nightly summary, and ask nothing")
    parser.add_argument(
        "--show-request", action="store_true", help="print what would leave this machine, and send nothing"
    )
    parser.add_argument("--scope", choices=("read", "plan"), default="plan", help="read, or plan too (default)")
    parser.set_defaults(command="ask", handler=ask)
    parser = listed.add_parser("chat", about + " An empty line or Ctrl-D ends it.")
    parser.add_argument("--scope", choices=("read", "plan"), default="plan", help="read, or plan too (default)")
    parser.set_defaults(command="chat", handler=chat)


def ask(args: argparse.Namespace, context: Screen) -> int:
    if args.usage:
        return usage(context)
    if args.nightly:
        return nightly(context)
    question = _question(args.question)
    service = use.service_of(context, use.ServeRequest())
    caller = _caller(args.scope)

    async def show() -> int:
        found = await assistant_of(service).request(question, caller)
        context.show(found.as_json(), lambda: _json(found.as_json()["body"]))
        return 0

    async def answer() -> int:
        found = await _answer(_ready(service), question, caller, (), context)
        if context.json:
            context.show(found.as_json())
        return found.exit_code

    return asyncio.run(_closing(service, show() if args.show_request else answer()))


def nightly(context: Screen) -> int:
    from yieldbot.app.answer_documents import AnswerDocument
    from yieldbot.assistant.nightly import newest

    found = newest(use.service_of(context, use.ServeRequest()))
    document = AnswerDocument.model_validate(found)
    if context.json:
        context.show(document.as_json())
        return document.exit_code
    print(document.question)
    if document.answer is not None:
        print(GUTTER + context.redacted(printable(document.answer)).replace("\n", f"\n{GUTTER}"))
    _end(document, context)
    return document.exit_code


def usage(context: Screen) -> int:
    from yieldbot.cli.tables import TextTable

    found = assistant_of(use.service_of(context, use.ServeRequest())).usage()

    def table() -> TextTable:
        made = TextTable(
            "The assistant",
            *("prompts", "model", ">requests", ">failed", ">tokens sent", ">kept", ">returned", ">USD", ">median s"),
            ">95 % s",
        )
        for one in found.prompts:
            times = [
                "" if value is None else f"{value / 1000:z.1f}"
                for value in (one.median_milliseconds, one.p95_milliseconds)
            ]
            tokens = (one.input_tokens, one.cached_tokens, one.output_tokens)
            numbers = (one.requests, sum(one.failures.values()), *tokens)
            made.add_row(one.prompt, one.model, *map(str, numbers), f"{one.nanodollars / 10**9:z.4f}", *times)
        return made

    context.show(found.as_json(), table)
    return 0


def chat(args: argparse.Namespace, context: Screen) -> int:
    if context.json:
        raise ConfigError("chat is a conversation: for one answer as JSON use `yieldbot ask ... --json`")
    service = use.service_of(context, use.ServeRequest())
    caller = _caller(args.scope)

    async def talk() -> int:
        assistant, turns = _ready(service), list[Turn]()
        while len(turns) < MOST_TURNS:
            print("> ", end="", flush=True)
            with interruptible():  # in a thread, Ctrl-C would wait for the next line
                line = sys.stdin.readline()
            if not line.strip():
                break
            try:
                question = _question(line)
            except ConfigError as wrong:  # the conversation goes on
                context.complain(str(wrong))
                continue
            found = await _answer(assistant, question, caller, turns, context)
            if found.answer:
                turns.append(Turn(found.question, found.answer))
        return 0

    return asyncio.run(_closing(service, talk()))


def _ready(service: Service) -> Assistant:
    """The assistant. Raises ConfigError where it lacks its extra or its key."""
    found = assistant_of(service)
    found.key()
    return found


async def _answer(
    assistant: Assistant, question: str, caller: Caller, turns: Sequence[Turn], context: Screen
) -> AnswerDocument:
    """Ask, and print the answer while it comes; with --json nothing is printed here."""
    shown = False
    async for event in assistant.ask(question, caller, turns):
        match event:
            case Looking(tool):
                context.say(f"looks at {tool}")
            case Piece(text) if not context.json:
                said = context.redacted(printable(text)).replace("\n", f"\n{GUTTER}")
                print(said if shown else GUTTER + said, end="", flush=True)
                shown = True
            case Withdrawn(reason) if not context.json:
                print(f"\n[what stands above does not count: {reason}]")
                shown = False
            case Ended(document):
                if not context.json:
                    if shown:
                        print()
                    _end(document, context)
                return document
    raise AssertionError("an answer has an end")


def _end(document: AnswerDocument, context: Screen) -> None:
    """Print where the numbers come from, what was proposed, and why there is no whole answer."""
    named = {one.source for one in document.figures}
    for source in document.sources:
        if source.source in named and source.kind != "clock":
            places = sorted({one.text for one in document.figures if one.source == source.source})
            print(printable(f"  {source.source} {source.name}: {', '.join(places)}"))
    for finding in document.findings:
        if finding.severity != "info":
            print(printable(f"  {finding.severity}: {finding.place}: {one_line(finding.text)} ({finding.why})"))
    for proposal in document.proposals:
        print(printable(f"  proposed {proposal.id}: {proposal.command}"))
        for line in proposal.lines:
            print(printable(f"    {line}"))
    if document.note is not None:
        context.complain(document.note)


def _question(text: str) -> str:
    text = one_line(text.strip())
    if not text:
        raise ConfigError('the question is empty: write it in quotes, as yieldbot ask "what do we hold?"')
    if len(text) > LONGEST_QUESTION:
        raise ConfigError(f"the question has more than {LONGEST_QUESTION} characters: ask for less")
    return text


def _caller(scope: str) -> Caller:
    return Caller("assistant", frozenset((Scope.READ,) if scope == "read" else (Scope.READ, Scope.PLAN)))


async def _closing(service: Service, work: object) -> int:
    try:
        return await work  # type: ignore[misc,no-any-return]
    finally:
        await service.close()


def _json(body: object) -> str:
    import json

    return json.dumps(body, indent=2, ensure_ascii=False)
