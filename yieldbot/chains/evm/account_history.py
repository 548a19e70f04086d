"""Reads the history of an account on an EVM chain: Transfer events, balances at the first and the newest block, and
feeds at each entry's block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from yieldbot.books.chain_record import (
    NOTHING_HANDED_OVER,
    ChainRecord,
    Quotes,
    WalletCheck,
    priced_tokens,
    reconciled,
    wallet_sums,
)
from yieldbot.books.entries import Account, Entry, EntryKind, receipts
from yieldbot.books.ledger import PriceQuote
from yieldbot.books.transfers import Transfer, TransferContext, transfers_in, with_outside
from yieldbot.chains.evm.execution.balances import abi_word, fetch_balances
from yieldbot.chains.evm.logs import read_logs
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.observe import observe
from yieldbot.chains.evm.prices import feed_price
from yieldbot.chains.evm.rollups import fee_of_receipt
from yieldbot.chains.ports import AccountHistoryRequest
from yieldbot.errors import TransientError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.market import Kind as MarketKind
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.native import feed_of, native_token
from yieldbot.model.settings import ChainSettings, Job
from yieldbot.model.tx import Delta
from yieldbot.protocols import adapters
from yieldbot.rpc.together import together

AT_ONCE = 8
"""Most requests under way at one time."""
OLD_SECONDS = 86_400
"""A feed whose last update is older than this is labelled as old."""

T = TypeVar("T")
Say = Callable[[str], None]


async def fetch_account_history(
    jobs: Sequence[Job],
    entries: Sequence[Entry],
    request: AccountHistoryRequest,
) -> ChainRecord:
    """The history of the jobs' common account. ``entries``: the account's entries by the journal. Raises TransientError
    when the chain cannot be served."""
    ours, handed, snapshots = request.ours, request.handed or NOTHING_HANDED_OVER, request.snapshots
    settings, owner = jobs[0].chain, jobs[0].wallet.address
    async with connect(settings) as node:
        await node.verify_chain()
        if snapshots is None:
            snapshots = [await observe(node, job, adapters()) for job in jobs]
        block = max((snapshot.block for snapshot in snapshots), key=lambda ref: ref.height)
        heights = [entry.height for entry in entries if entry.hash] + list(handed.heights)
        first = min([*heights, block.height if request.since is None else request.since])
        known = _known(entries, snapshots, handed.legs)
        native = native_token(settings)
        tokens = _tokens(settings, jobs, entries, known)
        notes: list[str] = []
        mine, opened = list(entries), False
        if request.checked:
            mine, opened = await _opened(node, (settings.chain, owner), tokens, native, first, entries, known, notes)
        found, complete = await _transfers(
            node, owner, tokens, first, block.height, request.say, request.most_parts, notes
        )
        strangers = [one for one in found if one.hash not in ours]
        times, fees = await _times_and_fees(node, owner, strangers)
        mine = await _old_fees(node, mine)
        account = (settings.chain, owner)
        every = with_outside(mine, found, account, known, ours, times, fees, native)
        checks: tuple[WalletCheck, ...] = ()
        if request.checked:
            now = await fetch_balances(node, owner, [*tokens, native], block)
            checks = _checks(now, wallet_sums(every), opened, _growing(snapshots), known)
            every = reconciled(every, checks, account, block, frozenset(known.shares))
        quotes = await quotes_at(node, settings, every, request.also, notes, request.say, request.quotes)
    return ChainRecord(
        account=account,
        block=block,
        since=complete,
        entries=every,
        quotes=quotes,
        checks=checks,
        snapshots=tuple(zip(jobs, snapshots, strict=True)),
        notes=tuple(notes),
    )


def _checks(
    now: Mapping[Token, int],
    sums: Mapping[Token, int],
    opened: bool,
    growing: Mapping[Token, bool],
    known: TransferContext,
) -> tuple[WalletCheck, ...]:
    """Each balance that is not zero, by the chain and by the entries."""
    return tuple(
        WalletCheck(
            token, sums.get(token, 0), raw, opened, growing.get(token, False) or (token in known.shares and not raw)
        )
        for token, raw in now.items()
        if raw or sums.get(token, 0)
    )


def _states(snapshots: Iterable[Snapshot]) -> list[MarketState]:
    return [state for snapshot in snapshots for state in snapshot.states.values()]


def _known(
    entries: Sequence[Entry], snapshots: Sequence[Snapshot], planned: Iterable[tuple[MarketId, int]]
) -> TransferContext:
    """Facts for interpreting transfers: markets by receipt token and by contract, from now and from the journal."""
    states = _states(snapshots)
    shares = receipts(entries) | {s.share_token: s.market.id for s in states if s.share_token is not None}
    moves = [entry for entry in entries if entry.kind in (EntryKind.DEPOSIT, EntryKind.WITHDRAW)]
    assets = {entry.market_id: entry.asset for entry in moves if entry.market_id and entry.asset}
    assets |= {state.market.id: state.market.asset for state in states}
    takers: dict[str, list[MarketId]] = {}
    for state in states:
        if state.market.kind not in (MarketKind.IDLE, MarketKind.LIQUIDITY):  # what goes to a pool may be a swap
            contracts = {state.market.address, *([state.share_token.address] if state.share_token else [])}
            for contract in contracts:
                takers.setdefault(contract.lower(), []).append(state.market.id)
    return TransferContext(shares, {address: tuple(ids) for address, ids in takers.items()}, assets, tuple(planned))


def _tokens(
    settings: ChainSettings, jobs: Sequence[Job], entries: Sequence[Entry], known: TransferContext
) -> list[Token]:
    """Every token (except the native one) that the chain's file, the markets or the journal name."""
    native = native_token(settings)
    recorded = [delta.token for entry in entries for delta in entry.changes]
    named = [*(job.asset for job in jobs), *settings.tokens.values(), *known.shares, *recorded]
    return [token for token in dict.fromkeys(named) if token != native]


def _growing(snapshots: Sequence[Snapshot]) -> dict[Token, bool]:
    """Whether each share token is worth exactly one unit of the asset, so that its balance grows by the interest."""
    return {
        s.share_token: s.shares == s.held.raw and s.share_token.decimals == s.held.token.decimals
        for s in _states(snapshots)
        if s.share_token is not None
    }


async def _opened(
    node: Node,
    account: Account,
    tokens: Sequence[Token],
    native: Token,
    first: int,
    entries: Sequence[Entry],
    known: TransferContext,
    notes: list[str],
) -> tuple[list[Entry], bool]:
    """(the entries, preceded by the wallet's balances before block ``first``; whether the node could read those)."""
    if first <= 0:
        return [entry for entry in entries if entry.kind is not EntryKind.OPENING or entry.market_id is not None], True
    try:
        before = await node.block(first - 1)
        held = await fetch_balances(node, account[1], [*tokens, native], before)
    except TransientError as gone:
        notes.append(f"balances before block {first} cannot be read ({gone}): they are not checked")
        return list(entries), False
    opening = Entry(
        account=account,
        kind=EntryKind.OPENING,
        at=before.timestamp,
        height=before.height,
        description="held before the first entry",
        changes=tuple(Delta(token, raw) for token, raw in held.items() if raw),
        shares=frozenset(known.shares),
        native=native,
    )
    rest = [entry for entry in entries if entry.kind is not EntryKind.OPENING or entry.market_id is not None]
    return [*([opening] if opening.changes else []), *rest], True


async def _transfers(
    node: Node,
    owner: Address,
    tokens: Sequence[Token],
    first: int,
    last: int,
    say: Say,
    most_parts: int | None,
    notes: list[str],
) -> tuple[tuple[Transfer, ...], int]:
    """(transfers of the tokens to and from us, the height from which they are complete)."""
    mine, contracts = "0x" + abi_word(owner).hex(), [token.address for token in tokens]
    filters: list[Mapping[str, Any]] = [
        {"address": contracts, "topics": [TRANSFER_TOPIC, mine]},
        {"address": contracts, "topics": [TRANSFER_TOPIC, None, mine]},
    ]
    try:
        read = await read_logs(node, filters, first, last, say, most_parts)
    except TransientError as none:
        notes.append(f"transfers by others are not known: {none}")
        return (), last + 1
    if read.cut is not None:
        notes.append(f"transfers by others before block {read.since} are not known: {read.cut}")
    return transfers_in([log for part in read.logs for log in part], owner, tokens), read.since


async def _times_and_fees(
    node: Node, owner: Address, found: Sequence[Transfer]
) -> tuple[dict[int, int], dict[str, int]]:
    """(times of the transfers' blocks, fees of those transactions that our account sent with another program)."""
    heights, hashes = sorted({one.height for one in found}), sorted({one.hash for one in found})
    blocks = await each([partial(node.block, height) for height in heights])
    answers = await each([partial(node.request, "eth_getTransactionReceipt", [name]) for name in hashes])
    fees = {
        name: fee_of_receipt(receipt) or 0
        for name, receipt in zip(hashes, answers, strict=True)
        if isinstance(receipt, Mapping) and str(receipt.get("from", "")).lower() == owner.lower()
    }
    return {height: block.timestamp for height, block in zip(heights, blocks, strict=True)}, fees


async def _old_fees(node: Node, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with fees from receipts where older journal rows lack them."""
    done = []
    for entry in entries:
        if entry.fee_raw is None:
            receipt = await node.request("eth_getTransactionReceipt", [entry.hash])
            entry = replace(entry, fee_raw=fee_of_receipt(receipt) if isinstance(receipt, Mapping) else None)
        done.append(entry)
    return done


async def quotes_at(
    node: Node,
    settings: ChainSettings,
    entries: Sequence[Entry],
    also: Sequence[Token],
    notes: list[str],
    say: Say,
    known: Quotes | None = None,
) -> Quotes:
    """Prices of each entry's tokens by their feeds at the entry's block. known: prices that are not read again."""
    known = known or {}
    wanted: dict[int, set[Token]] = {}
    for entry in entries:
        wanted.setdefault(entry.height, set()).update(priced_tokens(entry, also))
    feeds = {
        token: address for token in {t for ts in wanted.values() for t in ts} if (address := feed_of(settings, token))
    }
    readable = {
        height: [t for t in tokens if t in feeds and (settings.chain, height, t.address) not in known]
        for height, tokens in sorted(wanted.items())
    }
    readable = {height: tokens for height, tokens in readable.items() if tokens}
    if len(readable) > AT_ONCE * 4:
        say(f"reading prices at {len(readable):,} blocks")
    reads = [partial(_at, node, height, feeds, settings.feed_units, tokens) for height, tokens in readable.items()]
    found: dict[tuple[ChainId, int, Address], PriceQuote] = dict(known)
    failed: list[str] = []
    for height, answers in zip(readable, await each(reads), strict=True):
        if isinstance(answers, str):
            failed.append(f"{height} ({answers})")
        else:
            found |= {(settings.chain, height, token.address): quote for token, quote in answers.items()}
    if failed:
        more = f" and at {len(failed) - 1} others" if len(failed) > 1 else ""
        notes.append(f"feeds cannot be read at block {failed[0]}{more}")
    return found


async def _at(
    node: Node,
    height: int,
    feeds: Mapping[Token, Address],
    units: Mapping[Address, Address],
    tokens: Sequence[Token],
) -> dict[Token, PriceQuote] | str:
    try:
        block = await node.block(height)
        answers = await node.run(
            [feed_price(feeds[token], block.timestamp, units.get(feeds[token])) for token in tokens], block
        )
    except TransientError as gone:
        return str(gone)
    return {
        token: _quote(price, block) for token, price in zip(tokens, answers, strict=True) if isinstance(price, Price)
    }


def _quote(price: Price, block: BlockRef) -> PriceQuote:
    age = block.timestamp - price.updated_at
    old = f", {age // 3600} h old" if age > OLD_SECONDS else ""
    return PriceQuote(Fraction(repr(price.usd)), f"feed at block {block.height}{old}")


async def each(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All answers in order, with at most AT_ONCE requests under way."""
    return await together(asks, AT_ONCE)
