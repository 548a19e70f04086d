"""Builds what is sent to the Messages API: system prompt, task, data blocks and question, each apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.assistant.prompts import prompt

if TYPE_CHECKING:
    from yieldbot.app.asking import Turn
    from yieldbot.assistant.privacy import Names
    from yieldbot.model.assistance import Assistance, Price

BYTES_A_TOKEN = 2
"""Fewer bytes than a token has in such texts (3 to 4), so that a request is never counted too low."""
MOST_QUESTION = 8_000
_PROMPTS = {"summary": "summary", "nightly": "nightly"}
KEPT_TURNS = 6
"""Turns of a conversation that are sent as they were; older ones are sent as a summary."""


def data_block(source: str, what: str, value: Any) -> str:
    """A marked block of data. No text in it can close it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return f"<data source={json.dumps(source)} from={json.dumps(what)}>\n{text}\n</data>"


def conversation(
    question: str, history: Sequence[Turn], blocks: Sequence[str], names: Names, earlier: str = ""
) -> list[dict[str, Any]]:
    """The messages before any tool is used. earlier: a summary of turns that are not sent."""
    found: list[dict[str, Any]] = []
    if earlier:
        found.append({"role": "user", "content": data_block("earlier", "summary of this conversation", earlier)})
        found.append({"role": "assistant", "content": "I know what was said before."})
    for turn in history:
        found.append({"role": "user", "content": names.text_out(turn.question)})
        found.append({"role": "assistant", "content": names.text_out(turn.answer) or "(no answer)"})
    content = [{"type": "text", "text": block} for block in blocks]
    content.append({"type": "text", "text": names.text_out(question[:MOST_QUESTION])})
    return [*found, {"role": "user", "content": content}]


def body_of(
    settings: Assistance, task: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The body of a request. What does not change comes first and is kept by the service's cache. task: of TASKS, or
    ``nightly``."""
    own = prompt(_PROMPTS.get(task, "answer")).text
    return {
        "model": settings.models["summary" if task == "nightly" else task],
        "max_tokens": settings.most_tokens,
        "system": [
            {"type": "text", "text": prompt("system").text, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": own},
        ],
        "messages": list(messages),
        **({"tools": list(tools)} if tools else {}),
    }


def version(task: str = "answer") -> str:
    """The version of the prompts of a task, as answer-1 of system-1."""
    own = prompt(_PROMPTS.get(task, "answer")).name
    return f"{prompt('system').name} {own}"


def most(body: Mapping[str, Any], price: Price) -> tuple[int, int]:
    """The most tokens that a request can take, and the most nanodollars that it can cost."""
    sent = len(json.dumps(body, ensure_ascii=False).encode()) // BYTES_A_TOKEN
    dearest = max(price.input, price.cache_write)
    return sent + body["max_tokens"], sent * dearest + body["max_tokens"] * price.output
