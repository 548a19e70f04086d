"""Reads of deposits into and withdrawals from Solana's markets since the last look, and of their present depositors.

Lists of transactions, transactions and accounts are bounded. What a node refuses, or exceeds these bounds, is reported
in a note, and the share of depositors who are not named counts as unknown (``Holders.seen``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.landed import Landing, Signatures, largest_of
from yieldbot.model.money_flows import Holders, MoneyFlow, TokenMove
from yieldbot.model.reads import Flow, Read, SvmImage, SvmLargest, SvmSignatures, SvmTransaction
from yieldbot.model.text import counted
from yieldbot.protocols.flows import KEPT, Heard, by_market, held, largest
from yieldbot.protocols.solana.flow_events import (
    Listening,
    Whole,
    cash_around,
    flow_of,
    move_of,
    position_of,
    positions_in,
    token_owner,
    whole_of,
)
from yieldbot.protocols.solana.flow_search import Search

PAST_SLOTS = 216_000
"""Number of slots that the first look reads: about a day."""
OVERLAP_SLOTS = 64
"""Number of last slots that the next look lists again, since they may not be final yet."""
MOST_SIGNATURES = 3_000
"""Most transactions of one market that are listed in a look."""
MOST_READ, MOST_OF_ONE = 240, 60
"""Most transactions that are read in a look: of all markets, and of one market."""
MOST_OF_FOLLOWED = 20
"""Most transactions of one followed address that are read in a look."""
MOST_FOLLOWED_ADDRESSES = 20
"""Most followed addresses whose own transactions are listed."""
LEAST_PART = 0.001
"""A gap over which cash changed by less than this part of a market is not searched (``risk/money_flows.LEAST_PART``: no
smaller flow is large)."""
MOST_IMAGES = 600
"""Most accounts of one look that are read as possible positions."""
ANEW_SECONDS = 6 * 3600
"""Depositors that were read longer ago than this are read again even if no money moved."""
BY = "token accounts and transactions"
"""What names the depositors on Solana (``Holders.by``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFlows:
    """What the last look stores for the next one."""

    last: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """By account, (signature of a final transaction after which the next list begins, slot up to which transactions
    were read)."""
    keys: frozenset[str] = frozenset()
    """Signatures of later transactions that were already read."""
    holders: Mapping[MarketId, Holders] = field(default_factory=dict)
    """The depositors of each market."""
    positions: Mapping[MarketId, tuple[Address, ...]] = field(default_factory=dict)
    """Accounts of the largest positions in each market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardHere:
    """The flows and depositors that one look at a cluster found."""

    heard: Heard
    """The flows and depositors."""
    known: KnownFlows
    """What is stored for the next look."""
    moves: Mapping[MarketId, tuple[TokenMove, ...]] = field(default_factory=dict)
    """As ``Look.moves``."""
    notes: tuple[str, ...] = ()
    """What the node refused, a line each."""


def read_flows(
    listened: Sequence[Listening],
    owner: Address,
    block: int,
    time: int,
    known: KnownFlows,
    follow: Sequence[str] = (),
) -> Flow[HeardHere]:
    """Read flows and depositors up to slot ``block`` (at ``time``, unix seconds). owner: our own account, which is not
    counted among depositors. follow: addresses all of whose flows are reported."""
    followed = [Address(one) for one in follow if not one.startswith("0x")][:MOST_FOLLOWED_ADDRESSES]
    places = list(dict.fromkeys((*(one.listed for one in listened), *followed)))
    first = not known.last
    lists: list[Read] = [_list(at, block, known, few=at in followed) for at in places]
    answers = yield [*lists, *(SvmImage(one.address) for one in listened)]
    found_lists = {at: Signatures.decoded(answer) for at, answer in zip(places, answers, strict=False) if answer}
    images = zip(listened, answers[len(places) :], strict=True)
    wholes = {one.market: whole for one, image in images if (whole := whole_of(one, image)) is not None}
    heard = [one for one in listened if one.listed in found_lists and one.market in wholes]
    fresh = {at: tuple(row for row in rows.rows if row[0] not in known.keys) for at, rows in found_lists.items()}
    searches = {one.market: _search(one, fresh[one.listed]) for one in heard}
    new = [at for at in followed if first or at in known.last]  # of one named just now nothing before is news
    theirs = [signature for at in new for signature, _ in fresh.get(at, ())[-MOST_OF_FOLLOWED:]]
    landings = yield from _read(heard, searches, list(dict.fromkeys(theirs)))
    flows = list(_flows(heard, searches, wholes, landings, owner))
    cuts = {one.market: searches[one.market].cut(one.one, found_lists[one.listed].more) for one in heard}
    kept, named, refused = yield from _holders(heard, wholes, flows, searches, landings, owner, (block, time), known)
    since = min((_since(one.listed, block, known) for one in heard), default=block + 1)
    grouped = by_market(flows, since, "", frozenset(one.lower() for one in follow), first=first)
    grouped = {market: replace(one, cut=cuts.get(market, "")) for market, one in grouped.items()}
    return HeardHere(
        heard=Heard(flows=grouped, holders=kept, keys=(), read=tuple(one.market for one in heard)),
        moves=_moves(heard, new, [landings[one] for one in theirs if one in landings], flows),
        known=_next(found_lists, known, block, kept, named),
        notes=tuple(_notes(listened, heard, refused)),
    )


def _list(at: Address, block: int, known: KnownFlows, *, few: bool) -> SvmSignatures:
    until, _ = known.last.get(at, ("", 0))
    most = MOST_OF_FOLLOWED * 5 if few else MOST_SIGNATURES
    return SvmSignatures(at, until, _since(at, block, known), block, most)


def _since(at: Address, block: int, known: KnownFlows) -> int:
    """The slot from which transactions of an account are listed."""
    _, slot = known.last.get(at, ("", 0))
    return max(0, slot - OVERLAP_SLOTS + 1 if slot else block - PAST_SLOTS)


def _search(one: Listening, rows: Sequence[tuple[str, int]]) -> Search:
    return Search([signature for signature, _ in rows], MOST_OF_ONE, max(1, int(LEAST_PART * one.supplied_raw)))


def _read(
    heard: Sequence[Listening], searches: Mapping[MarketId, Search], theirs: Sequence[str]
) -> Flow[dict[str, Landing]]:
    """Read the transactions that the searches and the followed addresses need, in rounds."""
    found, left, wants = dict[str, Landing](), MOST_READ, list(theirs)
    while True:
        wanted: list[tuple[Listening | None, int, str]] = [(None, 0, signature) for signature in wants]
        for one in heard:
            search = searches[one.market]
            wanted += [(one, place, search.signatures[place]) for place in search.wanted()]
        wanted, wants = wanted[:left], []
        if not wanted:
            return found
        left -= len(wanted)
        ask = list(dict.fromkeys(signature for *_, signature in wanted))
        answers = yield [SvmTransaction(signature) for signature in ask]
        read = {s: Landing.decoded(answer) for s, answer in zip(ask, answers, strict=True) if answer}
        for market, place, signature in wanted:
            landing = read.get(signature)
            if market is not None:
                around = None if landing is None else cash_around(landing, market)
                searches[market.market].add(place, landing, around)
        found |= read


def _flows(
    heard: Sequence[Listening],
    searches: Mapping[MarketId, Search],
    wholes: Mapping[MarketId, Whole],
    landings: Mapping[str, Landing],
    owner: Address,
) -> Iterator[MoneyFlow]:
    """The flows of others in the transactions that were read, by whichever list they were found: a followed address's
    transaction counts even if the market's own list was cut off before it."""
    for one in heard:
        for landing in sorted(landings.values(), key=lambda each: (each.slot, each.signature)):
            flow = flow_of(landing, one, wholes[one.market])
            if flow is not None and flow.account != owner:
                yield flow


def _moves(
    heard: Sequence[Listening], followed: Sequence[Address], landings: Sequence[Landing], flows: Sequence[MoneyFlow]
) -> dict[MarketId, tuple[TokenMove, ...]]:
    """Changes of followed addresses' balances in transactions that are no flow, by the first market of each asset."""
    seen = {one.tx for one in flows}
    first = {one.asset: one for one in reversed(heard)}
    found: dict[MarketId, list[TokenMove]] = {}
    for landing in {one.signature: one for one in landings if one.signature not in seen}.values():
        for who in followed:
            for one in first.values():
                if (move := move_of(landing, who, one)) is not None:
                    found.setdefault(one.market, []).append(move)
    return {market: tuple(moves) for market, moves in found.items()}


def _holders(
    heard: Sequence[Listening],
    wholes: Mapping[MarketId, Whole],
    flows: Sequence[MoneyFlow],
    searches: Mapping[MarketId, Search],
    landings: Mapping[str, Landing],
    owner: Address,
    at: tuple[int, int],
    known: KnownFlows,
) -> Flow[tuple[dict[MarketId, Holders], dict[MarketId, tuple[Address, ...]], list[Listening]]]:
    """(depositors of each market, accounts of the largest positions, markets whose token accounts the node does not
    list)."""
    block, time = at
    moved = {one.market for one in flows}
    due = [one for one in heard if one.market in moved or time - _time(known.holders.get(one.market)) >= ANEW_SECONDS]
    by_shares = [one for one in due if one.shares is not None]
    answers = yield [SvmLargest(one.shares) for one in by_shares if one.shares is not None]
    listed = {one.market: largest_of(answer) for one, answer in zip(by_shares, answers, strict=True) if answer}
    tokens = {market: [account for account, _ in rows] for market, rows in listed.items()}
    maybe = {one.market: _maybe(one, wholes[one.market], flows, landings, known) for one in due}
    wanted = list(dict.fromkeys(a for many in (*tokens.values(), *maybe.values()) for a in many))[:MOST_IMAGES]
    images = dict(zip(wanted, (yield [SvmImage(account) for account in wanted]), strict=True)) if wanted else {}
    kept, named = dict(known.holders), dict(known.positions)
    for one in due:
        whole = wholes[one.market]
        shares: dict[Address, int] = {}
        for account, raw in listed.get(one.market, ()):
            who = token_owner(one, images.get(account, b""))
            if account not in (whole.pledged, one.aside) and who is not None:
                shares[who] = shares.get(who, 0) + raw
        positions = []
        for account in maybe[one.market]:
            if (position := position_of(one, images.get(account, b""))) is not None and position[1] > 0:
                positions.append((position[1], account))
                shares[position[0]] = shares.get(position[0], 0) + position[1]
        shares.pop(owner, None)
        theirs = whole.shares - one.own_shares
        if theirs <= 0:
            continue
        named[one.market] = tuple(account for _, account in sorted(positions, reverse=True)[:KEPT])
        before = known.holders.get(one.market)
        since = _since(one.listed, block, known) if before is None else before.since
        found = held([(who, min(1.0, raw / theirs)) for who, raw in shares.items()], since, block, time)
        seen = min(1.0, sum(shares.values()) / theirs)
        pledged = sum(raw for account, raw in listed.get(one.market, ()) if account == whole.pledged)
        kept[one.market] = replace(found, seen=seen, by=BY, pledged=min(1.0, pledged / theirs))
    return kept, named, [one for one in by_shares if one.market not in listed]


def _maybe(
    one: Listening, whole: Whole, flows: Sequence[MoneyFlow], landings: Mapping[str, Landing], known: KnownFlows
) -> list[Address]:
    """Accounts that may be positions: those known from the last look, and those that the largest flows changed."""
    found = dict.fromkeys(known.positions.get(one.market, ()))
    for flow in largest([flow for flow in flows if flow.market == one.market], 2 * KEPT):
        found |= dict.fromkeys(positions_in(landings[flow.tx], one, whole))
    return list(found)


def _time(one: Holders | None) -> int:
    return one.time if one is not None else 0


def _next(
    found_lists: Mapping[Address, Signatures],
    known: KnownFlows,
    block: int,
    holders: Mapping[MarketId, Holders],
    positions: Mapping[MarketId, tuple[Address, ...]],
) -> KnownFlows:
    """What is stored for the next look."""
    last, keys = dict(known.last), list[str]()
    for at, rows in found_lists.items():
        final = [signature for signature, slot in rows.rows if slot <= block - OVERLAP_SLOTS]
        last[at] = (final[-1] if final else known.last.get(at, ("", 0))[0], block)
        keys += [signature for signature, slot in rows.rows if slot > block - OVERLAP_SLOTS]
    return KnownFlows(last=last, keys=frozenset(keys), holders=holders, positions=positions)


def _notes(listened: Sequence[Listening], heard: Sequence[Listening], refused: Sequence[Listening]) -> Iterator[str]:
    if len(heard) < len(listened):
        unheard = counted(len(listened) - len(heard), "market")
        yield f"deposits and withdrawals of {unheard} were not read: the node lists none"
    if refused:
        unread = counted(len(refused), "market")
        yield f"the largest holders of shares of {unread} were not read: the node does not list them"
