"""Reads that are not contract calls (storage slots, code, event logs): one JSON-RPC batch for each round.

**Code.** ``eth_getCode`` sends up to 48 kB of hex for a contract of which only the hash is needed, ``eth_getProof`` is
served by few nodes, and a helper placed by a state override is not served everywhere. So code is read by an
``eth_call`` without a ``to``: its data is the creation code of a contract whose "code" is the list of EXTCODEHASH,
EXTCODESIZE and the first 64 bytes of each address asked for. Every node that runs calls also runs creations; a node
that refuses is asked for the code itself.

**The past** (``EthCodeAtBlock``, logs with ``past_parts``) may be refused, or be slow: it is sent in the same batch
where a node refuses single reads of a batch, and separately where a quorum must agree on the whole batch; if a batch
that contains it fails, the other reads are sent again without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

from yieldbot.errors import HttpRefused, NodeRefused, ReadReverted, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import CODE_WORDS, EthCode, EthCodeAtBlock, EthLog, EthLogs, EthSlot, LogSpan, Read
from yieldbot.rpc.together import both, together

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.amounts import BlockRef
    from yieldbot.rpc.lockstep import Answer

BATCH_REQUESTS = 1000
"""Requests in one batch at first; smaller ones follow if a provider refuses that size (rpc/sizes.py)."""
CODES = 150
"""Addresses in one creation: 128 bytes are returned for each, and the whole must stay below 24,576 bytes (EIP-170)."""
REFUSED_ALONE = 8
"""Once this many single requests are refused before any is answered, the node is assumed to serve none."""
AT_ONCE = 20
"""Requests sent at the same time where a provider takes no batches."""
LOG_PARTS = 64
"""Most requests for the logs of one read; what a provider does not serve within them is reported as missing."""
LOG_BLOCKS = 2**63
"""As ``logs.UNBOUNDED``: both share one learned size."""
Request = tuple[str, list[Any]]


@dataclass(slots=True)
class _Plan:
    """The requests of one round, and which reads each of them answers."""

    requests: list[Request] = field(default_factory=list)
    """The JSON-RPC requests that are sent."""
    serves: list[list[int]] = field(default_factory=list)
    """Indexes of the reads that each request answers."""

    def add(self, request: Request, places: list[int]) -> None:
        self.requests.append(request)
        self.serves.append(places)


async def answers_beside(node: Node, reads: Sequence[Read], block: BlockRef) -> list[Answer]:
    """The answers to reads other than calls, in their order. A refused read is ReadReverted, or ``b""`` where it is
    optional.

    Raises TransientError when the node fails, or refuses all reads.
    """
    at: Any = {"blockHash": block.hash, "requireCanonical": True}
    answers: list[Answer] = [b""] * len(reads)
    plan, past, wide = _Plan(), _Plan(), list[int]()
    size = node.size("eth_getLogs", LOG_BLOCKS)
    codes = [place for place, read in enumerate(reads) if isinstance(read, EthCode)]
    for place, read in enumerate(reads):
        if isinstance(read, EthSlot):
            plan.add(("eth_getStorageAt", [read.address, hex(read.slot), at]), [place])
        elif isinstance(read, EthCodeAtBlock):
            data = "0x" + creation_of_past(read.addresses).hex()
            past.add(("eth_call", [{"data": data}, hex(read.block)]), [place])
        elif isinstance(read, EthLogs):
            if read.last - read.first + 1 > size.now:
                wide.append(place)
            elif read.last >= read.first:
                (past if read.past_parts else plan).add(("eth_getLogs", [_filter(read)]), [place])
            else:
                answers[place] = LogSpan((), read.first).encoded()
        elif not isinstance(read, EthCode):
            raise TypeError(f"an EVM node answers no {type(read).__name__}")
    addresses = [_address(reads[place]) for place in codes]
    for start in range(0, len(codes), CODES):
        data = "0x" + creation(addresses[start : start + CODES]).hex()
        plan.add(("eth_call", [{"data": data}, at]), codes[start : start + CODES])
    again: list[int] = []
    results = await _with_past(node, plan.requests, past.requests)
    methods = [method for method, _ in (*plan.requests, *past.requests)]
    for places, method, result in zip((*plan.serves, *past.serves), methods, results, strict=True):
        read = reads[places[0]]
        if isinstance(read, EthCodeAtBlock):
            answers[places[0]] = _past_code(result, len(read.addresses))
        elif isinstance(result, _Unasked):
            assert isinstance(read, EthLogs)
            size.refuse(read.last - read.first + 1)
            answers[places[0]] = b""
        elif isinstance(read, EthCode):
            again += _coded(places, result, answers)
        elif isinstance(result, NodeRefused) and isinstance(read, EthLogs):
            size.refuse(read.last - read.first + 1)
            wide.append(places[0])
        elif isinstance(result, NodeRefused):
            answers[places[0]] = _lost(node, read, result)
        elif isinstance(read, EthLogs):
            size.worked(read.last - read.first + 1)
            answers[places[0]] = LogSpan(logs_of(result), read.first).encoded()
        else:
            answers[places[0]] = _word(node, result, method)
    if again:
        requests: list[Request] = [("eth_getCode", [_address(reads[place]), at]) for place in again]
        for place, result in zip(again, await _all(node, requests), strict=True):
            refused = isinstance(result, NodeRefused)
            answers[place] = _lost(node, reads[place], result) if refused else head_of(_hex(node, result))
    for place in wide:
        answers[place] = await _long(node, reads[place])
    return answers


class _Unasked(NodeRefused):
    """A read of a past block that was left out so that the other reads of its batch succeed."""


async def _with_past(node: Node, requests: Sequence[Request], past: Sequence[Request]) -> list[Any]:
    """The results of all requests, those of past blocks last; each may be a NodeRefused."""
    if not past:
        return await _all(node, requests)
    gone = [_Unasked("a read of the past", 0, "given up")] * len(past)

    async def alone() -> list[Any]:
        try:
            return await _all(node, past)
        except TransientError:
            return gone

    if not node.refuses_alone:
        found, old = await both(_all(node, requests), alone())
        return [*found, *old]
    try:
        return await _all(node, [*requests, *past])
    except TransientError:
        return [*await _all(node, requests), *gone]


async def _all(node: Node, requests: Sequence[Request]) -> list[Any]:
    """The results of all requests, in order, in batches as large as the provider takes. A single refused request gives
    its NodeRefused, which is raised where REFUSED_ALONE requests are refused and none is answered."""
    size = node.size("batch", BATCH_REQUESTS)
    found: list[Any] = []
    if size.refused is None and len(requests) > size.now:  # nothing was refused so far: all at once
        parts = [requests[at : at + size.now] for at in range(0, len(requests), size.now)]
        try:
            return [one for part in await together([partial(node.batch, part) for part in parts]) for one in part]
        except NodeRefused:
            size.refuse(len(parts[0]))
    while len(found) < len(requests):
        part = requests[len(found) : len(found) + size.now]
        if size.now == 1:
            part = requests[len(found) : len(found) + AT_ONCE]
            found += await together([partial(_single, node, one) for one in part])
        elif len(part) == 1:
            found.append(await _single(node, part[0]))
            if isinstance(found[-1], NodeRefused):
                size.not_for_its_size()
        else:
            try:
                found += await node.batch(part)
            except (NodeRefused, HttpRefused) as refusal:
                if isinstance(refusal, HttpRefused) and refusal.status in (401, 429):
                    raise
                size.refuse(len(part))
                continue
            if size.refused is not None:
                size.worked(len(part))
        if len(found) >= REFUSED_ALONE and all(isinstance(one, NodeRefused) for one in found):
            raise found[0]
    return found


async def _single(node: Node, request: Request) -> Any:
    try:
        return await node.request(*request)
    except NodeRefused as refusal:
        return refusal


def creation(addresses: Sequence[str]) -> bytes:
    """Creation code that "deploys" a word of zeros (EIP-3541 forbids code that begins with 0xef) and, for each address,
    the four words of an answer to EthCode."""
    code = b""
    for index, address in enumerate(addresses):
        at = 32 + 32 * CODE_WORDS * index
        code += b"\x73" + bytes.fromhex(address[2:])  # PUSH20 address
        code += b"\x80\x3f" + _push(at) + b"\x52"  # DUP1 EXTCODEHASH, MSTORE at
        code += b"\x80\x3b" + _push(at + 32) + b"\x52"  # DUP1 EXTCODESIZE, MSTORE at + 32
        code += b"\x60\x40\x60\x00" + _push(at + 64) + b"\x83\x3c\x50"  # EXTCODECOPY(address, at + 64, 0, 64), POP
    return code + _push(32 + 32 * CODE_WORDS * len(addresses)) + b"\x60\x00\xf3"  # RETURN(0, length)


def creation_of_past(addresses: Sequence[str]) -> bytes:
    """Creation code that "deploys" the block's time and a byte for each address: 1 where it has code. Its operations
    are those of a chain's first day: a call at an old block runs by that block's rules."""
    code = b"\x42\x60\x00\x52"  # TIMESTAMP, MSTORE at 0
    for index, address in enumerate(addresses):
        code += b"\x73" + bytes.fromhex(address[2:])  # PUSH20 address
        code += b"\x3b\x15\x15" + _push(32 + index) + b"\x53"  # EXTCODESIZE, ISZERO, ISZERO, MSTORE8 at 32 + index
    return code + _push(32 + len(addresses)) + b"\x60\x00\xf3"  # RETURN(0, length)


def _past_code(result: Any, count: int) -> bytes:
    try:
        raw = bytes.fromhex(result.removeprefix("0x"))
    except (AttributeError, ValueError):
        return b""
    return raw if len(raw) == 32 + count else b""


def _push(number: int) -> bytes:
    return b"\x61" + number.to_bytes(2, "big")  # PUSH2


def head_of(code: bytes) -> bytes:
    """The answer to EthCode, from code that was fetched whole."""
    return keccak(code) + len(code).to_bytes(32, "big") + code[:64].ljust(64, b"\0")


def _coded(places: Sequence[int], result: Any, answers: list[Answer]) -> list[int]:
    """Set the answers of the reads at indexes ``places`` from one creation's result. Returns the indexes of reads whose
    code must be fetched with eth_getCode instead."""
    width = 32 * CODE_WORDS
    try:
        raw = bytes.fromhex(result.removeprefix("0x"))
    except (AttributeError, ValueError):
        return list(places)
    if len(raw) != 32 + width * len(places):
        return list(places)
    for index, place in enumerate(places):
        answers[place] = raw[32 + width * index : 32 + width * (index + 1)]
    return []


def _filter(read: EthLogs) -> dict[str, Any]:
    return {"fromBlock": hex(read.first), "toBlock": hex(read.last), **_where(read)}


def _where(read: EthLogs) -> dict[str, Any]:
    topics = [["0x" + topic.hex() for topic in some] for some in (read.topics, read.second) if some]
    return {"topics": topics} | ({"address": list(read.addresses)} if read.addresses else {})


async def _long(node: Node, read: Read) -> Answer:
    """The answer to a read of logs over more blocks than the provider serves in one request."""
    from yieldbot.chains.evm.logs import read_logs

    assert isinstance(read, EthLogs)
    try:
        most = read.past_parts or LOG_PARTS
        found = await read_logs(node, [_where(read)], read.first, read.last, most_parts=most)
    except (NodeRefused, HttpRefused) as refusal:
        return _lost(node, read, refusal)
    except TransientError as refusal:
        if not read.past_parts and "serves no events" not in str(refusal):
            raise
        return _lost(node, read, refusal)
    return LogSpan(logs_of(found.logs[0]), found.since, found.cut or "").encoded()


def logs_of(found: Any) -> tuple[EthLog, ...]:
    """Logs of an ``eth_getLogs`` answer, the oldest first, without those that cannot be read or that a reorganisation
    removed."""
    logs = []
    for one in found if isinstance(found, list | tuple) else ():
        if not isinstance(one, Mapping) or one.get("removed") is True:
            continue
        try:
            topics = tuple(bytes.fromhex(topic[2:]) for topic in one["topics"])
            block, index = int(one["blockNumber"], 16), int(one["logIndex"], 16)
            data, tx = bytes.fromhex(one["data"][2:]), str(one["transactionHash"])
            logs.append(EthLog(Address(str(one["address"])), topics, data, block, index, tx))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(sorted(logs, key=lambda log: (log.block, log.index)))


def _address(read: Read) -> Address:
    assert isinstance(read, EthCode)
    return read.address


def _word(node: Node, value: Any, method: str) -> bytes:
    raw = _hex(node, value)
    if len(raw) > 32:
        raise TransientError(f"{node.host} answered {method} with {len(raw)} bytes")
    return raw.rjust(32, b"\0")


def _hex(node: Node, value: Any) -> bytes:
    try:
        text = value.removeprefix("0x")
        return bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)
    except (AttributeError, ValueError):
        raise TransientError(f"{node.host} answered with something that is no hex data") from None


def _lost(node: Node, read: Read, refusal: object) -> Answer:
    if getattr(read, "optional", False):
        return b""
    return ReadReverted(f"{node.host} refuses this read: {refusal}")
