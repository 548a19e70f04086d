"""Shares that are bought and sold at a price, as principal tokens are: what a purchase and a sale bring."""

from __future__ import annotations

from typing import Protocol


class SharePrices(Protocol):
    """The prices of a market's shares for one account at one block. Amounts are base units of the asset, or shares."""

    @property
    def slippage_bps(self) -> int:
        """How much less than computed a purchase or a sale may bring, in bp."""

    @property
    def expired(self) -> bool:
        """Whether they are no longer traded, and redeemed for what they promised."""

    def bought(self, raw: int) -> int:
        """Shares that ``raw`` of the asset buys; 0: none can be bought."""

    def fewest(self, raw: int) -> int:
        """The fewest shares for which ``raw`` may ever be paid: those that will be worth it in the end."""

    def sold(self, shares: int) -> int:
        """What a sale of shares brings."""

    def needed(self, raw: int) -> int:
        """The fewest of our shares whose sale brings ``raw``; all of ours if they bring less."""

    def cost_bps(self, raw: int) -> float:
        """What is lost of ``raw`` if it buys shares that are sold again at once, in bp of it."""

    def limited(self, least: int) -> SharePrices:
        """The same for a leg that was approved to bring at least this: shares of a purchase, the asset of a sale."""
