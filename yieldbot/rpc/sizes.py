"""Finds by trial how large a request an endpoint accepts, and remembers it for the rest of the run.

Providers limit the blocks of ``eth_getLogs`` (5 to 10,000), the accounts of ``getMultipleAccounts`` (5 or 100) and the
reads of an aggregate by the customer's plan, and say so only in free text. A refused request is sent again in smaller
parts. The search is a bisection: the next request is half-way between the largest size that worked and the smallest
that was refused, until the two are close.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import field

from yieldbot.model.dataclass import dataclass
from yieldbot.rpc.endpoint import Endpoint

REMEMBERED_SECONDS = 3600.0
"""After this time the size is searched again: a provider's plan may change while a process runs for days."""
CLOSE = 8
"""The bisection ends when the largest size that worked and the smallest that was refused differ by less than this part
(an eighth)."""
AGREED_BEFORE_MORE = 64
"""Number of answers in a row after which larger sizes are tried again: a refusal may have been about the many event
logs in one range and not about its blocks."""


@dataclass(slots=True)
class Size:
    """How many items (blocks, accounts, reads) an endpoint takes in one request."""

    most: int
    """The size that is requested as long as nothing was refused."""
    works: int = 0
    """The largest size that works; 0: none known."""
    refused: int | None = None
    """The smallest size that was refused; None: none was."""
    in_a_row: int = 0
    """Answers since the last refusal."""
    widest: int = 0
    """The largest size that was ever answered, even if a smaller one was refused later."""
    refusals: list[int] = field(default_factory=list)
    """Every size that was refused since the search last started anew."""

    @property
    def now(self) -> int:
        """How many items to request next, 1 at least."""
        if self.refused is None:
            return self.most
        if self.works >= self.refused:  # a smaller one was refused too, so the refusal was not about size
            return self.works
        if self.refused - self.works > max(1, self.works // CLOSE):
            return max(1, (self.works + self.refused) // 2)
        return max(1, self.works)

    def worked(self, size: int) -> None:
        """Note that a request of ``size`` items was answered."""
        self.works, self.widest = max(self.works, size), max(self.widest, size)
        self.in_a_row += 1
        if self.refused is not None and size >= self.works and self.in_a_row >= AGREED_BEFORE_MORE:
            self.in_a_row, self.refusals = 0, []
            self.refused = 4 * self.works if 4 * self.works < self.most else None

    def refuse(self, size: int) -> None:
        """Note that a request of ``size`` items was refused."""
        self.in_a_row = 0
        self.refusals.append(size)
        if self.refused is None or size < self.refused:
            self.refused = size
        if size <= self.works:  # the requests that worked may have been lighter: begin lower
            self.works = max(1, size // 2)

    def not_for_its_size(self) -> None:
        """Note that a request of one item was refused, so that earlier refusals were not about size either: sizes that
        once worked count as working again."""
        self.works = self.widest
        self.refusals = [size for size in self.refusals if size > self.widest > 0]
        self.refused = min(self.refusals, default=None)


_known: dict[tuple[tuple[str, ...], str], tuple[float, Size]] = {}


def size_of(endpoints: Sequence[Endpoint], what: str, most: int) -> Size:
    """The size that this process has found for these endpoints and one kind of request (``what``), or a new one that
    begins at ``most``."""
    key, now = (tuple(endpoint.url for endpoint in endpoints), what), time.monotonic()
    since, size = _known.get(key, (0.0, None))
    if size is None or size.most != most or now - since > REMEMBERED_SECONDS:
        size = Size(most)
        _known[key] = (now, size)
    return size
