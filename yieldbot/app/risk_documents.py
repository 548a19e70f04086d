"""The document of ``risk``."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.alarm_documents import StandingAlarm
from yieldbot.app.document import Document, Part
from yieldbot.app.exposure_documents import ExposureShare
from yieldbot.app.parts import JobHead


class EvidenceNumber(Part):
    """One number or fact that a judgement rests on."""

    what: str = Field(description="what it is")
    value: str = Field(description="its value with its unit, in words")
    source: str = Field(description="where it can be read again: a contract, history, or the name of a list")
    block: int | None = Field(description="the block (slot) that it was read at; null: it comes from no block")


class GradeSide(Part):
    """One of the aspects that a safety grade is made of."""

    name: str = Field(description="name of the aspect (docs/risk.md)")
    score: float = Field(description="0 (worst) to 100 (best)")
    weight: float = Field(description="its weight in the grade")
    evidence: tuple[EvidenceNumber, ...] = Field(description="the facts from which the score was computed")
    missing: tuple[str, ...] = Field(description="facts that are not known, each counted as its worst case")


class MarketRisk(Part):
    """A market's safety grade, and how good its yield is for that safety."""

    id: str = Field(description="the market's id")
    name: str = Field(description="its name")
    protocol: str = Field(description="the protocol's name")
    asset: str = Field(description="the symbol of its asset")
    safety: int = Field(description="0 (worst) to 100 (best)")
    letter: str = Field(description="the grade as a letter: A+, A, B, C, D or F")
    limits: tuple[str, ...] = Field(description="hard facts that cap the grade, the lowest cap first")
    loss_bps: float = Field(description="expected loss a year, in bp of what is held")
    loss_low_bps: float = Field(description="lower end of its 80 % interval")
    loss_high_bps: float = Field(description="upper end of its 80 % interval")
    quoted: float = Field(description="the quoted rate, a simple annual fraction")
    short_mean: float = Field(description="expected over the days that moves are decided for, less the expected loss")
    short: int = Field(description="grade of that yield, 0 to 100; 50: its low end is the median of its asset")
    long_mean: float = Field(description="the mean rate in memory, less the expected loss")
    long: int = Field(description="grade of that yield, 0 to 100")
    signal: str = Field(description="`enter`, `hold` or `leave`")
    advice: str = Field(
        description="the signal for our own money: of a market that we do not hold `wait` in place of `hold` and `stay "
        "out` in place of `leave`; `full` in place of `enter` where its cap is reached"
    )
    haircut_bps: float | None = Field(
        description="your own figure in `policy.haircut_bps`, which plans deduct in place of the expected loss; null: "
        "none"
    )
    reason: str = Field(description="why, in one line")
    alarms: tuple[StandingAlarm, ...] = Field(description="alarms in force")
    components: tuple[GradeSide, ...] = Field(description="the aspects that the grade is made of")


class JobRisk(JobHead):
    """One job's markets of one asset, the safest first."""

    markets: tuple[MarketRisk, ...] = Field(description="its markets")
    exposures: tuple[ExposureShare, ...] = Field(
        description="what our money finally depends on, the largest part first"
    )


class RiskDocument(Document):
    """The safety grade of each market, with the evidence."""

    SCHEMA = "risk"

    jobs: tuple[JobRisk | JobHead, ...] = Field(description="by job and asset; the head alone where a chain failed")
    exposures: tuple[ExposureShare, ...] = Field(
        default=(),
        description="the assets and protocols that all jobs' holdings together depend on; empty: fewer than two "
        "jobs have a price",
    )
