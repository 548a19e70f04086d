"""Asks Telegram for messages to the bot (long polling), and answers users who are allowed; only in ``yieldbot serve``.

Forms of requests and answers: https://core.telegram.org/bots/api (getUpdates, Update, Message, sendMessage).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.app import chat
from yieldbot.app.notice_text import safe
from yieldbot.app.notify import NotSent, secret_of
from yieldbot.app.schedule import Task, every
from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.notices import Channel, Secret, Service
from yieldbot.notify.http import post
from yieldbot.notify.messages import TELEGRAM, telegram_reply
from yieldbot.resources import read_text

if TYPE_CHECKING:
    from yieldbot.app.service import Service as Server

WAIT_SECONDS = 25
"""Seconds for which Telegram holds a request open until a message arrives (``timeout`` of getUpdates)."""
SEND_SECONDS = 10.0
MOST_ASKING = 2
"""Most questions to the assistant that are answered at a time; others get no answer."""
MOST_AT_ONCE = 20
"""Most messages that one request returns (``limit`` of getUpdates)."""
MOST_ANSWER = 2 * 2**20
"""Most bytes of an answer with MOST_AT_ONCE messages."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds until the next attempt: after the first failure, and at most, as each further failure doubles the pause."""
FORGET_SECONDS = 5 * 86_400
"""Age in seconds from which a stored offset is not used: after a week without messages Telegram chooses the next
update_id at random, and an older offset could hide new messages."""
AGES = 366 * 86_400.0

T = TypeVar("T")


@dataclass(slots=True)
class Chat:
    """One channel's chat with its users."""

    server: Server
    """The server."""
    channel: Channel
    """A channel whose service is Telegram."""
    now: Callable[[], float] = time.time
    """Unix seconds."""
    pause: float = FIRST_PAUSE
    """Seconds until the next attempt after the next failure."""
    _users: Any = field(default_factory=chat.limits)
    """The rate limit of each user."""
    _complaint: str = ""
    """The last failure that was printed."""
    _asking: set[asyncio.Task[None]] = field(default_factory=set)
    """Questions to the assistant that are being answered: other messages, such as a halt, do not wait for them."""

    async def talk(self) -> None:
        """Fetch and answer messages until this task is cancelled."""
        while True:
            try:
                await self.round()
            except Exception as failure:  # a fault of the chat must not end the server
                self._complain(failure)
                await asyncio.sleep(min(LONGEST_PAUSE, max(self.pause, getattr(failure, "retry_after", None) or 0)))
                self.pause = min(LONGEST_PAUSE, self.pause * 2)
            else:
                self.pause, self._complaint = FIRST_PAUSE, ""

    async def round(self, seconds: int = WAIT_SECONDS) -> int:
        """Fetch messages once and answer them; returns their number. Raises NotSent, ConfigError without a token, and
        OSError where the offset cannot be stored (Telegram then delivers the same messages again)."""
        token = self._token()
        file = self.server.context.settings.data_dir / "notices" / f"telegram-{token.partition(':')[0][:20]}.json"
        wanted: dict[str, Any] = {"timeout": seconds, "limit": MOST_AT_ONCE, "allowed_updates": ["message"]}
        if (offset := _offset(file, self.now())) is not None:
            wanted["offset"] = offset
        found = _updates(await _in_thread(lambda: self._call("getUpdates", wanted, token, seconds + SEND_SECONDS)))
        for update in found:
            one = chat.asked(update)
            if one is not None:
                await self._take(one, token)
                _keep(file, one.update + 1, self.now())
        return len(found)

    async def _take(self, one: chat.Asked, token: str) -> None:
        """Answer one message. A message of a user who is not allowed is only counted."""
        by = f"telegram {one.user}" if one.user is not None else "telegram"
        note, what = self.server.admission.note, one.command or "no command"
        if not self._allows(one):
            note(by, self.channel.name, "a message of somebody who is not allowed", "403 not answered")
            return
        if one.command is not chat.Command.HALT and self._users.take(str(one.user), time.monotonic()).refused:
            note(by, self.channel.name, f"asked {what}", "429")
            return
        if one.command is not chat.Command.ASK:
            await self._reply(one, by, what, token)
        elif len(self._asking) >= MOST_ASKING:
            note(by, self.channel.name, f"asked {what}", "429 others are being answered")
        else:
            self._asking.add(task := asyncio.create_task(self._reply(one, by, what, token)))
            task.add_done_callback(self._asking.discard)

    async def _reply(self, one: chat.Asked, by: str, what: str, token: str) -> None:
        note = self.server.admission.note
        try:
            said = await chat.answer(one, self.server, self.now())
        except YieldbotError as failure:
            said = chat.Answer(title="failed", lines=(str(failure),))
        note(by, self.channel.name, f"asked {what}", said.title)
        assert one.chat is not None
        secrets = (*self.server.context.secrets(), token)
        lines = [safe(line, secrets, said.longest) for line in said.lines[: said.most_lines]]
        if len(said.lines) > said.most_lines:
            lines.append(f"and {len(said.lines) - said.most_lines} more")
        if said.rest and any(line.endswith("…") for line in lines):
            lines.append(f"a line was cut: {said.rest}")
        document = telegram_reply(one.chat, said.title, lines, said.links, said.rest)
        try:
            await _in_thread(lambda: self._call("sendMessage", document, token, SEND_SECONDS))
        except NotSent as failure:  # it was carried out, and must not be delivered again for ever
            self._complain(failure)

    def _allows(self, one: chat.Asked) -> bool:
        """Whether the configuration, as it was loaded last, names the user in this channel."""
        channels = self.server.context.settings.notices
        return any(chat.allowed(one, channel) for channel in channels if channel.name == self.channel.name)

    def _call(self, method: str, document: Mapping[str, Any], token: str, seconds: float) -> bytes:
        url = f"{(self.channel.api or TELEGRAM).rstrip('/')}/bot{token}/{method}"
        headers = {"Content-Type": "application/json"}
        return post(url, json.dumps(document, allow_nan=False).encode(), headers, seconds, MOST_ANSWER)

    def _token(self) -> str:
        assert isinstance(self.channel.token, Secret)
        return secret_of(self.channel, self.channel.token, self.server.context.environment)

    def _complain(self, failure: Exception) -> None:
        """Print a failure, but not the same one again, since the request is repeated all the time."""
        context = self.server.context
        text = safe(str(failure), context.secrets()) if isinstance(failure, YieldbotError) else type(failure).__name__
        if text != self._complaint:
            self._complaint = text
            context.complain(f"notices {self.channel.name}: messages to the bot: {text}")


def chats_of(server: Server) -> list[Task]:
    """The server's tasks for questions by chat: for each channel that names users one task that never ends."""
    named = [one for one in server.context.settings.notices if one.kind is Service.TELEGRAM and one.allowed_users]
    return [every(f"chat {one.name}", AGES, Chat(server, one).talk) for one in named]


async def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a daemon thread, for which the server's shutdown does not wait; returns its result."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            found = work()
        except Exception as failure:
            _tell(loop, done, partial(done.set_exception, failure))
        else:
            _tell(loop, done, partial(done.set_result, found))

    threading.Thread(target=run, name="chat", daemon=True).start()
    return await done


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], end: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
        loop.call_soon_threadsafe(lambda: None if done.done() else end())


def _updates(body: bytes) -> list[Mapping[str, Any]]:
    """The updates in an answer of getUpdates. Raises NotSent for an answer of another form."""
    try:
        found = loads(body)
        rows = found["result"]
        assert found["ok"] is True and isinstance(rows, list)
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise NotSent("an answer that is none of Telegram's") from None
    return [row for row in rows if isinstance(row, Mapping)]


def _offset(file: Path, now: float) -> int | None:
    """The stored update_id of the first message that is not answered yet; None: nothing usable is stored, so begin with
    the oldest that Telegram has."""
    try:
        found = loads(read_text(file))
        at, offset = found["at"], found["offset"]
    except (OSError, YieldbotError, ValueError, KeyError, TypeError, RecursionError):
        return None
    fresh = isinstance(at, int) and isinstance(offset, int) and 0 <= now - at < FORGET_SECONDS
    return offset if fresh else None


def _keep(file: Path, offset: int, now: float) -> None:
    """Store that every message before this update_id is answered; the file is replaced atomically. Raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"offset": offset, "at": int(now)}, out)
    new.replace(file)
