"""Which of a market's transactions are read where there are too many to read all of them. Pure.

Each transaction states the market's cash before and after it. So two of them show by how much cash changed in the gap
between them, without reading the transactions in the gap: if it changed little, the gap contains no large flow, except
flows that cancel out. The search repeatedly halves the gap over which cash changed most (bisection). A withdrawal
hidden under thousands of small transactions, which reading the newest hundred would miss, is found in a dozen reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise

from yieldbot.model.dataclass import dataclass
from yieldbot.model.landed import Landing

AT_FIRST = 16
"""Number of transactions read in the first round, spread evenly."""
A_ROUND = 8
"""Number of gaps that are halved in one round."""


@dataclass(slots=True)
class Search:
    """The search in one market."""

    signatures: Sequence[str]
    """The transactions, the oldest first."""
    most: int
    """Most transactions that may be read."""
    least_raw: int
    """A gap over which cash changed by less, in base units, is not searched."""
    found: dict[int, Landing] = field(default_factory=dict)
    """The transactions that were read, by index in ``signatures``."""
    around: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    """By index, the cash before and after each transaction that was requested; None: the transaction does not state
    it."""

    def wanted(self) -> list[int]:
        """Indexes of the transactions to read in the next round; empty: the search has ended."""
        count, left = len(self.signatures), self.most - len(self.around)
        if left <= 0 or len(self.around) == count:
            return []
        if count <= self.most:
            return [place for place in range(count) if place not in self.around]
        if not self.around:
            spread = max(2, min(AT_FIRST, left))
            return sorted({(count - 1) * step // (spread - 1) for step in range(spread)})[:left]
        gaps = sorted(self._gaps(), key=lambda gap: (gap[0] is not None, -(gap[0] or 0), gap[1]))
        large = [gap for gap in gaps if gap[0] is None or gap[0] >= self.least_raw]
        return [(first + last) // 2 for _, first, last in large][: min(A_ROUND, left)]

    def add(self, place: int, landing: Landing | None, cash: tuple[int, int] | None) -> None:
        """Add the answer for one transaction. place: its index; landing: None if the node does not know it; cash: the
        market's cash before and after it, None if it does not state it."""
        self.around[place] = cash
        if landing is not None:
            self.found[place] = landing

    def _gaps(self) -> list[tuple[int | None, int, int]]:
        """(change of the cash in base units, None if not known; first index; last index) of each gap between requested
        transactions."""
        places = sorted(self.around)
        gaps = []
        for one, following in pairwise(places):
            if following - one < 2:
                continue
            before, after = self.around[one], self.around[following]
            known = before is not None and after is not None
            gaps.append((abs(after[0] - before[1]) if known and after and before else None, one + 1, following - 1))
        return gaps

    def cut(self, one: int, more: bool) -> str:
        """Why transactions are missing, as a phrase; empty: none are. one: base units of a whole token. more: whether
        older transactions could not even be listed."""
        unread = len(self.signatures) - len(self.found)
        if not unread and not more:
            return ""
        listed = f"of {len(self.signatures):,} transactions {len(self.found):,} were read"
        if more:
            listed = f"older transactions are too many to list; {listed}"
        gaps = self._gaps()
        if not gaps or any(change is None for change, _, _ in gaps):
            return listed
        most = max(change or 0 for change, _, _ in gaps) / one
        return f"{listed}, and over no gap between them cash changed by more than {most:z,.0f}"
