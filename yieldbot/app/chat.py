"""Questions by chat (Telegram): status, positions, plans; and a halt.

Nothing is signed by chat, and messages of users who are not allowed are neither answered nor shown. A user is
identified by Telegram's number alone. Answers go only to their private chat with the bot or to the channel's own chat,
since holdings are private.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from yieldbot.access.caller import Caller, Scope
from yieldbot.access.limits import Buckets, Rate
from yieldbot.app import alerts
from yieldbot.app.asking import Ended
from yieldbot.app.formatting import when
from yieldbot.app.notice_text import LONGEST
from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import MOST_LINKS
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.service import Service
    from yieldbot.model.notices import Channel

OF_USERS = Rate(a_second=0.2, at_once=10)
"""Rate of questions from one user that are answered; a halt is always carried out."""
OLDEST_SECONDS = 600
"""Seconds after which a question is no longer answered; a halt always counts."""
MOST_LINES = 15
LONGEST_QUESTION = 2000
LONGEST_LINE = 1000
"""Most characters of a line about one plan: what a call does is not cut short where it fits."""


class Command(StrEnum):
    """What a user may ask."""

    STATUS = "status"
    """Whether the server works, and which plans wait."""
    POSITIONS = "positions"
    """Our positions."""
    PLAN = "plan"
    """Plans that wait for approval, each with the link to the page where it is signed; with an id: one plan in full."""
    HALT = "halt"
    """Set the kill switch: nothing more is signed."""
    ASK = "ask"
    """Ask the assistant, in words."""
    HELP = "help"
    """The list of commands."""


COMMANDS = {"start": Command.HELP, "plans": Command.PLAN, "approve": Command.PLAN} | {one.value: one for one in Command}
"""The words that are understood, each after a slash."""
HELP = (
    "/status, /positions, /plan, /plan ID, /ask QUESTION, /halt: nothing is signed here, and a halt is lifted at the "
    "terminal"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message to the bot; of its text only what follows ``/ask`` and ``/plan``."""

    update: int
    """Telegram's ``update_id``."""
    user: int | None
    """Telegram's number of the user who wrote it; None: the message names no user."""
    chat: int | None
    """Telegram's number of the chat that it was written in; None: it names no chat."""
    private: bool
    """Whether that is the user's own chat with the bot."""
    command: Command | None
    """The command; None: the text is no command that we know."""
    sent_at: int
    """When it was sent, in unix seconds."""
    question: str = ""
    """What follows ``/ask``; empty for any other message."""
    plan_id: str = ""
    """The first word that follows ``/plan``; empty: there is none, or it is another command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a user gets."""

    title: str
    """The heading, without foreign text."""
    lines: tuple[str, ...]
    """The lines; they may hold foreign text such as names of markets."""
    links: tuple[tuple[str, str], ...] = ()
    """(a plan's id, the URL of the page where it is signed)."""
    most_lines: int = MOST_LINES
    """Most lines that are sent."""
    longest: int = LONGEST
    """Most characters of a line that are sent."""
    rest: str = ""
    """Where to find what does not fit; empty: nowhere."""


def asked(update: Mapping[str, Any]) -> Asked | None:
    """The message in one of Telegram's updates; None for an update without an id. Never raises, whatever the update
    holds."""
    number = update.get("update_id")
    if not _whole(number):
        return None
    message, found = update.get("message"), dict[str, Any]()
    if isinstance(message, Mapping):
        found = dict(message)
    sender, chat = _table(found.get("from")), _table(found.get("chat"))
    assert isinstance(number, int)
    bot = sender.get("is_bot") is True or "sender_chat" in found  # anonymous administrators, channels, other bots
    user = sender.get("id") if not bot and _whole(sender.get("id")) else None
    place, sent_at, command = chat.get("id"), found.get("date"), _command(found.get("text"))
    return Asked(
        update=number,
        user=user,
        chat=place if _whole(place) else None,
        private=chat.get("type") == "private" and user is not None and place == user,
        command=command,
        sent_at=sent_at if _whole(sent_at) else 0,  # type: ignore[arg-type]
        question=" ".join(found["text"].split()[1:])[:LONGEST_QUESTION] if command is Command.ASK else "",
        plan_id="".join(found["text"].split()[1:2]) if command is Command.PLAN else "",
    )


def limits() -> Buckets:
    """The rate limits of users."""
    return Buckets(OF_USERS)


def allowed(one: Asked, channel: Channel) -> bool:
    """Whether its author is an allowed user, and this chat is one in which answers may appear."""
    return one.user in channel.allowed_users and (one.private or str(one.chat) == channel.chat)


async def answer(one: Asked, service: Service, now: float) -> Answer:
    """The answer to a user who is allowed. Raises YieldbotError where something cannot be read."""
    if one.command is Command.HALT:
        reason = f"Telegram's user {one.user}"
        done = service.halt(reason)
        await service.halt_signer(reason)
        title, lines = ("halted", f"nothing is signed any more ({done.reason})")
        return Answer(title=title, lines=(lines, f"to lift it, at the terminal: {service.context.program} resume"))
    if now - one.sent_at > OLDEST_SECONDS and one.command is not None:
        return Answer(title="too late", lines=("this was sent while nobody answered: send it again",))
    match one.command:
        case Command.STATUS:
            return Answer(title="status", lines=await _status(service, now))
        case Command.POSITIONS:
            return Answer(title="positions", lines=_positions(service))
        case Command.PLAN:
            return await (_plan(one.plan_id, service, now) if one.plan_id else _plans(service, now))
        case Command.ASK:
            return await _asked(one, service)
        case _:
            return Answer(title="yieldbot", lines=(HELP,))


async def _asked(one: Asked, service: Service) -> Answer:
    """The assistant's answer, with what it proposed. It may read and plan for the user, and nothing more."""
    if service.assistant is None:
        return Answer(title="off", lines=("the assistant needs the extra `assistant` (docs/assistant.md)",))
    if not one.question:
        return Answer(title="ask", lines=("write the question behind it, as: /ask what do we hold?",))
    caller = Caller(f"telegram {one.user}", frozenset((Scope.READ, Scope.PLAN)))
    async for event in service.assistant.ask(one.question, caller):
        if isinstance(event, Ended):
            found = event.document
            lines = [*(found.answer or "").splitlines(), *([found.note] if found.note else [])]
            for proposal in found.proposals:
                lines += [*proposal.lines, f"at the terminal: {proposal.command}"]
            return Answer(title=found.status.replace("_", " "), lines=tuple(line for line in lines if line.strip()))
    raise AssertionError("an answer has an end")


async def _status(service: Service, now: float) -> tuple[str, ...]:
    halted, why = service.halted(), service.ready()
    waiting = await _waiting(service, now)
    lines = [f"halted: {halted}" if halted else "not halted", f"not ready: {why}" if why else "reads its chains"]
    if service.read_at:
        lines.append(f"last reading {max(0, int(now) - service.read_at)} s ago")
    lines += [f"{row['wallet']} on {row['chain']} is stopped: {row['stopped']}" for row in service.accounts().rows
              if row["stopped"]]  # fmt: skip
    lines.append(f"{counted(len(waiting), 'plan waits', 'plans wait')}: /plan" if waiting else "no plan waits")
    try:
        standing = [one for one in alerts.list_(service.context).alerts if one.stands]
        lines += [f"alert {one.id} stands: {one.condition}" for one in standing]
    except YieldbotError as failure:
        lines.append(str(failure))
    return tuple(lines)


def _positions(service: Service) -> tuple[str, ...]:
    found = service.newest("positions")
    if not found.as_of:
        return ("chains are being read for the first time: ask again",)
    lines = [
        f"{row['name']} on {row['chain']}: {row['held']['text']} {row['held']['symbol']}"
        + (f", {row['apy_now'] * 100:z.2f} %" if row["apy_now"] is not None else "")
        for row in found.rows
    ]
    return (*lines, *(f"not read: {line}" for line in found.unread)) or ("nothing is held",)


async def _plans(service: Service, now: float) -> Answer:
    waiting, times = await _waiting(service, now), service.context.settings.notice_times
    if not waiting:
        return Answer(title="plans", lines=("no plan waits",))
    lines = [
        f"{row['id']} waits until {when(row['expires_at'])}" + (f"; {how}" if (how := _how(row["id"], service)) else "")
        for row in waiting
    ]
    pages = [(str(row["id"]), times.link(str(row["id"]))) for row in waiting]
    links = tuple((name, page) for name, page in pages if page is not None)[:MOST_LINKS]
    return Answer(title="plans that wait", lines=(*lines, "one of them in full: /plan ID"), links=links)


async def _plan(plan_id: str, service: Service, now: float) -> Answer:
    """One plan: what REST and the terminal show of it (``history_documents.JournalPlan``)."""
    row = next((one for one in (await service.journalled("plans")).rows if one["id"] == plan_id), None)
    if row is None:
        return Answer(title="no such plan", lines=("no plan has this id; /plan lists those that wait",))
    waits, page = row["status"] == "queued", service.context.settings.notice_times.link(plan_id)
    until = f"{'can be approved until' if row['expires_at'] > now else 'expired at'} {when(row['expires_at'])}"
    how = _how(plan_id, service) if waits and row["expires_at"] > now else ""
    command = f"{service.context.program} history --{'waiting' if waits else 'plans'}"
    lines = (
        f"{row['status']} by {row['by']}" + (f": {row['reason']}" if row["reason"] else ""),
        *((until,) if waits else ()),
        *((how,) if how else ()),
        *(f"account {one['wallet']} on {one['chain']}" for one in service.accounts().rows
          if (one["owner"], one["chain_id"]) == (row["owner"], row["chain"])),
        f"asked for by {row['asked_by']}" if row["asked_by"] else "its run has not ended",
        f"digest {row['digest']}",
        f"gain {row['gain_per_year']:z,.2f} tokens a year, cost {row['cost']:z,.4f}",
        *((f"signed by {', '.join(row['signed_by'])}",) if row["signed_by"] else ()),
        *(f"call {number}: {text}" for number, text in enumerate(row["calls"], 1)),
        *(f"in all {text}" for text in row["changes"]),
        *(f"risk: {text}" for text in row["risks"]),
        *(f"why: {text}" for text in row["why"]),
    )  # fmt: skip
    return Answer(
        title=f"plan {plan_id}",
        lines=lines,
        links=((plan_id, page),) if page is not None and waits else (),
        most_lines=len(lines),
        longest=LONGEST_LINE,
        rest="its page has the rest" if page else f"{command} has the rest, at the terminal",
    )


def _how(plan_id: str, service: Service) -> str:
    """How a plan is approved where no button leads to its page: Telegram takes buttons to https addresses alone."""
    page = service.context.settings.notice_times.link(plan_id) or ""
    return "" if page.startswith("https:") else f"to approve: {service.context.program} approve {plan_id}"


async def _waiting(service: Service, now: float) -> list[Mapping[str, Any]]:
    rows = (await service.journalled("plans")).rows
    return [row for row in rows if row["status"] == "queued" and row["expires_at"] > now]


def _command(text: object) -> Command | None:
    """The command in a text such as ``/status`` or ``/status@name_of_the_bot``; None: it is none."""
    if not isinstance(text, str) or not text.startswith("/"):
        return None
    word = text[1:40].split("@", 1)[0].split(None, 1)
    return COMMANDS.get(word[0].lower()) if word else None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
