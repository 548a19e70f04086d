"""The documents of ``notify``, and what a webhook gets."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.model.notices import Notice


class ChannelResult(Part):
    """The result of sending through one channel."""

    name: str = Field(description="the channel's name")
    kind: str = Field(description="telegram, slack, discord, email, ntfy or webhook")
    sent: int = Field(description="findings that were sent now")
    waiting: int = Field(description="findings that wait for it: quiet hours, its rate, or a failure")
    failure: str | None = Field(description="why it could not be sent; null: it was, or nothing was due")
    next_try: int | None = Field(description="when it is tried again, in unix seconds; null: at the next occasion")


class NotifyDocument(Document):
    """Notices that were sent, by channel."""

    SCHEMA: ClassVar[str] = "notify"

    channels: tuple[ChannelResult, ...] = Field(description="one for each `[[notices]]` table")
    notes: tuple[str, ...] = Field(default=(), description="what could not be read, a line each")


class NoticeFinding(Part):
    """One thing to report."""

    topic: str = Field(
        description="plan, done, refused, alarm, watch, gas, failing, silent, summary, alert, access; `test` for a test"
    )
    severity: str = Field(description="info, warning or critical")
    text: str = Field(description="one printable line")
    at: int = Field(description="when it was found, in unix seconds")
    plan_id: str | None = Field(default=None, description="the plan that a person is to sign; null: none")
    link: str | None = Field(default=None, description="its page (`notify.page`); null: there is none")


class NoticeDocument(Document):
    """What a webhook gets: several findings in one message."""

    SCHEMA: ClassVar[str] = "notice"

    id: str = Field(description="the notice's id, the same at each attempt to send it")
    at: int = Field(description="when it was made, in unix seconds")
    severity: str = Field(description="the highest severity of its findings")
    title: str = Field(description="how many findings of which topic")
    findings: tuple[NoticeFinding, ...] = Field(description="the gravest first")
    left_out: int = Field(description="number of further findings that did not fit")

    @classmethod
    def of(cls, notice: Notice) -> NoticeDocument:
        """The document of a notice."""
        return cls(
            id=notice.id,
            at=notice.at,
            severity=notice.severity.value,
            title=notice.title,
            findings=tuple(
                NoticeFinding(
                    topic=one.topic.value,
                    severity=one.severity.value,
                    text=one.text,
                    at=one.at,
                    plan_id=one.plan_id,
                    link=None if one.plan_id is None else notice.times.link(one.plan_id),
                )
                for one in notice.findings
            ),
            left_out=notice.left_out,
        )
