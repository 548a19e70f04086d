"""An EVM node over JSON-RPC, and running adapters' flows against it.

All flows run in lockstep: one round's reads, of every adapter, become one Multicall3 ``aggregate3`` at one block, named
by its hash (EIP-1898). So no read of a snapshot sees another block, not even across a reorg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from yieldbot.chains.evm.node.beside import answers_beside
from yieldbot.errors import ConfigError, HttpRefused, MarketError, NodeRefused, ReadReverted, TransientError
from yieldbot.model import bounds
from yieldbot.model.abi_words import aggregate3, aggregate3_answers
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, evm_number
from yieldbot.model.reads import EthCall, Flow, Read
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.lockstep import Answer, run
from yieldbot.rpc.sizes import Size, size_of
from yieldbot.rpc.together import both, together

T = TypeVar("T")

AGGREGATE3 = bytes.fromhex("82ad56cb")  # aggregate3((address,bool,bytes)[])
BATCH_READS = 3000
"""Reads of one aggregate3 at first; a node that refuses it (a limit of gas or size) gets smaller ones
(rpc/sizes.py)."""
REFUSED_ALONE = 8
"""Once this many single reads of a round are refused before any is answered, the node is assumed to serve none."""

LONGEST_QUANTITY = 66
"""Characters of the longest quantity: 0x and 256 bits in hex digits."""
OF_THE_REQUEST = (400, 403, 404, 413, 422)
"""HTTP statuses that may concern only the one request (for example archive state that a provider's plan lacks) and not
the client."""


class _Lost(ReadReverted):
    """The answer to a single read that the node refuses, so that only the market that needs it is quarantined."""

    def __init__(self, message: str, refusal: NodeRefused) -> None:
        super().__init__(message)
        self.refusal = refusal


class Node:
    """One JSON-RPC endpoint of one EVM chain."""

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
        """The endpoint's host, for messages."""
        return self.endpoint.host

    @property
    def setting(self) -> str:
        """Where the URL comes from, for messages (".env: RPC_URL")."""
        return self.endpoint.setting

    @property
    def urls(self) -> tuple[Any, ...]:
        """Where its answers come from; nodes for which this is equal are the same chain to us."""
        return (self.endpoint.url,)

    @property
    def round_trips(self) -> int:
        """Requests made so far."""
        return self.endpoint.round_trips

    @property
    def refuses_alone(self) -> bool:
        """Whether one refused read of a batch leaves the batch's others answered."""
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the node can be used again afterwards."""
        await self.endpoint.aclose()

    def size(self, what: str, most: int) -> Size:
        """How many items of the kind ``what`` the endpoint accepts in one request (rpc/sizes.py), ``most`` at first."""
        return size_of((self.endpoint,), what, most)

    async def request(self, method: str, params: list[Any]) -> Any:
        """The result of one JSON-RPC request. Raises as ``Endpoint.request``."""
        return await self.endpoint.request(method, params)

    async def batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of several reads sent as one JSON-RPC batch. Raises as ``Endpoint.batch``."""
        return await self.endpoint.batch(requests)

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
        """How many transactions ``owner`` has sent as of ``tag``: its next nonce."""
        answer = await self.request("eth_getTransactionCount", [owner, tag])
        return self._quantity(answer, "eth_getTransactionCount", bounds.MOST_NONCE)

    async def balance_wei(self, owner: Address, block: BlockRef | None = None) -> int:
        """The balance of the chain's coin, in wei, at ``block`` (None: the newest)."""
        tag: Any = _at(block) if block else "latest"
        return self._quantity(await self.request("eth_getBalance", [owner, tag]), "eth_getBalance")

    async def priority_fee_wei(self) -> int:
        """The node's suggestion for the priority fee, in wei per gas; 0 if it has none."""
        try:
            answer = await self.request("eth_maxPriorityFeePerGas", [])
            return self._quantity(answer, "eth_maxPriorityFeePerGas", bounds.MOST_FEE_WEI)
        except NodeRefused:
            return 0

    async def extra_data(self) -> bytes:
        """The newest block's extra data."""
        found = await self.request("eth_getBlockByNumber", ["latest", False])
        return self._bytes(found.get("extraData") if isinstance(found, Mapping) else None, "eth_getBlockByNumber")

    async def code(self, address: Address, block: BlockRef | None = None) -> bytes:
        """The code of a contract at ``block`` (None: the newest); empty if there is none."""
        return self._bytes(
            await self.request("eth_getCode", [address, _at(block) if block else "latest"]), "eth_getCode"
        )

    async def call(
        self, to: Address, data: bytes, block: BlockRef | None = None, sender: Address | None = None
    ) -> bytes:
        """What a contract returns to ``data`` at ``block`` (None: the newest). Raises NodeRefused, with the revert
        bytes, when it reverts."""
        call = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return self._bytes(await self.request("eth_call", [call, _at(block) if block else "latest"]), "eth_call")

    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        """Run all flows in lockstep at ``block``: one aggregate3 for each round and each ``lag_blocks`` in it, and
        beside it one JSON-RPC batch with the round's reads that are no calls (``node/beside.py``).

        Returns each flow's return value, or the MarketError that ended it, in the flows' order. Raises TransientError
        when the node fails: then no flow has a result.
        """

        served = False

        async def answer(reads: Sequence[Read]) -> Sequence[Answer]:
            nonlocal served
            calls = [read for read in reads if isinstance(read, EthCall)]
            if len(calls) == len(reads):
                answers = await self._round(calls, block)
            else:
                others = [read for read in reads if not isinstance(read, EthCall)]
                answers, beside = await both(self._round(calls, block), answers_beside(self, others, block))
            refused = [one.refusal for one in answers if isinstance(one, _Lost)]
            if refused and not served and len(refused) == len(answers):
                raise refused[0]  # not one call is refused, but all: the node serves none
            if len(calls) != len(reads):
                of_calls, of_others = iter(answers), iter(beside)
                answers = [next(of_calls if isinstance(read, EthCall) else of_others) for read in reads]
            served = True
            return answers

        return await run(flows, answer)

    async def _round(self, reads: Sequence[EthCall], block: BlockRef) -> list[Answer]:
        """The answers to one round's reads, in order. Reads with the same lag share one aggregate3; all are sent at
        once.

        If the node has no state of that long ago, only the reads with that lag fail.
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
        """The answers to reads at one block, in order, in aggregates as large as the node takes.

        A single read that is refused is Lost. Raises NodeRefused when REFUSED_ALONE are refused before any is answered;
        for reads ``lag`` blocks back the first refusal is raised, since the node then lacks that state.
        """
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
            near = 1 if lost == len(found) else 2 * len(part)  # one by one up to the refused read, then more again
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
    """The number of a JSON-RPC quantity, of 256 bits at most. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > LONGEST_QUANTITY:
        raise ValueError("something that is no quantity")
    return int(value, 16)


def _hash_of(value: Any) -> str:
    """``value`` itself if it is a block hash: 0x and 64 hex digits. Raises ValueError for anything else."""
    if not isinstance(value, str) or len(value) != 66 or not value.startswith("0x"):
        raise ValueError("something that is no hash")
    int(value, 16)
    return value


def _at(block: BlockRef, lag: int = 0) -> Any:
    """The block parameter of a request: by hash (EIP-1898), or by height for the state ``lag`` blocks before."""
    return hex(max(0, block.height - lag)) if lag else {"blockHash": block.hash, "requireCanonical": True}


def _answer(read: EthCall, ok: bool, data: bytes) -> Answer:
    if ok and data:
        return data
    if read.optional:
        return b""
    what = f"{read.to} {read.data[:4].hex()}"
    return ReadReverted(f"{what} reverted" if not ok else f"{what} gave nothing: no contract there?", data)
