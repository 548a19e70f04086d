"""Values of lower packages that use cases return in addition to their documents. The CLI, ``api/`` and ``mcp/`` import
them from here, so that they import no package below ``app/`` except the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.allocator.across import across
from yieldbot.allocator.convert import swap_id
from yieldbot.allocator.market_curve import value
from yieldbot.books.export_text import day
from yieldbot.bridges.answers import Quoted
from yieldbot.risk.prices import FairOutput

if TYPE_CHECKING:
    from yieldbot.allocator.across import Across
    from yieldbot.allocator.route import Route
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.execution.approvals import Proposal
    from yieldbot.execution.rehearsed import Rehearsed
    from yieldbot.execution.results import Proposed
    from yieldbot.history.holdings import MeasuredPosition, UnreadHolding

__all__ = [
    "Across",
    "FairOutput",
    "LiquidityView",
    "MeasuredPosition",
    "Proposal",
    "Proposed",
    "Quoted",
    "Rehearsed",
    "Route",
    "UnreadHolding",
    "across",
    "day",
    "swap_id",
    "value",
]
