"""The documents of ``paper`` and ``paper show``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money
from yieldbot.app.plan_parts import Hold, Plan, Quarantined


class PaperPosition(Part):
    """What a paper wallet has in one market."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    amount: Money = Field(description="the holding")
    leaving: Money | None = Field(description="what of it is leaving by a two-step exit; null: nothing")
    since: int | None = Field(description="when a plan last changed it, in unix seconds; null: not known")
    expected_apr: float | None = Field(
        description="what it is expected to earn from this step on, a simple annual fraction; null: not known"
    )


class PaperLedger(Part):
    """A paper wallet's ledger. Sums are since it began, in whole tokens of the first asset."""

    value: float = Field(description="all that it has, claimed rewards added and gas taken off")
    idle: tuple[Money, ...] = Field(description="what is in the wallet itself")
    positions: tuple[PaperPosition, ...] = Field(description="what is in markets")
    earned: float = Field(description="what markets paid, after the dilution by its own money")
    earned_by_quotes: float = Field(description="the part of it of markets without an index: the mean of two quotes")
    expected: float = Field(description="what was expected of the same holdings over the same time, step by step")
    rewards: float = Field(description="what claimed rewards were worth when claimed")
    gas: float = Field(description="gas, or fees and rent")
    swapped: float = Field(description="what swaps lost against the feeds' prices; negative: they won")
    entered: float = Field(description="fees that markets took of deposits")
    repriced: float = Field(description="what other assets gained against the first one")
    plans: int = Field(description="plans that were simulated")
    failed: int = Field(description="plans that could not be simulated")
    steps: int = Field(description="readings that it decided on")


class PaperWallet(Part):
    """One paper wallet after a call."""

    name: str = Field(description="its name")
    wealth: str = Field(description="what it began with, in whole tokens of the coin")
    coin: str = Field(description="the symbol of the coin that it began with")
    chain: str = Field(description="its chain's name")
    owner: str | None = Field(description="the real account in whose place it stands; null: nobody's")
    assets: tuple[str, ...] = Field(description="the symbols of its assets, the first being the one of sums")
    step: Literal["begun", "stepped", "known", "skipped"] = Field(
        description="begun: its first step; stepped: another one; known: there is no newer block, and nothing was "
        "done; skipped: its chain could not be served"
    )
    skipped: str | None = Field(description="why its chain could not be served; null: it was")
    began: int | None = Field(description="its first block's time in unix seconds; null: it has not begun")
    time: int | None = Field(description="its last step's block's time; null: it has not begun")
    height: int | None = Field(description="that block's number, or slot; null: it has not begun")
    did: str = Field(description="what the last step did, in words")
    plan: Annotated[Plan | Hold, Field(discriminator="action")] | None = Field(
        description="what this call decided; null: nothing was decided"
    )
    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be read")
    ledger: PaperLedger | None = Field(description="what it has; null: it has not begun")


class PaperDocument(Document):
    """A step of each paper wallet: live readings, a simulated ledger, the decisions of live runs."""

    SCHEMA: ClassVar[str] = "paper"

    wallets: tuple[PaperWallet, ...] = Field(description="one for each paper wallet of the call")
