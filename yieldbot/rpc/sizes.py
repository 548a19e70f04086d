"""How much one endpoint takes at once: found by asking, and remembered for the rest of the run.

Blocks of ``eth_getLogs``, accounts of ``getMultipleAccounts``, reads of an aggregate: providers limit each of them (5
to 10,000 blocks, 5 or 100 accounts), by their plan, and say so in words of their own alone. What is refused is asked
again in smaller parts; the largest size that worked is where the next request begins, and a size between it and the
least that was refused is tried until the two are close.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from yieldbot.rpc.endpoint import Endpoint

REMEMBERED_SECONDS = 3600.0
"""A process that runs for days asks again for more: plans of providers change."""
CLOSE = 8
"""Between what works and what is refused nothing more is tried once they are within an eighth of each other."""
AGREED_BEFORE_MORE = 64
"""Answers in a row after which a size that was refused once is tried again: a refusal may have been of the many events
in one range, and not of its blocks."""


@dataclass(slots=True)
class Size:
    """What of one kind can be asked for at once. most: what is asked for while nothing was refused."""

    most: int
    works: int = 0
    refused: int | None = None
    in_a_row: int = 0
    widest: int = 0
    refusals: list[int] = field(default_factory=list)

    @property
    def now(self) -> int:
        """What to ask for next, 1 at least."""
        if self.refused is None:
            return self.most
        if self.works >= self.refused:  # a smaller one was refused too: it was not for its size
            return self.works
        if self.refused - self.works > max(1, self.works // CLOSE):
            return max(1, (self.works + self.refused) // 2)
        return max(1, self.works)

    def worked(self, size: int) -> None:
        """So much was answered."""
        self.works, self.widest = max(self.works, size), max(self.widest, size)
        self.in_a_row += 1
        if self.refused is not None and size >= self.works and self.in_a_row >= AGREED_BEFORE_MORE:
            self.in_a_row, self.refusals = 0, []
            self.refused = 4 * self.works if 4 * self.works < self.most else None

    def refuse(self, size: int) -> None:
        """So much was refused."""
        self.in_a_row = 0
        self.refusals.append(size)
        if self.refused is None or size < self.refused:
            self.refused = size
        if size <= self.works:  # what worked before may have been easier: begin lower
            self.works = max(1, size // 2)

    def not_for_its_size(self) -> None:
        """The least there is was refused: what was refused on the way there says nothing of sizes that have worked."""
        self.works = self.widest
        self.refusals = [size for size in self.refusals if size > self.widest > 0]
        self.refused = min(self.refusals, default=None)


_known: dict[tuple[tuple[str, ...], str], tuple[float, Size]] = {}


def size_of(endpoints: Sequence[Endpoint], what: str, most: int) -> Size:
    """What is known of what these endpoints take, in this process."""
    key, now = (tuple(endpoint.url for endpoint in endpoints), what), time.monotonic()
    since, size = _known.get(key, (0.0, None))
    if size is None or size.most != most or now - since > REMEMBERED_SECONDS:
        size = Size(most)
        _known[key] = (now, size)
    return size
