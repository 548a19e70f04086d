"""Which deposits and withdrawals of others are large, and which markets depend on few depositors, as text. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from yieldbot.model.dataclass import dataclass
from yieldbot.model.money_flows import Holders, MarketFlows, MoneyFlow, TokenMove
from yieldbot.model.numbers import significant

LARGE_PART = 0.10
"""Fraction of what others supply from which a flow is large."""
LARGE_USD = 50_000.0
"""A flow of LARGE_USD * safety / 100 dollars is large too: the lower a market's safety grade, the smaller the flow
that is reported."""
LEAST_PART = 0.001
"""Fraction of a market below which no flow is large, whatever its value in dollars."""
MOST_LINES = 6
"""Most flows of one market that are reported one by one; the others are summed."""
MOVED = 0.10
"""Change of the largest depositor's fraction that is reported."""
MANY = 0.10
"""Fraction below which the largest depositor is not reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What the flows of one market are compared with."""

    supplied: float
    """Whole tokens that others supply."""
    symbol: str
    """The asset's symbol."""
    usd: float | None
    """Dollars for one whole token; None: no feed says."""
    safety: int | None
    """The market's safety grade; None: it has none, and counts as 0."""

    @property
    def least(self) -> float:
        """Whole tokens from which a flow counts as large: min(LARGE_PART * supplied, max(LARGE_USD * safety / 100 /
        usd, LEAST_PART * supplied))."""
        part = LARGE_PART * self.supplied
        if self.usd is None or self.usd <= 0.0:
            return part
        dollars = LARGE_USD * (self.safety or 0) / 100.0 / self.usd
        return min(part, max(dollars, LEAST_PART * self.supplied))


def large_flows(flows: MarketFlows, by: Measure, follow: Collection[str] = ()) -> tuple[str, ...]:
    """Lines about the large flows of one market and those of followed addresses (lower case), the largest first;
    further ones are summed in one line."""
    theirs = [one for one in flows.largest if _named(one, follow)]
    large = [one for one in flows.largest if abs(one.amount) >= by.least and one not in theirs]
    lines = [f"{_words(one, by)}, an address that is followed" for one in theirs]
    lines += [_words(one, by) for one in large[:MOST_LINES]]
    if large and flows.count > len(lines):
        lines.append(
            f"since block {flows.since:,} all of {flows.count} flows: {flows.deposited:z,.0f} {by.symbol} in, "
            f"{flows.withdrawn:z,.0f} out" + (f" (not all: {flows.cut})" if flows.cut else "")
        )
    return tuple(lines)


def movements(moves: Sequence[TokenMove]) -> tuple[str, ...]:
    """Lines about what followed addresses received and sent."""
    return tuple(
        f"{one.account}, an address that is followed, {'received' if one.amount > 0.0 else 'sent'} "
        f"{significant(abs(one.amount), 6)} {one.symbol} (block {one.block:,})"
        for one in moves
    )


def concentration(now: Holders, last: float | None, assumed: float) -> tuple[str, float | None]:
    """(line about the largest depositor, its fraction) if that fraction changed since it was last reported, else
    ("", last). last: the fraction last reported; None: none was."""
    if not now.top:
        return "", last
    who, part = now.top[0]
    if abs(part - (last or 0.0)) < MOVED or (part < MANY and last is None):
        return "", last
    ten = sum(share for _, share in now.top[:10])
    most = now.largest(assumed)
    more = f"; up to {most:z.0%} may be one's" if most > part else ""
    return (
        f"the largest depositor that {now.by} since block {now.since:,} name, {who}, holds {part:z.0%} of what others "
        f"supplied, the top ten {ten:z.0%}{more}",
        part,
    )


def _named(one: MoneyFlow, follow: Collection[str]) -> bool:
    return one.account.lower() in follow or any(who.lower() in follow for who in one.others)


def _words(one: MoneyFlow, by: Measure) -> str:
    what = "deposit" if one.amount > 0.0 else "withdrawal"
    part = f" ({abs(one.amount) / by.supplied:z.1%} of it)" if by.supplied > 0.0 else ""
    through = f" through {one.others[0]}" if one.others else ""
    return f"{what} of {abs(one.amount):z,.0f} {by.symbol}{part} by {one.account}{through} (block {one.block:,})"


def summed(flows: Sequence[MarketFlows]) -> float:
    """Whole tokens deposited less those withdrawn."""
    return sum(one.deposited - one.withdrawn for one in flows)
