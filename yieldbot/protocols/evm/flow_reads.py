"""Reads deposits into and withdrawals from markets since the last look, and what the accounts in these events hold now.

One round, and a second one where money moved. Blocks, events, depositors and balances are bounded: what is left out is
stated in ``MarketFlows.cut``, and money of accounts that no event named counts as unknown (``Holders.seen``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.money_flows import Holders, MoneyFlow
from yieldbot.model.reads import EthCall, EthLogs, Flow, LogSpan, Read
from yieldbot.protocols.evm.flow_events import Listening, flows_of
from yieldbot.protocols.evm.view_words import number
from yieldbot.protocols.flows import KEPT, Heard, by_market, held, largest

FIRST_BLOCKS = 1_000
"""Least number of blocks whose events the first look at a market reads."""
PAST_BLOCKS = 50_000
"""Number of blocks before the first look whose events are read: a week at 12 seconds a block."""
FIRST_PARTS, LATER_PARTS = 4, 1
"""Most requests for these events in the first look if the node does not serve them in one, and in each later look until
all are read."""
MOST_BLOCKS = 20_000
"""Most blocks whose events one look reads; older ones are reported as missing."""
MOST_EVENTS = 20_000
"""Most events of one look; of more the newest are used."""
MOST_BALANCES = 1_500
"""Most balances that one look reads; the rest waits for the next look."""
ANEW_SECONDS = 6 * 3600
"""Age in seconds from which balances are read again although no event named their market."""
ADDRESSES = 500
"""Most contracts in one request for events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFlows:
    """What earlier looks found."""

    blocks: Mapping[MarketId, int] = field(default_factory=dict)
    """By market, the block up to which its events were read."""
    keys: frozenset[str] = frozenset()
    """Keys of the flows in the last OVERLAP_BLOCKS blocks, which are read again and must not count twice."""
    holders: Mapping[MarketId, Holders] = field(default_factory=dict)
    """The depositors of each market at the last look."""
    past: tuple[int, int] | None = None
    """For the time before the first look: (first block whose events were read, first block whose events are to be
    read); None: no look was made yet."""


OVERLAP_BLOCKS = 12
"""Number of blocks that the next look reads again, so that events which a reorganisation moved are not missed."""


def read_flows(
    listened: Sequence[Listening],
    owner: Address,
    block: int,
    time: int,
    known: KnownFlows,
    follow: frozenset[str] = frozenset(),
) -> Flow[Heard]:
    """Flows and depositors up to ``block`` (at ``time``, unix seconds). owner: our account, which does not count as a
    depositor. follow: addresses in lower case all of whose flows are reported."""
    begins = [known.blocks.get(one.market, block - FIRST_BLOCKS) - OVERLAP_BLOCKS + 1 for one in listened]
    wanted = max(0, min(begins, default=block))
    first = max(wanted, block - MOST_BLOCKS)
    cut = f"blocks {wanted:,} to {first - 1:,} are too many to read" if first > wanted else ""
    logs = list(_logs(listened, first, block))
    begun, floor = known.past or (first, max(0, block - PAST_BLOCKS))
    past = list(_logs(listened, floor, begun - 1, LATER_PARTS if known.past else FIRST_PARTS)) if begun > floor else []
    stale = _within_budget(
        {
            one.market: _names(known.holders.get(one.market))
            for one in sorted(listened, key=lambda one: _time(known.holders.get(one.market)))
            if time - _time(known.holders.get(one.market)) >= ANEW_SECONDS and one.market in known.holders
        }
    )
    listening = {one.market: one for one in listened}
    asked = [read for market, names in stale.items() for read in _balances(listening[market], owner, names)]
    reads: list[Read] = [*logs, *past, *asked]
    answers = (yield reads) if reads else ()
    since = first
    found: list[MoneyFlow] = []
    for answer in answers[: len(logs)]:
        if not answer:
            cut, since = "no node tells the events", block + 1
            continue
        span = LogSpan.decoded(answer)
        cut, since = cut or span.cut, max(since, span.since)
        found += flows_of(span.logs[-MOST_EVENTS:], listened)
        if len(span.logs) > MOST_EVENTS:
            cut = f"{len(span.logs) - MOST_EVENTS:,} events are too many to read"
    own = owner.lower()
    found = [one for one in found if one.account.lower() != own]
    news = [
        one
        for one in found
        if one.market in known.blocks
        and one.block > known.blocks[one.market] - OVERLAP_BLOCKS
        and one.key not in known.keys
    ]
    older, oldest = _past(answers[len(logs) : len(logs) + len(past)], listened, begun)
    older = [one for one in older if one.account.lower() != own and not one.lost]
    debts = [one for one in news if one.lost]
    found, news = [one for one in found if not one.lost], [one for one in news if not one.lost]
    shares = _shares(stale, listening, answers[len(logs) + len(past) :])
    moved: dict[MarketId, list[MoneyFlow]] = {}
    for flow in (*older, *found):
        moved.setdefault(flow.market, []).append(flow)
    fresh = _within_budget(
        {
            market: list(
                dict.fromkeys((*_names(known.holders.get(market)), *(one.account for one in largest(some, 2 * KEPT))))
            )
            for market, some in sorted(moved.items(), key=lambda item: -sum(abs(one.amount) for one in item[1]))
        }
    )
    if fresh:
        again = [read for market, names in fresh.items() for read in _balances(listening[market], owner, names)]
        shares |= _shares(fresh, listening, (yield again))
    holders = dict(known.holders)
    for market, found_shares in shares.items():
        before = known.holders.get(market)
        read = since if before is None or since > before.block + 1 else before.since
        holders[market] = held(found_shares, min(read, oldest) if read <= begun else read, block, time)
    flows = by_market(news, since, cut, follow)
    if not known.blocks and since <= block:
        flows = by_market([*older, *found], min(since, oldest), cut, follow, first=True)
    return Heard(
        flows=flows,
        past=(oldest, oldest if past and oldest == begun else floor),
        holders=holders,
        lost={market: sum(one.amount for one in debts if one.market == market) for market in {d.market for d in debts}},
        keys=tuple(one.key for one in (*found, *debts) if one.block > block - OVERLAP_BLOCKS),
        read=() if since > block else tuple(listening),
    )


def _past(answers: Sequence[bytes], listened: Sequence[Listening], begun: int) -> tuple[list[MoneyFlow], int]:
    """(flows of the time before the first look, the block from which they are complete; ``begun`` if the node serves
    none)."""
    found, oldest = list[MoneyFlow](), 0
    for answer in answers:
        if not answer:
            return [], begun
        span = LogSpan.decoded(answer)
        found += flows_of(span.logs[-MOST_EVENTS:], listened)
        missing = len(span.logs) > MOST_EVENTS
        oldest = max(oldest, span.logs[-MOST_EVENTS].block if missing else span.since)
    return found, min(oldest, begun) if answers else begun


def _logs(listened: Sequence[Listening], first: int, last: int, parts: int = 0) -> Iterable[EthLogs]:
    """The reads of events: one for contracts all of whose events belong to one market, one for contracts that several
    markets share. parts: see ``EthLogs.past_parts``."""
    for shared in (False, True):
        some = [one for one in listened if (one.second is not None) == shared]
        addresses = list(dict.fromkeys(one.address for one in some))
        for start in range(0, len(addresses), ADDRESSES):
            part = tuple(addresses[start : start + ADDRESSES])
            mine = [one for one in some if one.address in part]
            topics = tuple(dict.fromkeys(topic for one in mine for topic in one.events))
            second = tuple(dict.fromkeys(one.second for one in mine if one.second is not None))
            yield EthLogs(part, topics, first, last, optional=True, past_parts=parts, second=second)


def _time(one: Holders | None) -> int:
    return one.time if one is not None else 0


def _names(one: Holders | None) -> list[Address]:
    return [who for who, _ in one.top] if one is not None else []


def _within_budget(wanted: Mapping[MarketId, list[Address]]) -> dict[MarketId, list[Address]]:
    """The markets, in order, whose balances fit into MOST_BALANCES reads."""
    left, found = MOST_BALANCES, dict[MarketId, list[Address]]()
    for market, names in wanted.items():
        if names and len(names) + 2 <= left:
            found[market] = names
            left -= len(names) + 2
    return found


def _balances(one: Listening, owner: Address, names: Sequence[Address]) -> list[EthCall]:
    return [one.whole, one.share(owner), *(one.share(name) for name in names)]


def _shares(
    asked: Mapping[MarketId, Sequence[Address]], listened: Mapping[MarketId, Listening], answers: Sequence[bytes]
) -> dict[MarketId, list[tuple[Address, float]]]:
    """By market, (account, its fraction of all shares that are not ours) for each account whose balance was read."""
    found: dict[MarketId, list[tuple[Address, float]]] = {}
    at = 0
    for market, names in asked.items():
        mine, at = answers[at : at + len(names) + 2], at + len(names) + 2
        theirs = (number(mine[0], listened[market].whole_place) or 0) - (number(mine[1]) or 0)
        if theirs > 0:
            found[market] = [(who, min(1.0, (number(a) or 0) / theirs)) for who, a in zip(names, mine[2:], strict=True)]
    return found
