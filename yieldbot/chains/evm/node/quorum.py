"""Several endpoints of one chain: an answer that matters for a decision counts only if a quorum of them gives it.

The newest block is the highest one that a quorum knows by the same hash, and the latest state is read at it. An
endpoint that is behind, answers differently or not at all is left out and named. Signed transactions go to the private
endpoints if the settings name some, and to the others only if the settings allow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from yieldbot.chains.evm.node.client import OF_THE_REQUEST, Node
from yieldbot.chains.evm.node.submission import SEND, Submission
from yieldbot.errors import ConfigError, HttpRefused, NodeRefused, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, evm_number
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.sizes import Size, size_of
from yieldbot.rpc.votes import BATCH, NO_BLOCK, excerpt, key_of, where_they_differ, whole_batch

GRACE_SECONDS = 0.2
"""How long to wait for the other endpoints once a quorum agrees, so that one that answers differently is named."""
TIP_TRIES, TIP_PAUSE_SECONDS = 3, 0.3
"""Honest endpoints may differ for a moment about the newest block: it is fetched up to TIP_TRIES times, with this
pause, before a difference counts."""

ANY = ("eth_maxPriorityFeePerGas", "eth_feeHistory", "eth_gasPrice", "eth_estimateGas", "net_version", "web3_")
"""Methods that only give suggestions: the first answer is enough, since our own ceilings limit its effect."""
REFUSES = "refuses"
"""Beginning of a vote's key when an endpoint refuses the request itself, and not the call."""

_T = TypeVar("_T")
_Ask = Callable[[Endpoint], Coroutine[Any, Any, Any]]


@dataclass(slots=True)
class _Vote:
    """What one endpoint answered."""

    endpoint: Endpoint
    """Who answered."""
    key: str
    """The answer as a text that is compared (rpc/votes.py)."""
    value: Any
    """The answer itself, or the NodeRefused."""


class Quorum(Node):
    """A group of ``endpoints``, of which ``quorum`` must agree; with one endpoint and a quorum of one it acts as that
    endpoint.

    ``max_behind``: number of blocks that an endpoint may be behind what a quorum has reached.
    """

    def __init__(
        self,
        chain: ChainId,
        endpoints: Sequence[Endpoint],
        *,
        multicall3: Address,
        quorum: int = 1,
        max_behind: int = 5,
        submission: Submission | None = None,
    ) -> None:
        if not 1 <= quorum <= len(endpoints):
            raise ValueError(f"a quorum of {quorum} among {len(endpoints)} endpoints")
        self.chain = chain
        self.multicall3 = multicall3
        self.endpoint = endpoints[0]
        self.endpoints = tuple(endpoints)
        self.quorum = quorum
        self._max_behind = max_behind
        self.submission = submission or Submission()
        self._lied: dict[Endpoint, str] = {}
        self._behind: dict[Endpoint, str] = {}
        self._failed: dict[Endpoint, str] = {}

    @property
    def host(self) -> str:
        """The endpoints' hosts, for messages."""
        return ", ".join(dict.fromkeys(endpoint.host for endpoint in self.endpoints))

    @property
    def urls(self) -> tuple[Any, ...]:
        """See ``Node.urls``; how many must agree belongs to it."""
        return (self.quorum, *(endpoint.url for endpoint in self.endpoints))

    @property
    def round_trips(self) -> int:
        """Requests made so far, of all endpoints."""
        return sum(endpoint.round_trips for endpoint in self.endpoints)

    @property
    def refuses_alone(self) -> bool:
        """See ``Node.refuses_alone``: False if several endpoints must agree on a batch."""
        return len(self.endpoints) == 1

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(host, reason) of each endpoint that was left out since this node was made."""
        named = {**self._failed, **self._behind, **self._lied}
        reasons = [(e.host, named[e].removeprefix(f"{e.host} ")) for e in self.endpoints if e in named]
        return tuple(reasons)

    async def aclose(self) -> None:
        """Close every connection; the node can be used again afterwards."""
        every = (*self.endpoints, *self.submission.private)
        await asyncio.gather(*(endpoint.aclose() for endpoint in every), return_exceptions=True)

    def size(self, what: str, most: int) -> Size:
        """As ``Node.size``, of all endpoints together."""
        return size_of(self.endpoints, what, most)

    async def verify_chain(self) -> None:
        """Raise ConfigError if an endpoint serves another chain, TransientError if fewer than a quorum answer.

        An endpoint that only receives signed transactions may not answer this; after one failure it is not checked
        again.
        """
        private = [e for e in self.submission.private if e not in self._failed]
        answers = [await self._all(some, lambda e: e.request("eth_chainId", [])) for some in (self.endpoints, private)]
        answered = 0
        for endpoint, answer in (*answers[0].items(), *answers[1].items()):
            try:
                number = self._quantity(answer, "eth_chainId")
            except TransientError as nonsense:
                self._failed[endpoint] = str(nonsense)
                continue
            answered += endpoint in self.endpoints
            if number != evm_number(self.chain):
                raise ConfigError(
                    f"{endpoint.setting}: the node at {endpoint.host} serves chain {number}, not "
                    f"{evm_number(self.chain)}: put the right chain's URL there"
                )
        self._enough(answered)

    async def request(self, method: str, params: list[Any]) -> Any:
        """The result of one JSON-RPC request, from a quorum or a single endpoint, depending on the method.

        Raises TransientError if fewer than a quorum can be used or agree, NodeRefused if a quorum refuses.
        """
        if method == SEND:
            return await self.submission.send(params, self._usable(), self._first)
        if len(self.endpoints) == 1:
            return await self.endpoint.request(method, params)
        if method == "eth_getBlockByNumber":
            return await self._block(str(params[0]), params[1:])
        if method == "eth_getTransactionCount" and params[1:] == ["pending"]:
            return await self._pending(params)
        if method == "eth_getTransactionByHash":
            return await self._first(self._usable(), method, params, found=lambda answer: answer is not None)
        if method.startswith(ANY):
            return await self._first(self._usable(), method, params)
        if method == "eth_getTransactionReceipt":
            return await self._agreed(method, params, or_none=True)
        if params and params[-1] == "latest":  # each endpoint has a latest block of its own
            head = await self._block("latest", [False])
            params = [*params[:-1], {"blockHash": head["hash"], "requireCanonical": True}]
        return await self._agreed(method, params)

    async def batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """As ``Node.batch``, from a quorum that agrees on every answer; one refused read refuses the whole batch."""
        if len(self.endpoints) == 1:
            return await self.endpoint.batch(requests)
        return [answer for _, answer in await self._agreed(BATCH, list(requests))]

    async def _pending(self, params: list[Any]) -> Any:
        """An account's nonce including the pool's transactions, from a quorum, so that a single endpoint that inflates
        it blocks nothing. Pools differ for a moment, so it is fetched up to TIP_TRIES times before a difference is an
        error."""
        for _ in range(TIP_TRIES - 1):
            with suppress(TransientError):
                return await self._agreed("eth_getTransactionCount", params, at_tip=True)
            await asyncio.sleep(TIP_PAUSE_SECONDS)
        return await self._agreed("eth_getTransactionCount", params, at_tip=True)

    async def _block(self, tag: str, rest: list[Any]) -> Any:
        """A block that a quorum knows by the same hash; None if a quorum knows none at that height. ``rest``: the
        request's further parameters."""
        if tag == "pending":
            return await self._first(self._usable(), "eth_getBlockByNumber", [tag, *rest])
        if tag.startswith("0x"):
            return await self._agreed("eth_getBlockByNumber", [tag, *rest])
        for trial in range(TIP_TRIES):
            # One that was behind may have caught up.
            honest = [e for e in self.endpoints if e not in self._lied]
            heads = await self._all(honest, lambda e: e.request("eth_getBlockByNumber", [tag, *rest]))
            heights = _heights_of(heads)
            self._enough(len(heights))
            reached = sorted(heights.values(), reverse=True)[self.quorum - 1]
            self._judge_heights(heights, reached)
            try:
                return await self._agreed("eth_getBlockByNumber", [hex(reached), *rest], at_tip=True)
            except TransientError:
                if trial == TIP_TRIES - 1:
                    raise
                await asyncio.sleep(TIP_PAUSE_SECONDS)
        raise AssertionError("not reached")

    def _judge_heights(self, heights: Mapping[Endpoint, int], reached: int) -> None:
        """Leave out, until heights are fetched again, endpoints that are more than ``max_behind`` blocks behind or
        ahead of the height that a quorum has reached."""
        self._behind = {}
        for endpoint, height in heights.items():
            if height < reached - self._max_behind:
                self._behind[endpoint] = f"is {reached - height} blocks behind"
            elif height > reached + self._max_behind:
                self._behind[endpoint] = f"claims block {height}, the others know {reached}"

    async def _agreed(self, method: str, params: list[Any], at_tip: bool = False, or_none: bool = False) -> Any:
        """The answer that a quorum gives. Endpoints that answer differently are left out for good; with ``at_tip``,
        where honest endpoints can differ for a moment, only until the newest block is fetched again.

        If no quorum agrees, raises TransientError; with ``or_none`` returns None and leaves nobody out.
        """
        votes: list[_Vote] = []
        tally: dict[str, int] = {}
        most = ""

        def count(endpoint: Endpoint, task: asyncio.Task[_Vote | None]) -> None:
            nonlocal most
            if (vote := task.result()) is not None:
                votes.append(vote)
                tally[vote.key] = tally.get(vote.key, 0) + 1
                most = max(tally, key=lambda key: tally[key])

        await self._gather(
            {asyncio.ensure_future(self._vote(e, method, params)): e for e in self._usable()},
            count,
            enough=lambda: tally.get(most, 0) >= self.quorum,
            silent=f"gave no answer to {method} when the others did",
        )
        if tally.get(most, 0) < self.quorum:
            if or_none:
                return None
            refusals = [vote.value for vote in votes if vote.key.startswith(REFUSES)]
            if refusals and len({vote.key for vote in votes if not vote.key.startswith(REFUSES)}) < 2:
                raise refusals[0]  # no two answers differ; others refuse what one of them answers
            self._enough(len(votes))
            start = where_they_differ([vote.key for vote in votes])
            message = ", ".join(f"{vote.endpoint.host} says {excerpt(vote.key, start)}" for vote in votes)
            raise TransientError(f"{self.chain}: the RPC endpoints disagree about {_about(method, params)}: {message}")
        value = next(vote.value for vote in votes if vote.key == most)
        if isinstance(value, NodeRefused):
            raise value
        # An endpoint that refused, or lacks the block, is not left out: it may have a limit, or be behind.
        for vote in votes:
            silent = isinstance(vote.value, NodeRefused) or vote.key == NO_BLOCK
            if vote.key != most and most != NO_BLOCK and not silent and not or_none:
                out = self._behind if at_tip else self._lied
                out[vote.endpoint] = f"says otherwise than {tally[most]} others about {_about(method, params)}"
        return value

    async def _vote(self, endpoint: Endpoint, method: str, params: list[Any]) -> _Vote | None:
        try:
            answer = await (whole_batch(endpoint, params) if method == BATCH else endpoint.request(method, params))
        except NodeRefused as refusal:
            if refusal.data or refusal.code == 3:  # 3: execution reverted (go-ethereum, and nodes like it)
                return _Vote(endpoint, f"reverts 0x{refusal.data.hex()}", refusal)
            self._failed[endpoint] = str(refusal)
            return _Vote(endpoint, f"{REFUSES} ({refusal.code})", refusal)
        except HttpRefused as refused:
            self._failed[endpoint] = str(refused)
            if refused.status not in OF_THE_REQUEST:
                return None
            return _Vote(endpoint, f"{REFUSES} (HTTP {refused.status})", _as_a_node(method, refused))
        except TransientError as failure:
            self._failed[endpoint] = str(failure)
            return None
        self._failed.pop(endpoint, None)
        return _Vote(endpoint, key_of(method, answer), answer)

    async def _all(self, endpoints: Sequence[Endpoint], ask: _Ask) -> dict[Endpoint, Any]:
        """The answers of the endpoints that gave one; for the others the reason is remembered."""
        given: dict[Endpoint, Any] = {}

        def take(endpoint: Endpoint, task: asyncio.Task[Any]) -> None:
            try:
                given[endpoint] = task.result()
                self._failed.pop(endpoint, None)
            except TransientError as failure:
                self._failed[endpoint] = str(failure)

        await self._gather(
            {asyncio.ensure_future(ask(endpoint)): endpoint for endpoint in endpoints},
            take,
            enough=lambda: len(given) >= self.quorum,
            silent="gave no answer when the others did",
        )
        return given

    async def _gather(
        self,
        requests: Mapping[asyncio.Task[_T], Endpoint],
        take: Callable[[Endpoint, asyncio.Task[_T]], None],
        *,
        enough: Callable[[], bool],
        silent: str,
    ) -> None:
        """Hand each task to ``take`` as it ends. Once ``enough`` is true, the rest get GRACE_SECONDS, or no time if all
        of them have failed before; endpoints that have not answered by then are remembered with the reason
        ``silent``."""
        pending = set(requests)
        try:
            while pending:
                reached = enough()
                if reached and all(requests[task] in self._failed for task in pending):
                    break
                done, pending = await asyncio.wait(
                    pending, timeout=GRACE_SECONDS if reached else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                for task in done:
                    take(requests[task], task)
        finally:
            for task in pending:
                task.cancel()
        for task in pending:
            self._failed.setdefault(requests[task], silent)

    async def _first(
        self,
        endpoints: Sequence[Endpoint],
        method: str,
        params: list[Any],
        found: Callable[[Any], bool] = lambda answer: True,
    ) -> Any:
        """The first answer for which ``found`` is true, asking endpoint by endpoint; None if there were only others.
        Raises the refusal, or else the first failure, if no endpoint answered."""
        refusal: TransientError | None = None
        answered = False
        for endpoint in endpoints:
            try:
                answer = await endpoint.request(method, params)
            except NodeRefused as refused:
                refusal = refused
            except TransientError as failure:
                self._failed[endpoint] = str(failure)
                refusal = refusal or failure
            else:
                answered = True
                if found(answer):
                    return answer
        if answered:
            return None
        raise refusal or TransientError(f"{self.chain}: no RPC endpoint can be used")

    def _usable(self) -> list[Endpoint]:
        return [e for e in self.endpoints if e not in self._lied and e not in self._behind]

    def _enough(self, count: int) -> None:
        """Raise TransientError if ``count``, the number of usable endpoints, is below the quorum."""
        if count >= self.quorum:
            return
        if len(self.endpoints) == 1:
            raise TransientError("; ".join(f"RPC endpoint {host} {why}" for host, why in self.left_out))
        reasons = "; ".join(f"{host}: {why}" for host, why in self.left_out)
        raise TransientError(
            f"{self.chain}: {count} of {len(self.endpoints)} RPC endpoints can be used, {self.quorum} must agree"
            + (f" ({reasons})" if reasons else "")
        )


def _as_a_node(method: str, refused: HttpRefused) -> NodeRefused:
    return NodeRefused(method, 0, refused.what, status=refused.status, remedy=refused.remedy)


def _heights_of(heads: Mapping[Endpoint, Any]) -> dict[Endpoint, int]:
    """The height of each endpoint whose block can be decoded."""
    heights = {}
    for endpoint, found in heads.items():
        with suppress(KeyError, TypeError, ValueError):
            heights[endpoint] = int(found["number"], 16)
    return heights


def _about(method: str, params: list[Any]) -> str:
    return f"block {int(params[0], 16)}" if method == "eth_getBlockByNumber" else method
