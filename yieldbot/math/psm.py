"""Spark's PSM3: three dollar tokens at their stated rates, from what it holds. All integers.

Source: sparkdotfi/spark-psm PSM3.sol (``_convertOneToOne``, ``_convertToSUsds``, ``_convertFromSUsds``), which rounds
each step against the caller.
"""

from __future__ import annotations

from typing import Literal

from yieldbot.math.concentrated import Unswappable
from yieldbot.math.savings_rate import RAY
from yieldbot.math.venues import smallest_input
from yieldbot.model.dataclass import dataclass

Way = Literal["par", "into savings", "out of savings"]
"""Between the two dollars, or from one of them into the savings token, or back."""


@dataclass(frozen=True, slots=True)
class PsmVenue:
    """One direction of a PSM: no fee and no price impact, until what it holds is used up."""

    way: Way
    """Which of the PSM's three formulas it is."""
    one_in: int
    """Base units of one whole input token."""
    one_out: int
    """Base units of one whole output token."""
    rate_ray: int
    """What one savings token is worth, scaled by 1e27; not used at par."""
    cash: int
    """Base units of the output token that it can pay."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        out = self._out(taken)
        if out > self.cash:
            raise Unswappable("the PSM holds less than that")
        return out, 1 if self.way == "par" else 1 + -(-self.one_out // min(self.one_in, self.one_out))

    def off(self, taken: int) -> int:
        return 2 + 2 * self.one_in // self.one_out

    def quote_exact_out(self, given: int) -> int:
        if not 0 < given <= self.cash:
            raise Unswappable("nothing is asked for, or more than the PSM holds")
        return smallest_input(lambda taken: self._out(taken) >= given)

    def amount_until_price(self, price: float) -> int:
        paid = self.one_out / self.one_in
        if self.way != "par":
            paid *= RAY / self.rate_ray if self.way == "into savings" else self.rate_ray / RAY
        if paid < price or not self.cash:
            return 0
        return smallest_input(lambda taken: self._out(taken) > self.cash) - 1

    def _out(self, taken: int) -> int:
        if self.way == "par":
            return taken * self.one_out // self.one_in
        if self.way == "into savings":
            return taken * RAY // self.rate_ray * self.one_out // self.one_in
        return taken * self.rate_ray // RAY * self.one_out // self.one_in
