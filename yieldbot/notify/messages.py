"""The form of a notice for each service. Lines may hold text of strangers (names of tokens and vaults, revert reasons):
in no service do they become a link, a mention, a command or markup."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP

from yieldbot.app.notify_documents import NoticeDocument
from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import Channel, Finding, Notice, Severity, Topic

TELEGRAM = "https://api.telegram.org"
MOST_TELEGRAM, MOST_SLACK, MOST_DISCORD, MOST_NTFY = 3500, 2900, 1800, 3500
"""Most characters of a notice's lines for each service: its own limit less what we put around the lines."""
NTFY_PRIORITY = {Severity.INFO: "2", Severity.WARNING: "4", Severity.CRITICAL: "5"}
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Post:
    """A POST request to a service."""

    url: str
    """The request's URL."""
    body: bytes
    """The request's body."""
    headers: Mapping[str, str]
    """The request's headers."""


def telegram(channel: Channel, notice: Notice, secrets: Mapping[str, str]) -> Post:
    """The notice for Telegram, as preformatted text, in which Telegram makes no links."""
    text = _fitting(notice, MOST_TELEGRAM, html)
    document = {
        "chat_id": channel.chat,
        "text": f"<b>{html(notice.title)}</b>\n<pre>{text}</pre>",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": notice.severity is Severity.INFO,
    }
    # Telegram refuses a message with a button to a loopback or local address
    if buttons := [[{"text": f"Plan {name}", "url": page}] for name, page in notice.links if page[:5] == "https"]:
        document["reply_markup"] = {"inline_keyboard": buttons}
    return _json(f"{(channel.api or TELEGRAM).rstrip('/')}/bot{secrets['token']}/sendMessage", document)


def telegram_reply(
    chat: int, title: str, lines: Sequence[str], links: Sequence[tuple[str, str]], rest: str = ""
) -> dict[str, object]:
    """The JSON of Telegram's ``sendMessage`` that answers a question. Lines may hold names that strangers chose, so
    they are preformatted text too. rest: where to find the lines that do not fit; empty: nowhere."""
    finding = [Finding(key="", topic=Topic.DONE, severity=Severity.INFO, text=one, at=0) for one in lines]
    text = _fitting(Notice(id="", title=title, findings=tuple(finding)), MOST_TELEGRAM, html, rest)
    document: dict[str, object] = {
        "chat_id": chat,
        "text": f"<b>{html(title)}</b>\n<pre>{text}</pre>",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if buttons := [[{"text": f"Plan {name}", "url": page}] for name, page in links if page[:5] == "https"]:
        document["reply_markup"] = {"inline_keyboard": buttons}
    return document


def slack(channel: Channel, notice: Notice, secrets: Mapping[str, str]) -> Post:
    """The notice for Slack, as plain text in which no < is left, as Slack's control sequences begin with it."""
    text = _fitting(notice, MOST_SLACK, without_angles)
    block = {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}
    buttons = [
        {"type": "button", "text": {"type": "plain_text", "text": f"Plan {name}"[:75]}, "url": page}
        for name, page in notice.links
    ]
    actions: list[dict[str, object]] = [{"type": "actions", "elements": buttons}] if buttons else []
    document = {
        "text": without_angles(notice.title),
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": notice.title[:140]}}, block, *actions],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return _json(secrets["url"], document)


def discord(channel: Channel, notice: Notice, secrets: Mapping[str, str]) -> Post:
    """The notice for Discord, as a code block without backticks inside, so that no line can end it; mentions are
    disabled."""
    links = notice.links
    room = sum(len(name) + len(page) + 5 for name, page in links)
    text = _fitting(notice, MOST_DISCORD - room, without_ticks)
    document = {
        "content": f"**{notice.title}**\n```\n{text}\n```" + "".join(f"\n{name}: <{page}>" for name, page in links),
        "allowed_mentions": {"parse": []},
        "flags": 4,  # SUPPRESS_EMBEDS
    }
    return _json(secrets["url"], document)


def ntfy(channel: Channel, notice: Notice, secrets: Mapping[str, str]) -> Post:
    """The notice for ntfy, as plain text; without its Markdown header ntfy interprets nothing in it."""
    headers = {
        "Title": _ascii(notice.title),
        "Priority": NTFY_PRIORITY[notice.severity],
        "Content-Type": "text/plain; charset=utf-8",
    }
    if "token" in secrets:
        headers["Authorization"] = f"Bearer {secrets['token']}"
    if notice.links:
        headers["Click"] = notice.links[0][1]
    return Post(secrets["url"], _fitting(notice, MOST_NTFY, str).encode(), headers)


def webhook(channel: Channel, notice: Notice, secrets: Mapping[str, str], now: int) -> Post:
    """The notice for a webhook, as a JSON document, signed over time and body: ``Yieldbot-Signature: t=TIME,v1=HEX``.
    now: unix seconds."""
    body = json.dumps(NoticeDocument.of(notice).as_json(), allow_nan=False).encode()
    headers = {
        "Content-Type": "application/json",
        "Yieldbot-Notice": notice.id,
        "Yieldbot-Signature": f"t={now},v1={signature(secrets['secret'], now, body)}",
    }
    return Post(secrets["url"], body, headers)


def signature(secret: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 in hex, with the secret as key, over the time (unix seconds in decimal), a dot and the body."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def email(channel: Channel, notice: Notice) -> EmailMessage:
    """The notice as a mail of plain text; the subject holds no foreign text."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = _ascii(notice.title)
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    message["Message-ID"] = f"<{notice.id}@{channel.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if notice.severity is Severity.CRITICAL:
        message["Importance"] = "high"
    message.set_content("\n".join((*notice.lines, *(f"plan {name}: {page}" for name, page in notice.links), "")))
    return message


def html(text: str) -> str:
    """Text escaped for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def without_angles(text: str) -> str:
    """The text with < and > replaced by characters that look like them."""
    return text.replace("<", "‹").replace(">", "›")


def without_ticks(text: str) -> str:
    """The text with backticks replaced by characters that look like them."""
    return text.replace("`", "ˋ")


def _fitting(notice: Notice, most: int, form: type[str] | object, rest: str = "") -> str:
    """As many of the notice's lines as fit into ``most`` bytes, each escaped by ``form``, with the number of those
    left out and where they are (``rest``)."""
    assert callable(form)
    found, size = [], 0
    for index, line in enumerate(notice.lines):
        text = str(form(line))
        if size + len(text.encode()) > most:
            found.append(f"and {len(notice.lines) - index} more" + (f": {rest}" if rest else ""))
            break
        found.append(text)
        size += len(text.encode()) + 1
    return "\n".join(found)


def _json(url: str, document: Mapping[str, object]) -> Post:
    return Post(url, json.dumps(document, allow_nan=False).encode(), {"Content-Type": "application/json"})


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
