"""Long conversations: turns that are not sent any more are summarised once, by the small model. A summary is words of a
model: it goes into a block of data, and no number in it supports anything."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.assistant.messages_api import ModelFailed
from yieldbot.assistant.requests import KEPT_TURNS, body_of, data_block

if TYPE_CHECKING:
    from yieldbot.app.asking import Turn
    from yieldbot.assistant.privacy import Names
    from yieldbot.model.assistance import Assistance

MOST_KEPT = 100
EVERY_TURNS = 4
"""A summary is made again after so many turns; those in between are sent as they were."""
NONE = "Earlier turns of this conversation are left out."


class Summaries:
    """Summaries by what they summarise."""

    def __init__(self) -> None:
        self._kept = OrderedDict[str, str]()

    async def of(
        self,
        history: Sequence[Turn],
        settings: Assistance,
        names: Names,
        send: Callable[[dict[str, Any]], Awaitable[str]] | None,
    ) -> str:
        """The summary of the turns that are too old to be sent; empty: there are none. send: asks the model; None:
        nothing may be sent, and a summary that is not there yet is left out. Without the small model the earlier
        turns are left out; a line in their place says so."""
        old = history[: older(len(history))]
        if not old:
            return ""
        turns = [{"question": names.text_out(one.question), "answer": names.text_out(one.answer)} for one in old]
        name = hashlib.sha256(repr(turns).encode()).hexdigest()
        if name not in self._kept:
            if send is None:
                return NONE
            block = data_block("earlier", "a conversation", turns)
            try:
                found = await send(body_of(settings, "summary", [{"role": "user", "content": block}], ()))
            except ModelFailed:  # the question itself may be answered all the same
                return NONE
            self._kept[name] = found
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return self._kept[name] or NONE


def older(turns: int) -> int:
    """How many of so many turns are summarised: all but the last KEPT_TURNS, in steps of EVERY_TURNS."""
    return max(0, turns - KEPT_TURNS + EVERY_TURNS - 1) // EVERY_TURNS * EVERY_TURNS
