"""Reads that belong to no snapshot: the transactions that name an account, the effects of one of them, the largest
accounts of a mint, and accounts at the node's present slot. Nodes may refuse them; such a read is answered with
``b""``, and the round's other reads are not affected."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from yieldbot.errors import MarketError, TransientError
from yieldbot.model.ids import Address
from yieldbot.model.landed import Landing, ProgramCall, Signatures, TokenChange
from yieldbot.model.reads import Flow, Read, SvmBeside, SvmImage, SvmLargest, SvmSignatures, SvmTransaction
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.rpc.lockstep import Answer, run
from yieldbot.rpc.together import together

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node

AT_ONCE = 8
"""Most requests under way at one time."""
PAGE = 1000
"""Most signatures in one answer (the limit of getSignaturesForAddress)."""
MOST_PAGES = 5
"""Most requests for the signatures of one account."""
MOST_KEYS, MOST_CALLS, MOST_DATA = 256, 500, 1232
"""Most accounts and instructions of one transaction, and bytes of an instruction's data; an answer with more is
refused."""
MOST_U64 = 2**64

T = TypeVar("T")


async def run_beside(node: Node, flow: Flow[T]) -> T | MarketError:
    """A flow's return value, or the MarketError that ended it. Its reads are not bound to a snapshot's slot, so that
    it may take long. Raises TransientError when the node answers no accounts."""
    (found,) = await run([flow], partial(answers_beside, node))
    return found


async def answers_beside(node: Node, reads: Sequence[Read]) -> list[Answer]:
    """The answers to SvmBeside reads, in their order; ``b""`` for one that the node refuses, or answers with something
    that cannot be read. Raises TransientError when the node answers no accounts."""
    wanted = list(dict.fromkeys(cast("Sequence[SvmBeside]", reads)))
    images = [one for one in wanted if isinstance(one, SvmImage)]
    others = [one for one in wanted if not isinstance(one, SvmImage)]
    known: dict[SvmBeside, bytes] = dict(
        zip(others, await together([partial(_answer, node, one) for one in others], AT_ONCE), strict=True)
    )
    accounts = await node.accounts([one.address for one in images]) if images else {}
    for one in images:
        image = accounts[one.address]
        known[one] = b"" if image is None else key_bytes(image.program) + image.data
    return [known[cast("SvmBeside", read)] for read in reads]


async def _answer(node: Node, read: SvmBeside) -> bytes:
    try:
        if isinstance(read, SvmSignatures):
            return (await _signatures(node, read)).encoded()
        if isinstance(read, SvmLargest):
            return await _largest(node, read)
        assert isinstance(read, SvmTransaction)
        answer = await node.transaction(read.signature, node.commitment)
        return b"" if answer is None else landing_of(read.signature, answer).encoded()
    except (TransientError, ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return b""


async def _signatures(node: Node, read: SvmSignatures) -> Signatures:
    """The list, page by page, the newest first."""
    found: list[tuple[str, int]] = []
    before, more = "", True
    for _ in range(MOST_PAGES):
        limit = min(PAGE, read.most + 1)
        options: dict[str, Any] = {"limit": limit, "commitment": node.commitment}
        options |= {"until": read.until} if read.until else {}
        options |= {"before": before} if before else {}
        rows = await node.request("getSignaturesForAddress", [read.address, options])
        rows = rows[:limit]
        old = False
        for row in rows:
            slot = row["slot"]
            if not isinstance(slot, int) or isinstance(slot, bool) or not isinstance(row["signature"], str):
                raise ValueError("no signature")
            old = old or slot < read.since
            if read.since <= slot <= read.last and row["err"] is None:
                found.append((row["signature"][:88], slot))
        if old or len(rows) < limit:
            more = False
            break
        if len(found) > read.most:
            break
        before = rows[-1]["signature"]
    kept = list(dict.fromkeys(found))[: read.most]
    return Signatures(tuple(reversed(kept)), more or len(found) > read.most)


async def _largest(node: Node, read: SvmLargest) -> bytes:
    answer = await node.request("getTokenLargestAccounts", [read.mint, {"commitment": node.commitment}])
    rows = [(str(row["address"])[:44], _amount(row["amount"])) for row in answer["value"][:20]]
    return json.dumps(sorted(rows, key=lambda row: -row[1])).encode()


def landing_of(signature: str, answer: Mapping[str, Any]) -> Landing:
    """Decode the answer of ``getTransaction`` (base64). Raises ValueError, KeyError, TypeError or IndexError if it
    cannot be decoded or the transaction failed."""
    from solders.transaction import VersionedTransaction

    meta = answer["meta"]
    if meta["err"] is not None:
        raise ValueError("it failed")
    raw = base64.b64decode(answer["transaction"][0])
    try:
        parsed = VersionedTransaction.from_bytes(raw)
    except BaseException as unreadable:  # solders' own error, or a panic of its Rust
        if isinstance(unreadable, KeyboardInterrupt | SystemExit):
            raise
        raise ValueError("these bytes are no transaction") from None
    if str(parsed.signatures[0]) != signature:
        raise ValueError("it is another transaction")
    message = parsed.message
    loaded = meta.get("loadedAddresses") or {}
    static = [Address(str(key)) for key in message.account_keys]
    extra = [Address(str(one)) for one in loaded.get("writable", ())]
    keys = [*static, *extra, *(Address(str(one)) for one in loaded.get("readonly", ()))][:MOST_KEYS]
    writable = [key for place, key in enumerate(static) if _is_writable(message.header, place, len(static))]
    lamports = zip(keys, meta["preBalances"], meta["postBalances"], strict=False)
    return Landing(
        signature=signature,
        slot=int(answer["slot"]),
        payer=static[0],
        writable=tuple(dict.fromkeys((*writable, *extra))),
        lamports=tuple((at, _amount(was), _amount(now)) for at, was, now in lamports if was != now),
        tokens=tuple(_tokens(keys, meta)),
        calls=tuple(_calls(keys, message.instructions, meta.get("innerInstructions") or ())),
    )


def _is_writable(header: Any, place: int, count: int) -> bool:
    signers = header.num_required_signatures
    if place < signers:
        return bool(place < signers - header.num_readonly_signed_accounts)
    return bool(place < count - header.num_readonly_unsigned_accounts)


def _tokens(keys: Sequence[Address], meta: Mapping[str, Any]) -> Iterator[TokenChange]:
    """The balances of the token accounts, by their index among the keys; 0 before for an account that was opened, and 0
    after for one that was closed."""
    sides: list[dict[int, tuple[Address, Address, int]]] = []
    for name in ("preTokenBalances", "postTokenBalances"):
        rows = (meta.get(name) or ())[:MOST_KEYS]
        sides.append(
            {
                int(row["accountIndex"]): (
                    Address(str(row["mint"])[:44]),
                    Address(str(row.get("owner") or "")[:44]),
                    _amount(row["uiTokenAmount"]["amount"]),
                )
                for row in rows
            }
        )
    before, after = sides
    for place in sorted({*before, *after}):
        mint, owner, _ = after.get(place) or before[place]
        was, now = (side[place][2] if place in side and side[place][0] == mint else 0 for side in sides)
        yield TokenChange(keys[place], mint, owner, was, now)


def _calls(keys: Sequence[Address], outer: Sequence[Any], inner: Sequence[Any]) -> list[ProgramCall]:
    """Each instruction followed by those that it called. If a node does not state the depth of inner instructions, all
    count as called by the transaction's own instruction."""
    from solders.instruction import CompiledInstruction

    under: dict[int, list[tuple[int, CompiledInstruction]]] = {}
    for group in inner:
        for one in group["instructions"]:
            made = CompiledInstruction(one["programIdIndex"], _unbase58(one["data"]), bytes(one["accounts"]))
            under.setdefault(int(group["index"]), []).append((int(one.get("stackHeight") or 2), made))
    found: list[ProgramCall] = []
    for place, call in enumerate(outer):
        for depth, one in ((1, call), *under.get(place, ())):
            named = tuple(keys[at] for at in bytes(one.accounts))
            found.append(ProgramCall(depth, keys[one.program_id_index], named, bytes(one.data)[:MOST_DATA]))
    return found[:MOST_CALLS]


ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _unbase58(text: str) -> bytes:
    """Decode base58. Raises ValueError for other text, or text that is too long."""
    if len(text) > 2 * MOST_DATA:
        raise ValueError("too long")
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _amount(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool | float) or not 0 <= number < MOST_U64:
        raise ValueError("no amount")
    return number
