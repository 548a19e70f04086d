"""The document of ``demo``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.market_documents import Market
from yieldbot.app.parts import Block
from yieldbot.app.position_documents import Holdings
from yieldbot.app.run_documents import JobReport


class AtBlock(Part):
    """The block at which something was read."""

    block: Block = Field(description="the block that was read")


class LaterHoldings(Holdings, AtBlock):
    """Everything that one job holds after the days that passed."""


class DemoJob(JobReport):
    """One job's cycle, the markets it chose from, and what it holds some days later."""

    markets: tuple[Market, ...] | None = Field(description="all markets before the cycle; null: nothing was decided")
    later: LaterHoldings = Field(description="what is held after the days that passed")


class DemoDocument(Document):
    """The whole job, end to end, on a sandbox."""

    SCHEMA: ClassVar[str] = "demo"

    days: float = Field(description="how many days passed")
    config: str = Field(description="the sandbox's yieldbot.toml")
    seconds: dict[str, float] = Field(description="how long each stage took, and all together (`total`)")
    jobs: tuple[DemoJob, ...] = Field(description="one for each job, in the order of the configuration")
