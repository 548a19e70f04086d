"""Transfers of our tokens that no transaction of ours made, from Transfer events. Pure.

EIP-20's ``Transfer(address indexed from, address indexed to, uint256 value)``, of tokens that chains/*.toml or the
journal names: whoever likes may emit such events from a contract of his own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yieldbot.books.entries import Account, Entry, Kind, in_order
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.tx import Delta

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NOBODY = "0x" + "00" * 20
"""Whom minted tokens come from, and whom burnt ones go to."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """raw: base units, negative: out of our account. other: the other side, in lower case; index: within its block."""

    token: Token
    raw: int
    other: str
    height: int
    hash: str
    index: int


def transfers_in(logs: Iterable[Any], owner: Address, tokens: Iterable[Token]) -> tuple[Transfer, ...]:
    """Well-formed transfers of these tokens to or from us, each once, as the chain has them; to ourselves: none."""
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
class Known:
    """How transfers are told apart. shares: the market that a token is a receipt of; takers: the market behind a
    contract that takes deposits and gives no receipt, by lower-case address; assets: each market's asset."""

    shares: Mapping[Token, MarketId]
    takers: Mapping[str, MarketId]
    assets: Mapping[MarketId, Token]


def with_outside(
    entries: Sequence[Entry],
    found: Sequence[Transfer],
    account: Account,
    known: Known,
    ours: frozenset[str],
    times: Mapping[int, int],
    fees: Mapping[str, int],
    native: Token,
) -> tuple[Entry, ...]:
    """The entries with one more for each transaction that the journal does not know. ``ours``: hashes that it knows, in
    lower case; ``times``: unix seconds by height; ``fees``: what others of our transactions cost, by hash.

    The journal's changes are of whole blocks: what somebody else's transaction moved in the same block is taken out.
    """
    groups: dict[str, list[Transfer]] = {}
    for one in found:
        groups.setdefault(one.hash, []).append(one)
    outside = [group for tx_hash, group in groups.items() if tx_hash not in ours]
    corrected = [_alone(entry, groups, outside) if entry.account == account else entry for entry in entries]
    made = []
    for group in outside:
        fields = {"account": account, "at": times[group[0].height], "height": group[0].height, "native": native}
        made.append(_entry(group, known, fees.get(group[0].hash, 0), fields))
    return in_order((*corrected, *made))


def _alone(entry: Entry, groups: Mapping[str, Sequence[Transfer]], outside: Sequence[Sequence[Transfer]]) -> Entry:
    """An entry without what others moved in its block, where that brings it nearer to its own events."""
    beside = _sums(one for group in outside for one in group if one.height == entry.height)
    own = _sums(groups.get(entry.hash.lower(), ()))
    if not entry.hash or not beside:
        return entry
    changes = []
    for delta in entry.changes:
        less = delta.raw - beside.get(delta.token, 0)
        own_raw = own.get(delta.token, 0)
        changes.append(Delta(delta.token, less if abs(less - own_raw) < abs(delta.raw - own_raw) else delta.raw))
    return replace(entry, changes=tuple(delta for delta in changes if delta.raw))


def _sums(transfers: Iterable[Transfer]) -> dict[Token, int]:
    sums: dict[Token, int] = {}
    for one in transfers:
        sums[one.token] = sums.get(one.token, 0) + one.raw
    return sums


def _entry(group: Sequence[Transfer], known: Known, fee_raw: int, fields: Mapping[str, Any]) -> Entry:
    """What one transaction of somebody else's did to us, by its events alone."""
    sums = {token: raw for token, raw in _sums(group).items() if raw}
    ins = [one.other for one in group if one.raw > 0]
    outs = [one.other for one in group if one.raw < 0]
    words = ", ".join([*dict.fromkeys(_from(other) for other in ins), *dict.fromkeys(_to(other) for other in outs)])
    changes = tuple(Delta(token, raw) for token, raw in sums.items())
    begun = Entry(kind=Kind.OTHER, hash=group[0].hash, words=words, changes=changes, fee_raw=fee_raw, **fields)
    market_id = _market(group, known)
    if market_id is not None:
        asset = known.assets[market_id]
        kind = Kind.DEPOSIT if sums.get(asset, 0) < 0 else Kind.WITHDRAW
        shares = frozenset(token for token in sums if known.shares.get(token) == market_id)
        return replace(begun, kind=kind, market_id=market_id, asset=asset, shares=shares)
    gave, got = sum(raw < 0 for raw in sums.values()), sum(raw > 0 for raw in sums.values())
    if not gave or not got:
        return replace(begun, kind=Kind.OUT if gave else Kind.IN)
    return replace(begun, kind=Kind.SWAP) if (gave, got) == (1, 1) else begun


def _market(group: Sequence[Transfer], known: Known) -> MarketId | None:
    """The one market that a transaction puts our asset into, or takes it out of; None where it does neither."""
    receipts = {known.shares[one.token] for one in group if one.token in known.shares}
    minted = all(one.other == NOBODY for one in group if one.token in known.shares)
    takers = {known.takers.get(one.other) for one in group}
    (named,) = receipts if len(receipts) == 1 and minted else takers if len(takers) == 1 and not receipts else (None,)
    if named is None or sum(one.token == known.assets.get(named) for one in group) != 1:
        return None
    others = {one.token for one in group if known.shares.get(one.token) != named}
    return named if others == {known.assets[named]} else None


def _from(other: str) -> str:
    return "minted" if other == NOBODY else f"from {other}"


def _to(other: str) -> str:
    return "burnt" if other == NOBODY else f"to {other}"
