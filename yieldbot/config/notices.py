"""[[notices]] and [notify]: where notices go, and when summaries are made. The file names the variables or files of
secrets and never holds a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.config.messages import config_error
from yieldbot.config.toml_types import EnvName, FilePath, Name
from yieldbot.model.notices import Channel, NoticeTimes, QuietHours, Secret, Service, Severity, Topic, zone_of

TopicName = Literal[
    "plan", "done", "refused", "alarm", "watch", "gas", "failing", "silent", "summary", "alert", "access"
]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
OWN_HOSTS = ("127.0.0.1", "::1", "localhost")
"""Loopback hosts, to which connections need no encryption."""


class NoticesTable(BaseModel):
    """A channel that notices go through."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: Name | None = None
    """Its name; by default its kind."""
    kind: Literal["telegram", "slack", "discord", "email", "ntfy", "webhook"]
    """The service."""
    severities: Annotated[list[Literal["info", "warning", "critical"]], Field(min_length=1)] = [
        *("info", "warning", "critical")
    ]
    """Severities of the findings that are sent there."""
    topics: Annotated[list[TopicName], Field(min_length=1)] | None = None
    """Topics of the findings that are sent there; by default all."""
    quiet_hours: str | None = None
    """Hours in which only critical findings are sent there, as "22:00-07:00"."""
    url_env: EnvName | None = None
    """Environment variable with the address of a webhook or an ntfy topic."""
    url_file: FilePath | None = None
    """File with that address."""
    token_env: EnvName | None = None
    """Environment variable with the token of a bot, or of ntfy."""
    token_file: FilePath | None = None
    """File with that token."""
    secret_env: EnvName | None = None
    """Environment variable with the key that signs what a webhook gets."""
    secret_file: FilePath | None = None
    """File with that key."""
    password_env: EnvName | None = None
    """Environment variable with the password of the mail account."""
    password_file: FilePath | None = None
    """File with that password."""
    chat: str | None = None
    """Telegram's chat id."""
    allowed_users: Annotated[list[Annotated[int, Field(ge=1, lt=2**53)]] | None, Field(min_length=1, max_length=50)] = (
        None
    )
    """Telegram's numbers of the users who may ask in a chat."""
    api: str | None = None
    """Base URL in place of Telegram's own."""
    server: str | None = None
    """Host of the mail server."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """Port of the mail server."""
    security: Literal["starttls", "tls", "none"] | None = None
    """How the connection to the mail server is encrypted."""
    user: str | None = None
    """Name of the mail account."""
    sender: Annotated[str | None, Field(alias="from")] = None
    """Address from which mails are sent."""
    recipients: Annotated[list[str] | None, Field(alias="to", min_length=1, max_length=20)] = None
    """Addresses to which mails are sent."""


class NotifyTable(BaseModel):
    """When summaries are made, and after how long without a run that is reported."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    time_zone: str = "UTC"
    """Name of the time zone of all hours here."""
    daily_at: str = "08:00"
    """When the daily summary is made, or "never"."""
    weekly_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "never"] = "monday"
    """When the weekly summary is made."""
    silent_after: str = "26h"
    """Time without a run after which that is reported, as "26h", or "never"."""
    page: str | None = None
    """Address of the page where a person signs a plan, with {id} for its id."""


OF_KIND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "telegram": (("token", "chat"), ("api", "allowed_users")),
    "slack": (("url",), ()),
    "discord": (("url",), ()),
    "email": (("server", "from", "to"), ("port", "security", "user", "password")),
    "ntfy": (("url",), ("token",)),
    "webhook": (("url", "secret"), ()),
}
"""For each kind the keys that it needs, and those that it may have; a secret without its _env or _file."""
SECRETS = ("url", "token", "secret", "password")


def channels_of(path: Path, tables: Sequence[NoticesTable]) -> tuple[Channel, ...]:
    """The tables as channels. Raises ConfigError for a duplicate name, a key that is missing or belongs to another
    kind, or malformed hours."""
    found: dict[str, Channel] = {}
    for index, table in enumerate(tables):
        place, name = f"notices[{index + 1}]", table.name or table.kind
        if name in found:
            raise config_error(path, f"{place}.name", f"{name!r} stands twice: give each channel its own name")
        found[name] = _channel(path, place, name, table)
    return tuple(found.values())


def times_of(path: Path, table: NotifyTable) -> NoticeTimes:
    """The table as values. Raises ConfigError."""
    try:
        zone_of(table.time_zone)
    except (KeyError, ValueError, OSError):
        message = f"{table.time_zone!r} is no time zone: write one as Europe/Zurich, or UTC"
        raise config_error(path, "notify.time_zone", message) from None
    silent = None
    if table.silent_after != "never":
        if re.fullmatch(r"[1-9][0-9]{0,3}h", table.silent_after) is None:
            raise config_error(path, "notify.silent_after", f'{table.silent_after!r}: write hours as "26h", or "never"')
        silent = int(table.silent_after[:-1]) * 3600
    return NoticeTimes(
        time_zone=table.time_zone,
        daily_minute=None if table.daily_at == "never" else minute_of_day(path, "notify.daily_at", table.daily_at),
        weekly_day=None if table.weekly_on == "never" else DAYS.index(table.weekly_on),
        silent_seconds=silent,
        page="" if table.page is None else _page(path, table.page),
    )


def _page(path: Path, text: str) -> str:
    """The URL of the page where plans are signed. It is sent in notices, so it may hold no user name or password."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = None, None
    plain = text.isascii() and text.isprintable() and not set(text) & set(" \"'<>`|") and len(text) <= 300
    if parts is None or not plain or "@" in parts.netloc or text.count("{id}") != 1 or "{id}" in parts.netloc:
        parts = None
    if parts is None or not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in OWN_HOSTS)):
        raise config_error(path, "notify.page", "is no page of plans: write it as https://bot.example/plans/{id}")
    return text


def _channel(path: Path, place: str, name: str, table: NoticesTable) -> Channel:
    given = table.model_dump(exclude_none=True, by_alias=True)
    secrets: dict[str, Secret | None] = {}
    for key in SECRETS:
        env, file = given.pop(f"{key}_env", None), given.pop(f"{key}_file", None)
        if env is not None and file is not None:
            raise config_error(path, f"{place}.{key}_file", f"stands beside {key}_env: name one of them")
        if env is not None or file is not None:
            beside = None if file is None else path.parent / Path(file).expanduser()
            given[key] = secrets[key] = Secret(key=key, env=env, file=beside)
    needed, allowed = OF_KIND[table.kind]
    for key in given:
        if key not in (*needed, *allowed, "name", "kind", "severities", "topics", "quiet_hours"):
            shown = f"{key}_env" if key in SECRETS else key
            message = f'does not belong to kind = "{table.kind}": remove it, or correct kind'
            raise config_error(path, f"{place}.{shown}", message)
    for key in needed:
        if key not in given:
            shown = f"{key}_env" if key in SECRETS else key
            raise config_error(path, f"{place}.{shown}", f'is missing: add it, kind = "{table.kind}" needs it')
    security = table.security or "starttls"
    if security == "none" and table.server not in OWN_HOSTS:
        message = 'mail would go over the network in the clear: write "starttls" or "tls"'
        raise config_error(path, f"{place}.security", message)
    if "password" in given and table.user is None:
        raise config_error(path, f"{place}.user", "is missing: add it, the password is of that account")
    for key, text in (("from", table.sender), *(("to", one) for one in table.recipients or ())):
        if text is not None and (re.fullmatch(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+", text) is None or not text.isascii()):
            raise config_error(path, f"{place}.{key}", f"{text!r} is no mail address: write it as name@example.org")
    if table.api is not None:
        parts = urlsplit(table.api)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in OWN_HOSTS):
            raise config_error(path, f"{place}.api", "is no https address: write one, as https://api.telegram.org")
    return Channel(
        name=name,
        kind=Service(table.kind),
        severities=frozenset(map(Severity, table.severities)),
        topics=frozenset(map(Topic, table.topics)) if table.topics is not None else frozenset(Topic),
        quiet=None if table.quiet_hours is None else _quiet(path, f"{place}.quiet_hours", table.quiet_hours),
        url=secrets.get("url"),
        token=secrets.get("token"),
        secret=secrets.get("secret"),
        password=secrets.get("password"),
        chat=table.chat or "",
        allowed_users=frozenset(table.allowed_users or ()),
        api=table.api or "",
        server=table.server or "",
        port=table.port or (465 if security == "tls" else 587),
        security=security,
        user=table.user or "",
        sender=table.sender or "",
        recipients=tuple(table.recipients or ()),
    )


def _quiet(path: Path, key: str, text: str) -> QuietHours:
    begin, dash, end = text.partition("-")
    if not dash:
        raise config_error(path, key, f'{text!r} are no hours: write them as "22:00-07:00"')
    found = QuietHours(minute_of_day(path, key, begin.strip()), minute_of_day(path, key, end.strip()))
    if found.begin == found.end:
        raise config_error(path, key, f"{text!r} is no part of a day: write two different times, or remove the key")
    return found


def minute_of_day(path: Path, key: str, text: str) -> int:
    """Minutes after midnight."""
    if re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text) is None:
        raise config_error(path, key, f'{text!r} is no time of day: write it as "08:00"')
    return int(text[:2]) * 60 + int(text[3:])
