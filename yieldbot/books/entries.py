"""Turns the journal's records and transfers observed on chain into entries: each transaction once. Pure.

A confirmed transaction changes balances and costs its fee; a reverted one only costs its fee; one that expired or was
replaced did nothing and has no entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum

from yieldbot.journal.fold import Record, StoredTx, fold_transactions
from yieldbot.journal.journal_entries import PlanWritten, TxSigned
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM_NATIVE, SVM_NATIVE, family_of
from yieldbot.model.ids import Address, ChainId, MarketId, is_market
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Delta, Reverted

Account = tuple[ChainId, Address]
"""A chain and our address on it. Lots acquired in one account are never sold from another."""


class EntryKind(StrEnum):
    """The kind of an entry."""

    OPENING = "opening"
    """The balance before the first entry."""
    IN = "in"
    """Received by a transaction that is not ours."""
    OUT = "out"
    """Sent by a transaction that is not in the journal."""
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    SWAP = "swap"
    CLAIM = "claim"
    LIQUIDITY = "liquidity"
    """Liquidity put into a pool, or taken out of it."""
    GAS = "gas"
    """A transaction that only costs its fee: an allowance, a revocation, a cancellation."""
    REVERTED = "reverted"
    OTHER = "other"
    """A change of balances that no other kind covers."""
    UNEXPLAINED = "unexplained"
    """The difference between the chain's balance and the sum of the entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction, or a balance or difference that no transaction explains."""

    account: Account
    """The account."""
    kind: EntryKind
    """What it did."""
    at: int
    """Time of its block, in unix seconds."""
    height: int
    """Its block number or slot."""
    hash: str = ""
    """The transaction's hash; empty where there is no transaction."""
    description: str = ""
    """What it did, for a person."""
    market_id: MarketId | None = None
    """The market that it belongs to; None: only the wallet."""
    asset: Token | None = None
    """The leg's asset; None where there is no leg."""
    changes: tuple[Delta, ...] = ()
    """Changes of our balances in base units, without the fee; none of them 0."""
    shares: frozenset[Token] = frozenset()
    """Tokens among the changes that are receipts of a market."""
    native: Token | None = None
    """The chain's native token, in which fees are paid."""
    fee_raw: int | None = 0
    """The fee in base units of ``native``; None: not known."""
    rent_raw: int = 0
    """Lamports locked in new accounts of ours; negative: returned."""
    all: bool = False
    """Whether the leg takes everything out of its market."""
    plan: str = ""
    """Id of the plan or order that it belongs to; empty: none."""

    def change(self, token: Token) -> int:
        """Change of one token in base units, without the fee."""
        return sum(delta.raw for delta in self.changes if delta.token == token)


Place = tuple[int, int, int]
"""Where an entry comes among those of one block: openings first (0, else 1), then the number of the row in which its
transaction was signed, and its place among those of the transaction."""
Opened = frozenset[tuple[Account, MarketId, Token]]
"""What has an opening, or is known to have begun with nothing, by account, market (the wallet: empty) and asset."""


def from_journal(records: Iterable[Record]) -> tuple[Entry, ...]:
    """An entry for each transaction that was mined, by time and height.

    Raises ValueError for records that contradict each other.
    """
    return tuple(entry for _, entry in placed(records, frozenset())[0])


def placed(records: Iterable[Record], opened: Opened) -> tuple[tuple[tuple[Place, Entry], ...], Opened]:
    """(the entries of ``from_journal`` with their places, in order; ``opened`` and what they open beside it)."""
    rows = tuple(records)
    plans = {row.entry.plan.id: row.entry.plan for row in rows if isinstance(row.entry, PlanWritten)}
    numbers: dict[str, int] = {}
    for row in rows:
        if isinstance(row.entry, TxSigned):
            numbers.setdefault(row.entry.hash, row.seq)
    txs = list(fold_transactions(rows).values())
    found, every = _openings(txs, plans, numbers, opened)
    found += [((1, numbers[tx.signed.hash], 0), entry) for tx in txs if (entry := _entry(tx, plans)) is not None]
    return by_place(found), every


def by_place(found: Iterable[tuple[Place, Entry]]) -> tuple[tuple[Place, Entry], ...]:
    """Sorted by time, chain and height, those of one block by their places."""
    return tuple(sorted(found, key=lambda one: (one[1].at, one[1].account[0], one[1].height, one[0])))


def _openings(
    txs: Iterable[StoredTx], plans: Mapping[str, Plan], numbers: Mapping[str, int], opened: Opened
) -> tuple[list[tuple[Place, Entry]], Opened]:
    """Holdings in each market (and the wallet) before our first transaction there: a plan's targets minus the plan's
    own changes."""
    found: list[tuple[Place, Entry]] = []
    every = set(opened)
    for tx in txs:
        plan = plans.get(tx.signed.plan_id)
        leg = _leg(plan, tx.signed.leg)
        if plan is None or leg is None or not isinstance(tx.outcome, Confirmed):
            continue
        asset, native = leg.amount.token, _native(tx)
        exact = all(
            step.kind in (LegKind.DEPOSIT, LegKind.WITHDRAW) for step in plan.legs
        )  # a swap brings what it brings
        account = (tx.signed.chain, tx.signed.owner)
        for index, (market_id, target) in enumerate(plan.allocation.targets.items()):
            wallet = market_id.startswith("idle/")
            key = (account, MarketId("") if wallet else market_id, asset)
            known = exact if wallet else market_id == leg.market_id
            if key in every or target.token != asset or not known or is_liquidity(market_id):
                continue
            every.add(key)
            held_raw = target.raw - sum(_into(step, market_id, wallet) for step in plan.legs)
            token = native if native is not None and asset.address == WRAPPED_SOL else asset
            if held_raw > 0:
                entry = Entry(
                    account=account,
                    kind=EntryKind.OPENING,
                    at=plan.block.timestamp,
                    height=plan.block.height,
                    market_id=None if wallet else market_id,
                    asset=token,
                    native=native,
                    changes=(Delta(token, held_raw),),
                )
                found.append(((0, numbers[tx.signed.hash], index), entry))
    return found, frozenset(every)


def _into(leg: Leg, market_id: MarketId, wallet: bool) -> int:
    """Base units that a leg adds to a market, or to the wallet."""
    sign = {LegKind.DEPOSIT: 1, LegKind.WITHDRAW: -1}.get(leg.kind, 0)
    return -sign * leg.amount.raw if wallet else sign * leg.amount.raw * (leg.market_id == market_id)


def _native(tx: StoredTx) -> Token | None:
    return next((d.token for d in tx.signed.predicted if d.token.address in (EVM_NATIVE, SVM_NATIVE)), None)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Sorted by time, chain and height; entries of one block keep their order."""
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.account[0], entry.height)))


def of_accounts(entries: Iterable[Entry]) -> dict[Account, list[Entry]]:
    """The entries of each account, in their order."""
    found = dict[Account, list[Entry]]()
    for entry in entries:
        found.setdefault(entry.account, []).append(entry)
    return found


def _entry(tx: StoredTx, plans: Mapping[str, Plan]) -> Entry | None:
    signed, outcome = tx.signed, tx.outcome
    if not isinstance(outcome, Confirmed | Reverted):
        return None
    begun = Entry(
        account=(signed.chain, signed.owner),
        kind=EntryKind.REVERTED,
        at=outcome.block.timestamp,
        height=outcome.block.height,
        hash=outcome.hash,
        description=signed.words,
        market_id=_market(signed.market_id),
        native=_native(tx),
        fee_raw=outcome.fee_raw if outcome.fee_raw is not None else _older_fee(tx, outcome),
        plan=signed.plan_id,
    )
    if isinstance(outcome, Reverted):
        return begun
    settled = _settled(begun, outcome, wraps_coin=family_of(signed.chain).wrapped_coin is not None)
    return _named(_by_id(settled, signed.market_id), _leg(plans.get(signed.plan_id), signed.leg))


def _market(named: MarketId) -> MarketId | None:
    """The market of a journalled id; a claim's id (claim/MARKET/TOKEN) names the market that pays."""
    if named.startswith("claim/"):
        return MarketId(named.removeprefix("claim/").rpartition("/")[0]) or None
    return named if is_market(named) else None


def _by_id(entry: Entry, market_id: MarketId) -> Entry:
    """The entry with the kind (swap or claim) that its journalled id stands for."""
    if entry.kind is not EntryKind.OTHER or is_market(market_id):
        return entry
    raws = sorted(delta.raw for delta in entry.changes)
    if market_id.startswith("claim/") and raws[0] > 0:
        return replace(entry, kind=EntryKind.CLAIM)
    return replace(entry, kind=EntryKind.SWAP) if len(raws) == 2 and raws[0] < 0 < raws[1] else entry


def _older_fee(tx: StoredTx, outcome: Confirmed | Reverted) -> int | None:
    """The fee in a row written before fees were recorded: what Solana charged, or gas used times gas price; None for a
    revert."""
    if tx.signed.svm is not None:
        return tx.signed.svm.fee_lamports
    return outcome.gas_used * outcome.gas_price_wei if isinstance(outcome, Confirmed) else None


def _settled(entry: Entry, outcome: Confirmed, *, wraps_coin: bool) -> Entry:
    """The entry with its changes; the native token's change is separated from the fee and from rent."""
    native, fee_raw = entry.native, entry.fee_raw or 0
    sums: dict[Token, int] = {}
    for delta in outcome.deltas:
        token = native if native is not None and delta.token.address == WRAPPED_SOL else delta.token
        if token != native or delta.token.address == WRAPPED_SOL:
            sums[token] = sums.get(token, 0) + delta.raw
    wallet = [delta.raw for delta in outcome.deltas if delta.token.address in (EVM_NATIVE, SVM_NATIVE)]
    rent_raw = 0
    if native is not None and wallet:
        rest = wallet[0] + fee_raw  # what the fee does not account for
        if wraps_coin:
            rent_raw = sums.get(native, 0) - rest
        elif rest < 0:
            fee_raw -= rest  # a rollup's further fees are in the balance alone; our calls send no native tokens along
        else:
            sums[native] = rest
    changes = tuple(Delta(token, raw) for token, raw in sums.items() if raw)
    return replace(
        entry, kind=EntryKind.OTHER if changes else EntryKind.GAS, changes=changes, fee_raw=fee_raw, rent_raw=rent_raw
    )


def _leg(plan: Plan | None, index: int) -> Leg | None:
    return plan.legs[index] if plan is not None and 0 <= index < len(plan.legs) else None


_NAMED = {
    LegKind.DEPOSIT: EntryKind.DEPOSIT,
    LegKind.WITHDRAW: EntryKind.WITHDRAW,
    LegKind.SWAP: EntryKind.SWAP,
    LegKind.CLAIM: EntryKind.CLAIM,
    LegKind.REQUEST: EntryKind.WITHDRAW,  # shares go, and what they are worth is still there
    LegKind.COLLECT: EntryKind.WITHDRAW,
    LegKind.CANCEL: EntryKind.WITHDRAW,
}


def _named(entry: Entry, leg: Leg | None) -> Entry:
    """The entry with the leg's kind, asset and receipts; a leg without a kind of its own stays OTHER."""
    kind = _NAMED.get(leg.kind) if leg is not None else None
    if entry.market_id is not None and is_liquidity(entry.market_id):
        return _liquid(entry)
    if leg is None or kind is None or entry.kind is EntryKind.GAS:
        return entry
    asset = leg.amount.token
    if asset.address == WRAPPED_SOL and entry.native is not None:
        asset = entry.native
    shares = frozenset(delta.token for delta in entry.changes if delta.token not in (asset, entry.native))
    moves_market = kind in (EntryKind.DEPOSIT, EntryKind.WITHDRAW)
    whole = leg.all and leg.kind is not LegKind.REQUEST
    return replace(entry, kind=kind, asset=asset, shares=shares if moves_market else frozenset(), all=whole)


def _liquid(entry: Entry) -> Entry:
    """A transaction of a pool's liquidity: either a swap to fit a range, or tokens going in or coming out.

    The position's NFT (a token without decimals) and a pair's LP token are receipts.
    """
    pair = (entry.market_id or "").rpartition("/")[2]
    tokens = [delta.token for delta in entry.changes]
    positions = frozenset(token for token in tokens if token.decimals == 0 or token.address.lower() == pair)
    raws = sorted(delta.raw for delta in entry.changes if delta.token not in positions)
    if entry.kind is EntryKind.GAS or not raws:
        return replace(entry, shares=positions)
    swaps = len(raws) == 2 and raws[0] < 0 < raws[1] and not positions
    return replace(entry, kind=EntryKind.SWAP if swaps else EntryKind.LIQUIDITY, shares=positions)


def is_liquidity(market_id: MarketId) -> bool:
    """Whether a market is a pool's liquidity (uniswap_v3_lp/CHAIN/POOL)."""
    return market_id.partition("/")[0].endswith("_lp")


def receipts(entries: Iterable[Entry]) -> dict[Token, MarketId]:
    """The market of each receipt token, by the entries."""
    return {token: e.market_id for e in entries if e.market_id is not None for token in e.shares}
