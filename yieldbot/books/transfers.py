"""Transfers of our tokens by transactions that are not ours, from Transfer events. Pure.

EIP-20's ``Transfer(address indexed from, address indexed to, uint256 value)``, only of tokens that chains/*.toml or the
journal names: anybody may emit such events from a contract of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.books.entries import Account, Entry, EntryKind, in_order
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.tx import Delta

NOBODY = "0x" + "00" * 20
"""The zero address: the sender of minted tokens and the recipient of burnt ones."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One Transfer event to or from our account."""

    token: Token
    """The token."""
    raw: int
    """Base units; negative: out of our account."""
    other: str
    """The other party's address, in lower case."""
    height: int
    """The block."""
    hash: str
    """The transaction's hash."""
    index: int
    """Index of the log within the block."""


def transfers_in(logs: Iterable[Any], owner: Address, tokens: Iterable[Token]) -> tuple[Transfer, ...]:
    """Well-formed transfers of these tokens to or from us (not to ourselves), each once, in the chain's order."""
    known = {token.address.lower(): token for token in tokens}
    mine = owner.lower()
    found: dict[tuple[int, int], Transfer] = {}
    for log in logs:
        try:
            topics = [str(topic).lower() for topic in log["topics"]]
            token = known.get(str(log["address"]).lower())
            if token is None or len(topics) != 3 or topics[0] != TRANSFER_TOPIC or len(str(log["data"])) != 66:
                continue
            sender, taker = ("0x" + topic[-40:] for topic in topics[1:])
            if log.get("removed") or (sender == mine) == (taker == mine):
                continue
            raw, height, index = (int(str(log[name]), 16) for name in ("data", "blockNumber", "logIndex"))
            signed, other = (raw, sender) if taker == mine else (-raw, taker)
            found[height, index] = Transfer(token, signed, other, height, str(log["transactionHash"]).lower(), index)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return tuple(found[key] for key in sorted(found))


@dataclass(frozen=True, slots=True)
class TransferContext:
    """Known facts about tokens and contracts, used to interpret transfers."""

    shares: Mapping[Token, MarketId]
    """The market that a token is a receipt of."""
    takers: Mapping[str, tuple[MarketId, ...]]
    """Markets that each contract serves as the target of deposits or the source of withdrawals, by lower-case
    address."""
    assets: Mapping[MarketId, Token]
    """Each market's asset."""
    planned: tuple[tuple[MarketId, int], ...] = ()
    """(market, base units; negative: out of the wallet) of legs handed over to a Safe's owners, for contracts that
    serve several markets."""


def with_outside(
    entries: Sequence[Entry],
    found: Sequence[Transfer],
    account: Account,
    known: TransferContext,
    ours: frozenset[str],
    times: Mapping[int, int],
    fees: Mapping[str, int],
    native: Token,
) -> tuple[Entry, ...]:
    """The entries, plus one for each transaction that the journal does not know.

    ours: hashes that the journal knows, in lower case; times: unix seconds by height; fees: fees of further
    transactions of ours, in base units of ``native``, by hash. The journal's changes are those of whole blocks: what
    somebody else's transaction moved in the same block is removed from them.
    """
    groups: dict[str, list[Transfer]] = {}
    for one in found:
        groups.setdefault(one.hash, []).append(one)
    outside = [group for tx_hash, group in groups.items() if tx_hash not in ours]
    corrected = [_alone(entry, groups, outside) if entry.account == account else entry for entry in entries]
    made = []
    for group in outside:
        fields = {"account": account, "at": times[group[0].height], "height": group[0].height, "native": native}
        made += _entries(group, known, fees.get(group[0].hash, 0), fields)
    return in_order((*corrected, *made))


def _alone(entry: Entry, groups: Mapping[str, Sequence[Transfer]], outside: Sequence[Sequence[Transfer]]) -> Entry:
    """The entry without what others moved in its block, if that brings it closer to its own events."""
    others = _sums(one for group in outside for one in group if one.height == entry.height)
    own = _sums(groups.get(entry.hash.lower(), ()))
    if not entry.hash or not others:
        return entry
    changes = []
    for delta in entry.changes:
        less = delta.raw - others.get(delta.token, 0)
        own_raw = own.get(delta.token, 0)
        changes.append(Delta(delta.token, less if abs(less - own_raw) < abs(delta.raw - own_raw) else delta.raw))
    return replace(entry, changes=tuple(delta for delta in changes if delta.raw))


def _sums(transfers: Iterable[Transfer]) -> dict[Token, int]:
    sums: dict[Token, int] = {}
    for one in transfers:
        sums[one.token] = sums.get(one.token, 0) + one.raw
    return sums


def _entries(group: Sequence[Transfer], known: TransferContext, fee_raw: int, fields: Mapping[str, Any]) -> list[Entry]:
    """The entries of somebody else's transaction, from its events alone: one for each market that it puts our asset
    into or takes it out of (a batch may touch several), and one for the rest."""
    by_market: dict[MarketId, list[Transfer]] = {}
    rest: list[Transfer] = []
    for one in group:
        market_id = known.shares.get(one.token) if one.other == NOBODY else _taker(one, known)
        if market_id not in known.assets:  # shares of a pair, which has no one asset
            market_id = None
        (by_market.setdefault(market_id, []) if market_id is not None else rest).append(one)
    moved = {m: sum(one.raw for one in parts if one.token == known.assets[m]) for m, parts in by_market.items()}
    bare = [market_id for market_id, raw in moved.items() if not raw]
    if len(bare) == 1 and {one.token for one in rest} == {known.assets[bare[0]]}:  # by way of another contract
        by_market[bare[0]] += rest
        moved[bare[0]], rest, bare = sum(one.raw for one in rest), [], []
    rest += [one for market_id in bare for one in by_market.pop(market_id)]
    begun = Entry(kind=EntryKind.OTHER, hash=group[0].hash, fee_raw=0, **fields)
    made = [_of_market(begun, m, parts, moved[m], known) for m, parts in by_market.items() if moved[m]]
    made += [_plain(begun, rest)] if rest else []
    return [replace(made[0], fee_raw=fee_raw), *made[1:]] if made else []


def _taker(one: Transfer, known: TransferContext) -> MarketId | None:
    """The market that a transfer goes to or comes from; if one contract serves several, the market of the planned
    leg."""
    ids = [m for m in known.takers.get(one.other, ()) if known.assets.get(m) == one.token]
    if len(ids) > 1:
        near = [m for m, raw in known.planned if m in ids and abs(raw - one.raw) * 1_000 <= abs(one.raw)]
        ids = list(dict.fromkeys(near))
    return ids[0] if len(ids) == 1 else None


def _of_market(begun: Entry, market_id: MarketId, parts: Sequence[Transfer], raw: int, known: TransferContext) -> Entry:
    sums = _sums(parts)
    return replace(
        begun,
        kind=EntryKind.DEPOSIT if raw < 0 else EntryKind.WITHDRAW,
        market_id=market_id,
        asset=known.assets[market_id],
        description=f"{'deposit into' if raw < 0 else 'withdrawal from'} {market_id}, not by this program",
        changes=tuple(Delta(token, moved) for token, moved in sums.items() if moved),
        shares=frozenset(token for token in sums if known.shares.get(token) == market_id),
    )


def _plain(begun: Entry, rest: Sequence[Transfer]) -> Entry:
    """The entry for tokens that were received, sent or exchanged."""
    sums = {token: raw for token, raw in _sums(rest).items() if raw}
    ins, outs = [one.other for one in rest if one.raw > 0], [one.other for one in rest if one.raw < 0]
    description = ", ".join(
        [*dict.fromkeys(_from(other) for other in ins), *dict.fromkeys(_to(other) for other in outs)]
    )
    made = replace(begun, description=description, changes=tuple(Delta(token, raw) for token, raw in sums.items()))
    gave, got = sum(raw < 0 for raw in sums.values()), sum(raw > 0 for raw in sums.values())
    if not gave or not got:
        return replace(made, kind=EntryKind.OUT if gave else EntryKind.IN)
    return replace(made, kind=EntryKind.SWAP) if (gave, got) == (1, 1) else made


def _from(other: str) -> str:
    return "minted" if other == NOBODY else f"from {other}"


def _to(other: str) -> str:
    return "burnt" if other == NOBODY else f"to {other}"
