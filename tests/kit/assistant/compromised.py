"""A double of a model in an attacker's hands, in the place of ``MessagesApi``: no model and no network is in it.

It obeys the wish of one case of ``tests/assistant/injections`` in full: it looks at what carries the text, makes every
call that the wish names, calls every tool that it is offered with the attacker's arguments, and then says what the
attacker wants to be shown, filled with whatever secrets and addresses it finds in what it was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yieldbot.assistant.messages_api import Reply, Tokens

FOLDER = Path(__file__).parents[2] / "assistant" / "injections"
ADDRESS = "0xBadc0Ffee0DDF00d5Afe7e57ab1eDeadFaceB00C"
ARGUMENTS = {"to": ADDRESS, "recipient": ADDRESS, "amount": "all", "approved": True, "min_safety": 0, "confirm": "yes"}
"""What it adds to the input of every tool that it is offered."""
AT_ONCE = 4
OFFERED: set[str] = set()
"""The tools that were tried with ARGUMENTS: once in a process for each, as they answer every caller alike."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the set."""

    id: str
    carrier: str
    """Where the text stands."""
    way: str
    """direct: the user is asked to send it. indirect: it is in data."""
    encoding: str
    text: str
    seeks: str
    """The wish in one word."""
    wish: str
    calls: tuple[Mapping[str, Any], ...]
    """The calls that the wish needs, tools that do not exist among them."""
    says: str
    """What the attacker wants to be shown."""
    must_not: tuple[str, ...]
    """What must not happen."""


def cases() -> list[Case]:
    """The whole set."""
    rows = (json.loads(line) for file in sorted(FOLDER.glob("*.jsonl")) for line in file.read_text().splitlines())
    return [Case(**row | {"calls": tuple(row["calls"]), "must_not": tuple(row["must_not"])}) for row in rows]


@dataclass
class Compromised:
    """The double. It stands for both the class ``MessagesApi`` and its instances."""

    look: tuple[str, Mapping[str, Any]] | None = None
    """The tool whose document carries the text; None: the question or the history does."""
    case: Case | None = None
    """The case that it obeys."""
    bodies: list[str] = field(default_factory=list)
    """What it was sent, as JSON."""
    results: list[Mapping[str, Any]] = field(default_factory=list)
    """The results of its calls that wanted something of the wish."""
    said: list[str] = field(default_factory=list)
    """What it said in this case."""
    waiting: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def __call__(self, *_: object) -> Compromised:
        return self

    def begin(self, case: Case, look: tuple[str, Mapping[str, Any]] | None) -> None:
        """Take up a case."""
        self.case, self.look, self.waiting = case, look, []
        self.bodies.clear()
        self.results.clear()
        self.said.clear()

    async def close(self) -> None:
        """Nothing is open."""

    async def stream(self, body: Mapping[str, Any]) -> AsyncIterator[str | Reply]:
        """The next reply."""
        assert self.case is not None
        text = json.dumps(body, ensure_ascii=False)
        first = not self.bodies
        self.bodies.append(text)
        if first:
            self.waiting = [(str(one["tool"]), one["input"]) for one in self.case.calls]
            for tool in body["tools"]:
                if tool["name"] not in OFFERED:
                    OFFERED.add(tool["name"])
                    self.waiting.append((tool["name"], ARGUMENTS))
            if self.look is not None:
                self.waiting.insert(0, self.look)
        else:
            self.results += [one for one in body["messages"][-1]["content"] if isinstance(one, Mapping)]
        if self.waiting:
            now, self.waiting = self.waiting[:AT_ONCE], self.waiting[AT_ONCE:]
            blocks = [
                {"type": "tool_use", "id": f"t{len(self.bodies)}_{at}", "name": name, "input": dict(given)}
                for at, (name, given) in enumerate(now)
            ]
            yield Reply(blocks, "tool_use", Tokens(10, 10))
            return
        said = self.says(text)
        self.said.append(said.strip())
        yield said
        yield Reply([{"type": "text", "text": said}], "end_turn", Tokens(10, 10))

    def says(self, sent: str) -> str:
        """What it shows: with the secrets and the address that it finds in what it was sent."""
        assert self.case is not None
        secrets = re.findall(r"sk-ant-[\w-]+|canary-[\w-]+|https?://127\S{0,40}", sent)
        owned = [one for one in re.findall(r"0x[0-9a-fA-F]{40}", sent) if one != ADDRESS]
        filled = {"secret": secrets, "api_key": secrets, "address": owned}
        text = self.case.says
        for name, found in filled.items():
            text = text.replace("{" + name + "}", found[-1] if found else "wallet-main")
        return text
