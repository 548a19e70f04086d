"""An EVM node over JSON-RPC, and the driver that runs adapters' flows against it.

All flows advance in lockstep: the reads of one round, of every adapter, become one Multicall3 ``aggregate3`` pinned to
one block by its hash (EIP-1898), so that no read of a snapshot can see another block, not even across a reorg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from yieldbot.errors import ConfigError, HttpRefused, MarketError, NodeRefused, ReadReverted, TransientError
from yieldbot.model import bounds
from yieldbot.model.abi_words import aggregate3, aggregate3_answers
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, evm_number
from yieldbot.model.reads import EthCall, Flow, Read
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.lockstep import Answer, run
from yieldbot.rpc.sizes import Size, size_of
from yieldbot.rpc.together import together

T = TypeVar("T")

AGGREGATE3 = bytes.fromhex("82ad56cb")  # aggregate3((address,bool,bytes)[])
BATCH_READS = 3000
"""Reads put into one aggregate3 before it is split; a node that refuses one (gas or size limit) gets smaller ones."""
REFUSED_ALONE = 8
"""Reads of one round that are refused each by itself, before any is answered, after which the node serves none."""

LONGEST_QUANTITY = 66
"""Characters of 256 bits in hex digits."""
OF_THE_REQUEST = (400, 403, 404, 413, 422)
"""HTTP errors that can be of what was asked, and not of who asks: archive state that a plan lacks, say."""


class _Lost(ReadReverted):
    """A read that the node refuses by itself: it costs the market that asks."""

    def __init__(self, message: str, refusal: NodeRefused) -> None:
        super().__init__(message)
        self.refusal = refusal


class Node:
    """One JSON-RPC endpoint of one chain, with the reads that the rest asks for."""

    def __init__(
        self,
        chain: ChainId,
        url: str,
        *,
        multicall3: Address,
        timeout_seconds: float = 10.0,
        setting: str = "the RPC address",
    ) -> None:
        self.chain = chain
        self.multicall3 = multicall3
        self.endpoint = Endpoint(url, timeout_seconds=timeout_seconds, setting=setting)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.chain}, {self.host})"

    @property
    def host(self) -> str:
        """Who answers, for messages."""
        return self.endpoint.host

    @property
    def setting(self) -> str:
        """Where the URL comes from, for messages."""
        return self.endpoint.setting

    @property
    def round_trips(self) -> int:
        """Requests made so far."""
        return self.endpoint.round_trips

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the node can be used again afterwards."""
        await self.endpoint.aclose()

    def size(self, what: str, most: int) -> Size:
        """How much of ``what`` is asked for at once, as far as this process has found out."""
        return size_of((self.endpoint,), what, most)

    async def request(self, method: str, params: list[Any]) -> Any:
        """One JSON-RPC request: see ``Endpoint.request``."""
        return await self.endpoint.request(method, params)

    async def verify_chain(self) -> None:
        """Raise ConfigError when the node serves another chain than ours."""
        number = self._quantity(await self.request("eth_chainId", []), "eth_chainId")
        if number != evm_number(self.chain):
            raise ConfigError(
                f"{self.setting}: the node at {self.host} serves chain {number}, not {evm_number(self.chain)}: "
                "put the right chain's URL there"
            )

    async def block(self, tag: str | int = "latest") -> BlockRef:
        """The block of a tag (latest, pending, safe, finalized) or height. Raises TransientError when there is none."""
        ref, _ = await self.block_and_base_fee(tag)
        return ref

    async def block_and_base_fee(self, tag: str | int = "latest") -> tuple[BlockRef, int]:
        """The block and its base fee in wei (0 on a chain without EIP-1559)."""
        name = hex(tag) if isinstance(tag, int) else tag
        found = await self.request("eth_getBlockByNumber", [name, False])
        if not isinstance(found, Mapping):
            raise TransientError(f"{self.host} knows no block {tag}")
        try:
            height = bounds.within(number(found["number"]), bounds.MOST_HEIGHT, "a height")
            written = bounds.within(number(found["timestamp"]), bounds.LATEST_TIME, "a time")
            base_fee_wei = bounds.within(number(found.get("baseFeePerGas") or "0x0"), bounds.MOST_FEE_WEI, "a base fee")
            return BlockRef(self.chain, height, _hash_of(found["hash"]), written), base_fee_wei
        except (KeyError, TypeError, ValueError) as nonsense:
            why = f" ({nonsense})" if isinstance(nonsense, ValueError) else ""
            raise TransientError(f"{self.host} described block {tag} in a way that cannot be read{why}") from None

    async def nonce(self, owner: Address, tag: str | Mapping[str, object] = "latest") -> int:
        """Transactions sent by ``owner`` as of ``tag``."""
        answer = await self.request("eth_getTransactionCount", [owner, tag])
        return self._quantity(answer, "eth_getTransactionCount", bounds.MOST_NONCE)

    async def balance_wei(self, owner: Address, block: BlockRef | None = None) -> int:
        """Native balance in wei."""
        tag: Any = _at(block) if block else "latest"
        return self._quantity(await self.request("eth_getBalance", [owner, tag]), "eth_getBalance")

    async def priority_fee_wei(self) -> int:
        """The node's suggestion for the priority fee; 0 where the node has none."""
        try:
            answer = await self.request("eth_maxPriorityFeePerGas", [])
            return self._quantity(answer, "eth_maxPriorityFeePerGas", bounds.MOST_FEE_WEI)
        except NodeRefused:
            return 0

    async def code(self, address: Address, block: BlockRef | None = None) -> bytes:
        """Deployed code; empty where there is none."""
        return self._bytes(
            await self.request("eth_getCode", [address, _at(block) if block else "latest"]), "eth_getCode"
        )

    async def call(
        self, to: Address, data: bytes, block: BlockRef | None = None, sender: Address | None = None
    ) -> bytes:
        """One ``eth_call``. Raises NodeRefused with the revert bytes when it reverts."""
        call = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return self._bytes(await self.request("eth_call", [call, _at(block) if block else "latest"]), "eth_call")

    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        """Advance all flows in lockstep at ``block``; one aggregate3 a round (one more for each other lag asked for).

        Returns each flow's value, or the MarketError that ended it, in order. Raises TransientError when the node
        fails: then no flow's result may be used.
        """

        served = False

        async def answer(reads: Sequence[Read]) -> Sequence[Answer]:
            nonlocal served
            calls = [read for read in reads if isinstance(read, EthCall)]
            if len(calls) != len(reads):
                raise TypeError("an EVM node answers EthCall alone")
            answers = await self._round(calls, block)
            refused = [one.refusal for one in answers if isinstance(one, _Lost)]
            if refused and not served and len(refused) == len(answers):
                raise refused[0]  # it is not one call that is refused: this node serves none
            served = True
            return answers

        return await run(flows, answer)

    async def _round(self, reads: Sequence[EthCall], block: BlockRef) -> list[Answer]:
        """Answers of one round in order; reads of equal lag share one aggregate3, all sent at once.

        A node that has no state of so long ago ends the flows that ask for it, and no other.
        """
        by_lag: dict[int, list[int]] = {}
        for position, read in enumerate(reads):
            by_lag.setdefault(read.lag_blocks, []).append(position)
        answers: list[Answer] = [b""] * len(reads)
        size = self.size("aggregate3", BATCH_READS)

        async def serve(positions: list[int], lag: int) -> None:
            requested = [reads[p] for p in positions]
            try:
                found = await self._parts(requested, _at(block, lag), size if not lag else Size(size.now), lag)
            except (NodeRefused, HttpRefused) as refusal:
                if not lag or (isinstance(refusal, HttpRefused) and refusal.status not in OF_THE_REQUEST):
                    raise
                gone = ReadReverted(f"{self.host} does not tell the state of {lag} blocks before: {refusal}")
                found = [b"" if read.optional else gone for read in requested]
            for position, answer in zip(positions, found, strict=True):
                answers[position] = answer

        width = size.now
        await together(
            [
                partial(serve, positions[start : start + width], lag)
                for lag, positions in by_lag.items()
                for start in range(0, len(positions), width)
            ]
        )
        return answers

    async def _parts(self, reads: Sequence[EthCall], at: Any, size: Size, lag: int) -> list[Answer]:
        """Answers to the reads in order, in aggregates as large as the node takes. A read that is refused by itself is
        lost alone. Raises the refusal (NodeRefused) where so many are, before any is answered, that the node serves
        none; the state of ``lag`` blocks before is none at once."""
        found: list[Answer] = []
        lost, width = 0, len(reads)
        while len(found) < len(reads):
            part = reads[len(found) : len(found) + width]
            try:
                found += await self._aggregate(part, at)
            except NodeRefused as refusal:
                if len(part) > 1:
                    size.refuse(len(part))
                    width = 1 if lag and not found else min(size.now, len(part) // 2)
                    continue
                size.not_for_its_size()
                if lost == len(found) and (lag or lost >= REFUSED_ALONE):
                    raise
                lost += 1
                gone = _Lost(f"{self.host} refuses this read: {refusal}", refusal)
                found.append(b"" if lag and part[0].optional else gone)
            else:
                if size.refused is not None:
                    size.worked(len(part))
            near = 1 if lost == len(found) else 2 * len(part)  # to what is refused: one by one, then more again
            width = min(near, size.now) if lost else size.now
        return found

    async def _aggregate(self, reads: Sequence[EthCall], at: Any) -> list[Answer]:
        data = AGGREGATE3 + aggregate3([(read.to, read.data) for read in reads])
        call = {"to": self.multicall3, "data": "0x" + data.hex()}
        raw = self._bytes(await self.request("eth_call", [call, at]), "eth_call")
        try:
            returned = aggregate3_answers(raw)
        except ValueError:
            raise TransientError(
                f"{self.host}: no Multicall3 at {self.multicall3}, or its answer cannot be read"
            ) from None
        if len(returned) != len(reads):
            raise TransientError(f"{self.host} answered {len(returned)} of {len(reads)} reads")
        return [_answer(read, ok, data) for read, (ok, data) in zip(reads, returned, strict=True)]

    def _quantity(self, value: Any, method: str, most: int = 2**256) -> int:
        try:
            return bounds.within(number(value), most, "a number")
        except (TypeError, ValueError):
            raise TransientError(f"{self.host} answered {method} with something that is no number") from None

    def _bytes(self, value: Any, method: str) -> bytes:
        try:
            return bytes.fromhex(value.removeprefix("0x"))
        except (AttributeError, ValueError):
            raise TransientError(f"{self.host} answered {method} with something that is no hex data") from None


def number(value: Any) -> int:
    """A quantity of JSON-RPC, 256 bits at most. Raises TypeError or ValueError for what is none."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > LONGEST_QUANTITY:
        raise ValueError("something that is no quantity")
    return int(value, 16)


def _hash_of(value: Any) -> str:
    """A block's hash. Raises ValueError for what is none."""
    if not isinstance(value, str) or len(value) != 66 or not value.startswith("0x"):
        raise ValueError("something that is no hash")
    int(value, 16)
    return value


def _at(block: BlockRef, lag: int = 0) -> Any:
    """The block parameter: by hash (EIP-1898), or by height for an earlier one."""
    return hex(max(0, block.height - lag)) if lag else {"blockHash": block.hash, "requireCanonical": True}


def _answer(read: EthCall, ok: bool, data: bytes) -> Answer:
    if ok and data:
        return data
    if read.optional:
        return b""
    what = f"{read.to} {read.data[:4].hex()}"
    return ReadReverted(f"{what} reverted" if not ok else f"{what} gave nothing: no contract there?", data)
