"""Money of our other wallets beside the one that is decided on: what plans that come before would move, and what is
held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId


@dataclass(frozen=True, slots=True)
class PendingMove:
    """What one plan that is not carried out yet would put into a market, or take out of it."""

    wallet: str
    """Name of the wallet whose plan it is."""
    market_id: MarketId
    """The market."""
    puts: Amount
    """What it puts in; 0 if it takes out."""
    takes: Amount
    """What it takes out; 0 if it puts in."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What our other wallets have and would move on one chain."""

    moves: tuple[PendingMove, ...] = ()
    """What plans that come before ours would move: in order of the configuration."""
    held: Mapping[MarketId, int] = field(default_factory=dict)
    """Base units that they hold in each market now; markets without an entry: nothing, as far as is known."""


ALONE = Beside()
"""There is no other wallet, or nothing of it counts."""
