"""Notices: short messages that go to a person by chat, mail or a webhook, and the channels that they go through."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, tzinfo
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from yieldbot.model.dataclass import dataclass

MOST_LINKS = 5
"""Most links to pages of plans in one notice."""


def zone_of(name: str) -> tzinfo:
    """A time zone by its name. Raises KeyError, ValueError or OSError where this machine knows none of that name."""
    if name == "UTC":  # also where no time zones are installed
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    """Something happened as it should."""
    WARNING = "warning"
    """A person should look at it today."""
    CRITICAL = "critical"
    """Money may be in danger; sent in quiet hours too."""

    @property
    def rank(self) -> int:
        """0, 1 or 2: the larger, the graver."""
        return list(Severity).index(self)


class Topic(StrEnum):
    """What a finding is about."""

    PLAN = "plan"
    """A plan waits for approval."""
    DONE = "done"
    """A plan was carried out."""
    REFUSED = "refused"
    """Something was refused, rejected, reverted, or stopped."""
    ALARM = "alarm"
    """An alarm was raised or lifted."""
    WATCH = "watch"
    """Who controls a market's contracts changed, or is about to; large flows."""
    GAS = "gas"
    """An account has too little of the native token."""
    FAILING = "failing"
    """Runs fail, or work again."""
    SILENT = "silent"
    """No run has ended for too long."""
    SUMMARY = "summary"
    """The summary of a day or week."""
    ALERT = "alert"
    """An alert of the user begins or ends."""
    ACCESS = "access"
    """Callers of the server who are refused again and again."""


class Service(StrEnum):
    """Kinds of channels."""

    TELEGRAM = "telegram"
    SLACK = "slack"
    DISCORD = "discord"
    EMAIL = "email"
    NTFY = "ntfy"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret is found when it is needed; the configuration itself never holds it."""

    key: str
    """The key in yieldbot.toml, for messages."""
    env: str | None = None
    """Environment variable with the secret."""
    file: Path | None = None
    """File whose first line is the secret."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of each day, in minutes after midnight; it may go over midnight."""

    begin: int
    """The first minute of the day in these hours."""
    end: int
    """The first minute of the day after these hours."""

    def covers(self, minute: int) -> bool:
        """Whether a minute of the day is in these hours."""
        if self.begin <= self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One ``[[notices]]`` table: a service, and the severities and topics of the findings that are sent there."""

    name: str
    """Its name."""
    kind: Service
    """The service."""
    severities: frozenset[Severity] = frozenset(Severity)
    """Severities of the findings that are sent there."""
    topics: frozenset[Topic] = frozenset(Topic)
    """Topics of the findings that are sent there."""
    quiet: QuietHours | None = None
    """Hours in which only critical findings are sent there; None: there are none."""
    url: Secret | None = None
    """The address of a webhook or an ntfy topic."""
    token: Secret | None = None
    """Token of a bot, or of ntfy."""
    secret: Secret | None = None
    """Key that signs what goes to a webhook."""
    password: Secret | None = None
    """Password of the mail account."""
    chat: str = ""
    """Telegram's chat id."""
    allowed_users: frozenset[int] = frozenset()
    """Telegram's numbers of the users who may ask in a chat; empty: nobody may."""
    server: str = ""
    """Host of the mail server."""
    port: int = 587
    """Port of the mail server."""
    security: str = "starttls"
    """``starttls``, ``tls`` or ``none``; the last only on this machine."""
    user: str = ""
    """Name of the mail account; empty: no log-in."""
    sender: str = ""
    """Sender's address of mails."""
    recipients: tuple[str, ...] = ()
    """Recipients of mails."""
    api: str = ""
    """Base URL in place of Telegram's own; empty: Telegram's."""

    def takes(self, finding: Finding) -> bool:
        """Whether a finding is sent there."""
        return finding.severity in self.severities and finding.topic in self.topics

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that it needs."""
        return tuple(one for one in (self.url, self.token, self.secret, self.password) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTimes:
    """The ``[notify]`` table: when summaries are made, and after how long without a run that is reported."""

    time_zone: str = "UTC"
    """Name of the time zone of all hours here, as Europe/Zurich."""
    daily_minute: int | None = 8 * 60
    """Minute of the day at which the daily summary is made; None: never."""
    weekly_day: int | None = 0
    """Weekday of the weekly summary, 0 is Monday; None: never."""
    silent_seconds: int | None = 26 * 3600
    """Seconds without a run after which that is reported; None: it is not."""
    page: str = ""
    """Address of the page where a person signs a plan, with ``{id}`` for its id; empty: there is none."""

    def link(self, plan_id: str) -> str | None:
        """The page of a plan; None: there is none."""
        return self.page.replace("{id}", quote(plan_id, safe="")) if self.page else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to report, in one line."""

    key: str
    """Identifies the finding for de-duplication: one with an equal key is not sent again before ``again_seconds``."""
    topic: Topic
    """What it is about."""
    severity: Severity
    """How much it matters."""
    text: str
    """One printable line without secrets."""
    at: int
    """When it was found, in unix seconds."""
    again_seconds: int | None = None
    """Seconds after which the same finding may be sent again; None: never."""
    ends: str | None = None
    """Key of the finding that it ends, so that this one may be sent again; None: it ends none."""
    plan_id: str | None = None
    """The plan that a person is to sign; None: it is about none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Findings that go through one channel in one message."""

    id: str
    """The notice's id, the same at each attempt, so that a receiver can recognise duplicates."""
    title: str
    """The heading, without foreign text."""
    findings: tuple[Finding, ...]
    """The findings, the gravest first."""
    left_out: int = 0
    """Number of further findings that did not fit."""
    at: int = field(default=0)
    """When it was made, in unix seconds."""
    times: NoticeTimes = field(default_factory=NoticeTimes)
    """The ``[notify]`` table, which names the page of plans."""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """(a plan's id, its page) of the first plans that a person is to sign."""
        named = dict.fromkeys(one.plan_id for one in self.findings if one.plan_id is not None)
        pages = ((plan_id, self.times.link(plan_id)) for plan_id in named)
        return tuple((plan_id, page) for plan_id, page in pages if page is not None)[:MOST_LINKS]

    @property
    def severity(self) -> Severity:
        """The gravest of its findings."""
        return max((one.severity for one in self.findings), key=lambda one: one.rank, default=Severity.INFO)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each finding."""
        more = (f"and {self.left_out} more: `yieldbot history` lists them",) if self.left_out else ()
        return (*(one.text for one in self.findings), *more)
