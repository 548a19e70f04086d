"""Deposits, withdrawals and depositors that one look found, the same for all families. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.money_flows import Holders, MarketFlows, MoneyFlow

MOST_LARGEST = 12
"""Most flows of one market that are reported one by one."""
MOST_FOLLOWED = 50
"""Most flows of followed addresses that are reported for one market."""
KEPT = 12
"""Most depositors of one market that are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The flows and depositors that one look found."""

    flows: Mapping[MarketId, MarketFlows]
    """Deposits and withdrawals by market."""
    holders: Mapping[MarketId, Holders]
    """Depositors by market."""
    keys: tuple[str, ...]
    """Keys of the flows in the last blocks, which are read again."""
    read: tuple[MarketId, ...]
    """Markets whose events were read."""
    past: tuple[int, int] = (0, 0)
    """See ``KnownFlows.past`` of EVM chains; (0, 0) elsewhere."""
    lost: Mapping[MarketId, float] = field(default_factory=dict)
    """By market, whole tokens of bad debt that were realised since the last look."""


def held(found: Sequence[tuple[Address, float]], since: int, block: int, time: int) -> Holders:
    """The largest depositors. found: (account, fraction) of those whose balance was read. since: block from which
    events were read; block, time: number and unix seconds of the block of the balances."""
    top = tuple(sorted((one for one in found if one[1] > 0.0), key=lambda one: (-one[1], one[0]))[:KEPT])
    return Holders(top=top, seen=min(1.0, sum(share for _, share in top)), since=since, block=block, time=time)


def largest(flows: Iterable[MoneyFlow], most: int) -> list[MoneyFlow]:
    """The largest flows, the largest first."""
    return sorted(flows, key=lambda one: (-abs(one.amount), one.block, one.index))[:most]


def by_market(
    news: Sequence[MoneyFlow], since: int, cut: str, follow: frozenset[str], *, first: bool = False
) -> dict[MarketId, MarketFlows]:
    """The flows of each market. since, cut, first: as in ``MarketFlows``. follow: addresses, in lower case, all of
    whose flows are reported."""
    grouped: dict[MarketId, list[MoneyFlow]] = {}
    for flow in news:
        grouped.setdefault(flow.market, []).append(flow)
    found = {}
    for market, flows in grouped.items():
        theirs = [one for one in flows if {one.account.lower(), *(who.lower() for who in one.others)} & follow]
        found[market] = MarketFlows(
            since=since,
            deposited=sum(one.amount for one in flows if one.amount > 0.0),
            withdrawn=-sum(one.amount for one in flows if one.amount < 0.0),
            count=len(flows),
            largest=tuple(dict.fromkeys((*largest(flows, MOST_LARGEST), *theirs[-MOST_FOLLOWED:]))),
            cut=cut,
            first=first,
        )
    return found
