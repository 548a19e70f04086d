"""Withdrawals from reserves whose shares are a collateral token: how many of these tokens are redeemed. Pure."""

from __future__ import annotations

from typing import Protocol

from yieldbot.model.amounts import Amount
from yieldbot.model.market import MarketState


class Redeemable(Protocol):
    """The part of a reserve's arithmetic that a withdrawal needs."""

    def liquidity_for(self, collateral_raw: int) -> int:
        """Base units that redeeming collateral pays."""

    def collateral_within(self, liquidity_raw: int) -> int:
        """The most collateral whose redemption pays at most this amount."""


def redeemed(state: MarketState, amount: Amount | None, later: Redeemable | None) -> tuple[int, str]:
    """(base units of collateral to redeem, description of the withdrawal). amount: None: everything. later: the reserve
    as it will be when the transaction lands; None: unknown."""
    market, shares = state.market, state.shares
    description = f"withdraw everything from {market.name}"
    if amount is not None:
        # By the shares' value at the reading, since they only gain value.
        shares = min(shares, -(-amount.raw * shares // state.held.raw) if state.held.raw else 0)
        description = f"withdraw {amount} from {market.name}"
    if later is not None and later.liquidity_for(shares) > state.liquidity.raw:
        # No more than the cash that will be there when it lands; the next cycle withdraws the rest.
        shares = later.collateral_within(state.liquidity.raw)
        description = f"withdraw {Amount(market.asset, later.liquidity_for(shares))} from {market.name}"
    return shares, description
