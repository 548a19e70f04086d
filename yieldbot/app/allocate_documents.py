"""What ``allocate`` answers: docs/allocator.md says how it is made. Amounts are decimal text in whole tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from yieldbot.app.document import Document, Part

Number = int | float
"""A number that is written as it was counted."""


class AllocatedMarket(Part):
    """A market of the problem. Rates are simple annual fractions."""

    id: str = Field(description="the market's id in the problem")
    target: str = Field(description="what it is to hold")
    held: str = Field(description="what it holds now")
    apr_quoted: Number = Field(description="the rate of what is held now")
    apr_after: Number = Field(description="the mean rate that the target earns")
    marginal_apr: Number = Field(description="what one more token would earn, less the haircut")
    gain_per_year: Number = Field(description="what the change gains, net of its costs")
    binding: str = Field(description="why this amount")


class AllocatedAsset(Part):
    """An asset of the problem."""

    id: str = Field(description="the asset's id in the problem")
    idle: str = Field(description="what stays out of the markets")


class AllocatedSwap(Part):
    """One asset that is given for another."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    source: str = Field(alias="from", description="the asset that is given")
    target: str = Field(alias="to", description="the asset that is got")
    paid: str = Field(alias="in", description="how much is given; 0: nothing")
    out: str = Field(description="how much is got")


class AllocationDocument(Document):
    """The best allocation of a problem, with its proof. Held to `hold`, the targets are what is held and the bound is
    still the best possible's."""

    SCHEMA: ClassVar[str] = "allocation"

    targets: dict[str, str] = Field(description="what each market is to hold, by its id")
    idle: str = Field(description="what stays out of the markets, of the first asset")
    income_per_year: Number = Field(description="before haircuts and costs, idle money's too")
    cost: Number = Field(description="what getting there costs, once")
    objective: Number = Field(description="a year, net of haircuts and costs")
    upper_bound: Number = Field(description="no allocation has a higher objective")
    gap_bps: Number = Field(description="their difference, in bp of the wealth a year")
    hold: bool = Field(description="whether nothing is to be moved")
    reason: str = Field(description="why, or how soon the move is paid back")
    shadow_price: Number = Field(description="what one more token would earn, a simple annual fraction")
    markets: tuple[AllocatedMarket, ...] = Field(description="every market of the problem")
    assets: tuple[AllocatedAsset, ...] = Field(description="every asset of the problem")
    swaps: tuple[AllocatedSwap, ...] = Field(description="every swap of the problem")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> AllocationDocument:
        """The allocator's own document as one of ours."""
        return cls.model_validate({name: value for name, value in answer.items() if name != "schema"})
