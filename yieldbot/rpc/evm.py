"""An EVM node over JSON-RPC, and the driver that runs adapters' flows against it.

All flows advance in lockstep: the reads of one round, of every adapter, become one Multicall3 ``aggregate3`` pinned to
one block by its hash (EIP-1898), so that no read of a snapshot can see another block, not even across a reorg.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from yieldbot.errors import ConfigError, HttpRefused, MarketError, NodeRefused, ReadReverted, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, evm_number
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.words import aggregate3, aggregate3_answers

T = TypeVar("T")

AGGREGATE3 = bytes.fromhex("82ad56cb")  # aggregate3((address,bool,bytes)[])
BATCH_READS = 3000
"""Reads put into one aggregate3 before it is split; a node that refuses one (gas or size limit) gets halves."""

READS = ("eth_get", "eth_call", "eth_chainId", "eth_blockNumber", "eth_maxPriorityFeePerGas", "eth_feeHistory")
"""Methods that change nothing, by how their names begin."""
ATTEMPTS = 3
PAUSE_SECONDS = 0.15
READ_TIMEOUTS = 2
"""A read with all its tries and pauses takes at most this many times the node's timeout."""
MAX_ANSWER_BYTES = 32 * 2**20
"""An answer longer than this is not read to its end. The longest honest one, BATCH_READS reads of a few hundred bytes
each as hex digits, stays below a tenth of it; without a limit one answer can fill the memory."""

_Answer = bytes | ReadReverted


class _Unusable(Exception):
    """One try without a usable answer. ``again``: another may help; status and remedy: of an HTTP error."""

    def __init__(self, what: str, *, again: bool = True, status: int = 0, remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.again, self.status, self.remedy = what, again, status, remedy

    def error(self, spent: str = "") -> TransientError:
        """The error that callers know; ``spent``: what was tried, in words."""
        what = self.what + spent
        return HttpRefused(self.status, what, self.remedy) if self.status else TransientError(what)


class _TooLong(Exception):
    """An answer of more than MAX_ANSWER_BYTES."""


class EvmNode:
    """One JSON-RPC endpoint of one chain. ``round_trips`` counts requests, for benchmarks and reports.

    The URL may hold a provider's key: messages name its host, and ``setting`` (where the URL comes from), alone.
    """

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
        self.url = url
        self.multicall3 = multicall3
        self.host = urlsplit(url).hostname or "node"
        self.setting = setting
        self.round_trips = 0
        self._timeout_seconds = timeout_seconds
        self._provider: Any = None

    def __repr__(self) -> str:
        return f"EvmNode({self.chain}, {self.host})"

    async def __aenter__(self) -> EvmNode:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the node can be used again afterwards."""
        if self._provider is not None:
            await self._provider.disconnect()
            self._provider = None

    async def request(self, method: str, params: list[Any]) -> Any:
        """One JSON-RPC request. Raises TransientError (no usable answer) or NodeRefused (an error answer).

        A read without a usable answer is asked again (``ATTEMPTS`` in all, with growing pauses, within
        ``READ_TIMEOUTS`` times the timeout); whatever changes something is sent once, for its answer may be lost and
        not the thing itself.
        """
        if not method.startswith(READS):
            try:
                return await self._ask(method, params)
            except _Unusable as unusable:
                raise unusable.error() from None
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        began, tries = time.monotonic(), 0
        last: _Unusable | None = None

        async def one() -> Any:
            nonlocal tries, last
            tries += 1
            try:
                return await self._ask(method, params)
            except _Unusable as unusable:
                last = unusable
                raise

        again = retry_if_exception(lambda e: isinstance(e, _Unusable) and e.again)
        pause = wait_random_exponential(multiplier=PAUSE_SECONDS, max=8 * PAUSE_SECONDS)
        retrying = AsyncRetrying(stop=stop_after_attempt(ATTEMPTS), wait=pause, retry=again, reraise=True)
        try:
            return await asyncio.wait_for(retrying(one), timeout=READ_TIMEOUTS * self._timeout_seconds)
        except (_Unusable, TimeoutError) as failure:
            why = failure if isinstance(failure, _Unusable) else last or self._silent(method)
            spent = f" ({tries} tries in {time.monotonic() - began:.3g} s)" if tries > 1 else ""
            raise why.error(spent) from None

    async def _ask(self, method: str, params: list[Any]) -> Any:
        """One try. Raises _Unusable or NodeRefused."""
        if self._provider is None:
            provider = await self._connected()
            if self._provider is None:
                self._provider = provider
            else:  # a request beside this one was faster
                await provider.disconnect()
        self.round_trips += 1
        try:
            answer = await asyncio.wait_for(self._provider.make_request(method, params), timeout=self._timeout_seconds)
        except TimeoutError:
            raise self._silent(method) from None
        except _TooLong:
            said = f"{self.host} answers {method} with more than {MAX_ANSWER_BYTES // 2**20} MiB"
            raise _Unusable(f"{said}: correct {self.setting}, or use another provider", again=False) from None
        except Exception as failure:  # aiohttp, ssl, json: a dozen unrelated roots, all meaning "no usable answer"
            # `from None`: the transport's own message can hold the URL, and the URL can hold a key.
            status = getattr(failure, "status", None)
            if isinstance(status, int) and status >= 400:
                raise self._http(method, status) from None
            raise _Unusable(f"{self.host} cannot be used for {method}: {type(failure).__name__}") from None
        return self._result(method, answer)

    async def _connected(self) -> Any:
        from web3 import AsyncHTTPProvider

        options = {"timeout": self._timeout()}
        provider = AsyncHTTPProvider(self.url, request_kwargs=options, exception_retry_configuration=None)
        await provider.cache_async_session(_bounded_session())
        return provider

    def _silent(self, method: str) -> _Unusable:
        return _Unusable(f"{self.host} gave no whole answer to {method} in {self._timeout_seconds:g} s")

    def _http(self, method: str, status: int) -> _Unusable:
        """An HTTP error with what to do about it; asked again only where that may help."""
        again = status == 429 or status >= 500
        if status in (401, 403):
            remedy = f"correct the key in {self.setting}"
        elif status == 429:
            remedy = f"the limit of the provider in {self.setting} is reached: wait, or use another"
        elif status >= 500:
            remedy = f"the provider in {self.setting} has a fault: try later, or use another"
        else:
            remedy = f"correct {self.setting}"
        return _Unusable(f"{self.host} answered {method} with HTTP {status}", again=again, status=status, remedy=remedy)

    def _timeout(self) -> Any:
        from aiohttp import ClientTimeout

        return ClientTimeout(total=self._timeout_seconds)

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, Mapping):
            raise _Unusable(f"{self.host} answered {method} with something that is no JSON-RPC object")
        error = answer.get("error")
        if error is not None:
            if not isinstance(error, Mapping):
                raise NodeRefused(method, 0, str(error)[:200])
            code = error.get("code")
            raise NodeRefused(
                method,
                code if isinstance(code, int) else 0,
                str(error.get("message", "no message"))[:300],
                _revert_data(error.get("data")),
            )
        if "result" not in answer:
            raise _Unusable(f"{self.host} answered {method} without a result")
        return answer["result"]

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
            ref = BlockRef(self.chain, int(found["number"], 16), str(found["hash"]), int(found["timestamp"], 16))
            return ref, int(found.get("baseFeePerGas") or "0x0", 16)
        except (KeyError, TypeError, ValueError):
            raise TransientError(f"{self.host} described block {tag} in a way that cannot be read") from None

    async def nonce(self, owner: Address, tag: str = "latest") -> int:
        """Transactions sent by ``owner`` as of ``tag``."""
        return self._quantity(await self.request("eth_getTransactionCount", [owner, tag]), "eth_getTransactionCount")

    async def balance_wei(self, owner: Address, block: BlockRef | None = None) -> int:
        """Native balance in wei."""
        tag: Any = _at(block) if block else "latest"
        return self._quantity(await self.request("eth_getBalance", [owner, tag]), "eth_getBalance")

    async def priority_fee_wei(self) -> int:
        """The node's suggestion for the priority fee; 0 where the node has none."""
        try:
            return self._quantity(await self.request("eth_maxPriorityFeePerGas", []), "eth_maxPriorityFeePerGas")
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
        results: list[T | MarketError | None] = [None] * len(flows)
        waiting: dict[int, Sequence[EthCall]] = {}
        for index, flow in enumerate(flows):
            _advance(flow, index, None, results, waiting)
        while waiting:
            asked, waiting = waiting, {}
            answers = await self._round([read for reads in asked.values() for read in reads], block)
            position = 0
            for index, reads in asked.items():
                mine = answers[position : position + len(reads)]
                position += len(reads)
                _advance(flows[index], index, mine, results, waiting)
        return cast("list[T | MarketError]", results)

    async def _round(self, reads: Sequence[EthCall], block: BlockRef) -> list[_Answer]:
        """Answers of one round in order; reads of equal lag share one aggregate3, all sent at once."""
        by_lag: dict[int, list[int]] = {}
        for position, read in enumerate(reads):
            by_lag.setdefault(read.lag_blocks, []).append(position)
        answers: list[_Answer] = [b""] * len(reads)

        async def serve(positions: list[int], at: Any) -> None:
            for position, answer in zip(
                positions, await self._aggregate([reads[p] for p in positions], at), strict=True
            ):
                answers[position] = answer

        await asyncio.gather(
            *(
                serve(positions[start : start + BATCH_READS], _at(block, lag))
                for lag, positions in by_lag.items()
                for start in range(0, len(positions), BATCH_READS)
            )
        )
        return answers

    async def _aggregate(self, reads: Sequence[EthCall], at: Any) -> list[_Answer]:
        data = AGGREGATE3 + aggregate3([(read.to, read.data) for read in reads])
        call = {"to": self.multicall3, "data": "0x" + data.hex()}
        try:
            raw = self._bytes(await self.request("eth_call", [call, at]), "eth_call")
        except NodeRefused:
            if len(reads) == 1:
                raise
            middle = len(reads) // 2  # over the node's gas or size limit: halves
            first, second = await asyncio.gather(
                self._aggregate(reads[:middle], at), self._aggregate(reads[middle:], at)
            )
            return first + second
        try:
            returned = aggregate3_answers(raw)
        except ValueError:
            raise TransientError(
                f"{self.host}: no Multicall3 at {self.multicall3}, or its answer cannot be read"
            ) from None
        if len(returned) != len(reads):
            raise TransientError(f"{self.host} answered {len(returned)} of {len(reads)} reads")
        return [_answer(read, ok, data) for read, (ok, data) in zip(reads, returned, strict=True)]

    def _quantity(self, value: Any, method: str) -> int:
        try:
            return int(value, 16)
        except (TypeError, ValueError):
            raise TransientError(f"{self.host} answered {method} with something that is no number") from None

    def _bytes(self, value: Any, method: str) -> bytes:
        try:
            return bytes.fromhex(value.removeprefix("0x"))
        except (AttributeError, ValueError):
            raise TransientError(f"{self.host} answered {method} with something that is no hex data") from None


def _bounded_session() -> Any:
    """web3's own kind of session, whose answers end at MAX_ANSWER_BYTES (after decompression)."""
    from aiohttp import ClientResponse, ClientSession, TCPConnector

    class Bounded(ClientResponse):
        async def read(self) -> bytes:
            parts, size = [], 0
            async for part in self.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    self.close()
                    raise _TooLong
                await asyncio.sleep(0)  # a body that comes faster than it is read must not keep the timeout waiting
            return b"".join(parts)

    connector = TCPConnector(force_close=True, enable_cleanup_closed=True)
    return ClientSession(raise_for_status=True, connector=connector, response_class=Bounded)


def _at(block: BlockRef, lag: int = 0) -> Any:
    """The block parameter: by hash (EIP-1898), or by height for an earlier one."""
    return hex(max(0, block.height - lag)) if lag else {"blockHash": block.hash, "requireCanonical": True}


def _revert_data(value: Any) -> bytes:
    if isinstance(value, Mapping):
        value = value.get("data")
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            return b""
    return b""


def _answer(read: EthCall, ok: bool, data: bytes) -> _Answer:
    if ok and data:
        return data
    if read.optional:
        return b""
    what = f"{read.to} {read.data[:4].hex()}"
    return ReadReverted(f"{what} reverted" if not ok else f"{what} gave nothing: no contract there?", data)


def _advance(
    flow: Flow[T],
    index: int,
    answers: Sequence[_Answer] | None,
    results: list[T | MarketError | None],
    waiting: dict[int, Sequence[EthCall]],
) -> None:
    """Send a flow its answers (or throw the first revert into it); store what it asks for next, or how it ended."""
    try:
        failed = next((a for a in answers or () if isinstance(a, ReadReverted)), None)
        if answers is None:
            waiting[index] = next(flow)
        elif failed is not None:
            waiting[index] = flow.throw(failed)
        else:
            waiting[index] = flow.send([a for a in answers if isinstance(a, bytes)])
    except StopIteration as done:
        results[index] = done.value
    except MarketError as failure:
        results[index] = failure
    except Exception as failure:  # an answer of the wrong shape: this market's fault, never the whole chain's
        results[index] = MarketError(f"answer cannot be read: {type(failure).__name__}: {failure}"[:300])
