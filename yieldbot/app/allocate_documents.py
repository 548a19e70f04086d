"""The document of ``allocate`` (docs/allocator.md says how it is made). Amounts are decimal text in whole tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from yieldbot.app.document import Document, Part

Number = int | float
"""Integers stay integers in the JSON."""


class AllocatedMarket(Part):
    """A market of the problem. Rates are simple annual fractions."""

    id: str = Field(description="the market's id in the problem")
    target: str = Field(description="its target holding")
    held: str = Field(description="its present holding")
    apr_quoted: Number = Field(description="the rate at the present holding")
    apr_after: Number = Field(description="the average rate that the target earns")
    marginal_apr: Number = Field(description="what one more token would earn there, less the haircut")
    gain_per_year: Number = Field(description="what the change of holding gains a year, net of its costs")
    binding: str = Field(description="the limit that binds, or why the market gets nothing")


class AllocatedAsset(Part):
    """An asset of the problem."""

    id: str = Field(description="the asset's id in the problem")
    idle: str = Field(description="what stays in the wallet")


class AllocatedSwap(Part):
    """A swap of one asset for another."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    source: str = Field(alias="from", description="the asset that goes in")
    target: str = Field(alias="to", description="the asset that comes out")
    paid: str = Field(alias="in", description="how much goes in; 0: nothing")
    out: str = Field(description="how much comes out")


class AllocationDocument(Document):
    """The best allocation of a problem, with its certificate. With `hold` the targets are the present holdings, while
    the bound is still that of the best allocation."""

    SCHEMA: ClassVar[str] = "allocation"

    targets: dict[str, str] = Field(description="each market's target holding, by its id")
    idle: str = Field(description="what stays in the wallet, of the first asset")
    income_per_year: Number = Field(description="income a year before haircuts and costs, that of idle money included")
    cost: Number = Field(description="one-time cost of getting there")
    objective: Number = Field(description="income a year, net of haircuts and costs")
    upper_bound: Number = Field(description="no allocation has a higher objective")
    gap_bps: Number = Field(description="upper bound less objective, in bp of the wealth a year")
    hold: bool = Field(description="whether nothing is to be moved")
    reason: str = Field(description="why nothing is moved, or after how many days the move has earned its cost")
    shadow_price: Number = Field(
        description="what one more token would earn: the highest marginal rate, less the haircut, of a market that has "
        "money and room for more, a simple annual fraction; without one, what idle money earns"
    )
    markets: tuple[AllocatedMarket, ...] = Field(description="every market of the problem")
    assets: tuple[AllocatedAsset, ...] = Field(description="every asset of the problem")
    swaps: tuple[AllocatedSwap, ...] = Field(description="every swap of the problem")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> AllocationDocument:
        """From the dictionary that the allocator returns."""
        return cls.model_validate({name: value for name, value in answer.items() if name != "schema"})
