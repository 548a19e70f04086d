"""The document of the wealth over time: what every account has and had of each asset, and what that earned."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money


class WealthPoint(Part):
    """What an account had of an asset at one time, in whole tokens."""

    at: int = Field(description="time of the block, in unix seconds")
    invested: float = Field(description="in markets")
    idle: float | None = Field(description="in the wallet; null: not recorded")


class AccountWealth(Part):
    """One account's wealth in one asset."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier")
    asset: str = Field(description="the asset's symbol")
    invested: Money = Field(description="in markets now")
    idle: Money | None = Field(description="in the wallet now; null: it could not be read")
    usd: float | None = Field(description="US dollars for a whole token now; null: not known")
    apy_now: float | None = Field(
        description="what the money in markets earns from now on, an effective annual fraction; null: there is none"
    )
    days: int = Field(description="over how many days `earned` and the figures after it are")
    earned: float | None = Field(
        description="growth of holdings without our own deposits and withdrawals, in whole tokens; null: nothing was "
        "measured yet, which takes two runs"
    )
    predicted: float | None = Field(
        description="predicted growth over the same time and money, in whole tokens; null as `earned`"
    )
    realised_apr: float | None = Field(
        description="`earned` as a simple annual fraction of the money that earned it; null as `earned`"
    )
    predicted_apr: float | None = Field(description="`predicted` in the same way")
    points: tuple[WealthPoint, ...] = Field(description="by time, as runs recorded it; the last one is now")


class WealthDocument(Document):
    """Wealth of every account by asset, with its past."""

    SCHEMA: ClassVar[str] = "wealth"

    accounts: tuple[AccountWealth, ...] = Field(description="by job and asset, where the chain could be served")
