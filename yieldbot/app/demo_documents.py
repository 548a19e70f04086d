"""What ``demo`` answers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.market_documents import Market
from yieldbot.app.parts import Block
from yieldbot.app.position_documents import Holdings
from yieldbot.app.run_documents import JobReport


class AtBlock(Part):
    """When it was looked at."""

    block: Block = Field(description="the block that was looked at")


class LaterHoldings(Holdings, AtBlock):
    """All that one job holds after the days that passed."""


class DemoJob(JobReport):
    """One job's cycle, the markets that it chose from, and what it holds later."""

    markets: tuple[Market, ...] | None = Field(description="all markets before the cycle; null: nothing was decided")
    later: LaterHoldings = Field(description="what is held after the days that passed")


class DemoDocument(Document):
    """The whole job, end to end, on a sandbox."""

    SCHEMA: ClassVar[str] = "demo"

    days: float = Field(description="how many days passed")
    config: str = Field(description="the sandbox's configuration")
    seconds: dict[str, float] = Field(description="how long each stage took, and all of them together (`total`)")
    jobs: tuple[DemoJob, ...] = Field(description="of each job, in the configuration's order")
