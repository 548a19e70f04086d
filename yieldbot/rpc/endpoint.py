"""One JSON-RPC endpoint over HTTP: bounded answers, retries with pauses, and error messages that hold no key."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

from yieldbot.errors import NodeRefused, transport_words
from yieldbot.model.json_text import loads
from yieldbot.rpc import counting
from yieldbot.rpc.provider import MAX_ANSWER_BYTES, HttpStatus, Provider, TooLong, Unusable, host_of

READS = (
    *("eth_get", "eth_call", "eth_chainId", "eth_blockNumber", "eth_maxPriorityFeePerGas", "eth_feeHistory"),
    *("eth_estimateGas", "eth_gasPrice", "net_version", "web3_clientVersion"),
    *("get", "isBlockhashValid", "simulateTransaction"),  # Solana's
)
"""Methods that change nothing, by their prefixes; only these are repeated after a failure."""
ATTEMPTS = 3
"""Tries of one read."""
PAUSE_SECONDS = 0.15
"""The first random pause between tries; each further one may be twice as long, up to eight times this."""
LONGEST_REST_SECONDS = 3600.0
"""A server's Retry-After is obeyed up to this pause."""
READ_TIMEOUTS = 2
"""A read with all its tries and pauses takes at most this many times the endpoint's timeout."""
SHORTEST_KEY = 8
"""A part of the URL with at least this many characters may be a key, and is cut out of messages."""
LONGEST_MESSAGE = 200
BUSY_CODES = (-32005, -32007, -32016, -32029, -32090, -32097)
"""JSON-RPC error codes that providers use for limits: of the rate of requests, or of the size of one."""
_BUSY = re.compile(
    r"rate.?limit|too many requests|request limit|per (second|sec|minute|hour|day)|/s(ec)?(ond)?\b|\brps\b"
    r"|requests? rate|throughput|capacity|quota|credits|daily|slow down|back.?off",
    re.IGNORECASE,
)
_OF_THE_REQUEST = re.compile(
    r"range|block|result|response|batch|archive|histor|account|input|param|size|trie|state", re.IGNORECASE
)
DEEPEST_NESTING = 1000
"""Levels that the JSON of an answer may nest; a deeper one raises RecursionError. This is Python's default recursion
limit, set again before each request, because py_ecc (a dependency of eth-account) raises it to 100,000 on import, and
an answer with so many brackets would overflow the C stack and kill the process."""


class Endpoint:
    """One JSON-RPC server.

    The URL may hold a provider's key: messages name ``host`` and ``setting`` alone. ``round_trips`` counts requests.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        setting: str = "the RPC address",
        name: str = counting.OTHER,
        provider: Callable[[str, float], Any] | None = None,
    ) -> None:
        """setting: where the URL comes from, for messages (".env: RPC_URL"); name: the provider's, for metrics.

        provider: makes the object that sends requests, from URL and timeout in seconds; by default ``Provider``.
        """
        self.url = url
        self.host = host_of(url)
        self.setting = setting
        self.name = name
        self.round_trips = 0
        self.rests_until = 0.0
        self._timeout_seconds = timeout_seconds
        self._provider_of = provider
        self._provider: Any = None

    def __repr__(self) -> str:
        return f"Endpoint({self.host})"

    async def aclose(self) -> None:
        """Close the connection; the endpoint can be used again afterwards."""
        if self._provider is not None:
            provider, self._provider = self._provider, None
            await provider.disconnect()

    async def request(self, method: str, params: list[Any]) -> Any:
        """The result of one JSON-RPC request.

        A read without a usable answer is tried up to ATTEMPTS times, with growing pauses, within READ_TIMEOUTS times
        the timeout. A request that may change something is sent only once, since it may have arrived even if its answer
        was lost.

        Raises NodeRefused for a JSON-RPC error, HttpRefused for an HTTP error, TransientError for no usable answer.
        """
        if not method.startswith(READS):
            try:
                return await self._ask(method, params)
            except Unusable as unusable:
                raise unusable.error() from None
        return await self._retried(method, lambda: self._ask(method, params))

    async def batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of several reads that are sent as one JSON-RPC batch, in their order: one round trip. A read that
        the node refuses gives its NodeRefused as the result.

        Raises NodeRefused where the whole batch is refused (a provider's limit of its size), and as ``request`` does.
        """
        if not requests:
            return []
        what = f"a batch of {len(requests)} ({requests[0][0]})"
        return cast("list[Any]", await self._retried(what, lambda: self._ask_all(what, requests)))

    async def _ask_all(self, what: str, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """One try of a batch. Raises Unusable or NodeRefused."""

        async def send(provider: Any) -> Any:
            if hasattr(provider, "make_batch"):
                return await provider.make_batch(requests)
            return await asyncio.gather(*(provider.make_request(method, params) for method, params in requests))

        answers = await self._exchanged(what, send)
        if not isinstance(answers, list):
            return cast("list[Any]", self._result(what, answers))  # an error for all of it
        found: list[Any] = []
        for (method, _), answer in zip(requests, answers, strict=True):
            try:
                found.append(self._result(method, answer))
            except NodeRefused as refusal:
                found.append(refusal)
        return found

    async def _retried(self, method: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What ``ask`` returns, with further tries as long as they may help; see ``request``."""
        began = time.monotonic()
        try:
            return await ask()
        except Unusable as unusable:
            first = unusable
        from tenacity import (
            AsyncRetrying,
            RetryCallState,
            retry_if_exception,
            stop_after_attempt,
            wait_random_exponential,
        )

        tries, last = 0, first

        async def one() -> Any:
            nonlocal tries, last
            tries += 1
            try:
                if tries == 1:  # made above: most reads need no other
                    raise first
                return await ask()
            except Unusable as unusable:
                last = unusable
                raise

        budget = READ_TIMEOUTS * self._timeout_seconds
        growing = wait_random_exponential(multiplier=PAUSE_SECONDS, max=8 * PAUSE_SECONDS)

        def helps(failure: BaseException) -> bool:
            left = budget - (time.monotonic() - began)
            return isinstance(failure, Unusable) and failure.again and failure.rest_seconds < left

        def pause(state: RetryCallState) -> float:
            return max(growing(state), last.rest_seconds)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS), wait=pause, retry=retry_if_exception(helps), reraise=True
        )
        try:
            # not ``wait_for``, which in Python 3.11 loses a Ctrl-C that comes in the same moment as the answer
            async with asyncio.timeout(max(0.0, budget - (time.monotonic() - began))):
                return await retrying(one)
        except (Unusable, TimeoutError) as failure:
            why = failure if isinstance(failure, Unusable) else last
            spent = f" ({tries} tries in {time.monotonic() - began:.3g} s)" if tries > 1 else ""
            raise why.error(spent) from None

    async def _ask(self, method: str, params: list[Any]) -> Any:
        """One try. Raises Unusable or NodeRefused."""
        return self._result(method, await self._exchanged(method, lambda p: p.make_request(method, params)))

    async def _exchanged(self, method: str, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """What ``send`` gets back from the provider. Raises Unusable or NodeRefused."""
        if (rest := self.rests_until - time.monotonic()) > 0:
            message = f"{self.host} asked to be left alone for {rest:.3g} s more"
            raise Unusable(message, status=429, remedy=self._limit_reached(), rest_seconds=rest)
        if self._provider is None:
            self._provider = (self._provider_of or Provider)(self.url, self._timeout_seconds)
        if sys.getrecursionlimit() > DEEPEST_NESTING:
            sys.setrecursionlimit(DEEPEST_NESTING)
        self.round_trips += 1
        began, outcome = time.monotonic(), "cancelled"
        try:
            found = await self._sent(method, send)
            outcome = "refused" if isinstance(found, Mapping) and found.get("error") is not None else "ok"
            return found
        except (Unusable, NodeRefused) as failure:
            outcome = counting.outcome_of(failure)
            raise
        finally:
            counting.note(self.name, outcome, time.monotonic() - began)

    async def _sent(self, method: str, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """As ``_exchanged``, whatever was asked before."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await send(self._provider)
        except TimeoutError:
            raise self._silent(method) from None
        except TooLong:
            message = f"{self.host} answers {method} with more than {MAX_ANSWER_BYTES // 2**20} MiB"
            raise Unusable(f"{message}: correct {self.setting}, or use another provider", again=False) from None
        except Exception as failure:  # aiohttp, ssl, json: a dozen unrelated roots, all meaning "no usable answer"
            # `from None`: the transport's own message can hold the URL, and the URL can hold a key.
            if isinstance(failure, HttpStatus):
                raise self._http(method, failure) from None
            if isinstance(failure, Unusable):
                raise
            raise Unusable(f"{self.host} cannot be used for {method}: {transport_words(failure)}") from None

    def _silent(self, method: str) -> Unusable:
        return Unusable(f"{self.host} gave no whole answer to {method} in {self._timeout_seconds:g} s")

    def _limit_reached(self) -> str:
        return f"the limit of the provider in {self.setting} is reached: wait, or use another"

    def _http(self, method: str, answer: HttpStatus) -> Unusable | NodeRefused:
        """Turns an HTTP error into ours: the node's own JSON-RPC error if the body has one (the body says what is
        refused, the status does not), else the status with the body's message and a remedy.

        Status 429 and those from 500 on may be tried again, after the pause that the server asks for.
        """
        status, document = answer.status, document_of(answer.body)
        error = document.get("error") if isinstance(document, Mapping) else None
        if status >= 400 and status != 401 and isinstance(error, Mapping) and ("code" in error or "message" in error):
            return self._refused(method, error, answer)
        message = self._redacted(message_of(document, answer.body))
        if status == 413:  # of a web server before the node, with no JSON-RPC error: the request is too long
            return NodeRefused(method, 0, message or "too much at once", status=status, remedy=self._remedy(status))
        again = status == 429 or status >= 500
        what = f"{self.host} answered {method} with HTTP {status}" + (f" ({message})" if message else "")
        return self._unusable(what, status, answer.headers if again else None, again=again)

    def _unusable(
        self, what: str, status: int, headers: Any, *, again: bool, refusal: NodeRefused | None = None
    ) -> Unusable:
        rest = _retry_after(headers)
        self.rests_until = max(self.rests_until, time.monotonic() + rest)
        remedy = self._remedy(status)
        return Unusable(what, again=again, status=status, remedy=remedy, rest_seconds=rest, refusal=refusal)

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return f"correct the key in {self.setting}"
        if status == 413:
            return f"the provider in {self.setting} takes less at once: use another"
        if status == 429:
            return self._limit_reached()
        if status >= 500:
            return f"the provider in {self.setting} has a fault: try later, or use another"
        if status < 400:
            return f"it sends us elsewhere, where nothing of ours goes: name the address itself in {self.setting}"
        return f"correct {self.setting}"

    def _refused(self, method: str, error: Any, answer: HttpStatus | None = None) -> Unusable | NodeRefused:
        """Turns a JSON-RPC error into ours. answer: the HTTP error around it; None: the status was 200.

        A rate limit: try again later. A server error (500 and above): try again, then NodeRefused. Any other error (a
        block range, a size, state that the node no longer has) concerns only this request: NodeRefused at once.
        """
        status, headers = (answer.status, answer.headers) if answer is not None else (200, None)
        if not isinstance(error, Mapping):
            error = {"message": error}
        number = error.get("code")
        code = number if isinstance(number, int) else 0
        message = self._redacted(str(error.get("message", "no message"))[:300])
        data = _revert_data(error.get("data"))
        if asks_too_often(status, code, message):
            http = f" with HTTP {status}" if status >= 400 else ""
            return self._unusable(f"{self.host} answered {method}{http} ({message})", 429, headers, again=True)
        remedy = ""
        if status == 403:
            remedy = f"the plan of the provider in {self.setting} lacks it, or its key is wrong: correct it"
        elif status >= 400 and not data and code != 3:  # 3: the contract reverted, which is no fault of the provider
            remedy = f"another provider in {self.setting} may serve it" if status == 400 else self._remedy(status)
        refusal = NodeRefused(method, code, message, data, error.get("data"), status=status, remedy=remedy)
        if status >= 500 and not data and code != 3:
            return self._unusable(str(refusal), status, headers, again=True, refusal=refusal)
        return refusal

    def _redacted(self, message: str) -> str:
        """A node's message without the parts of our URL that may be a key, because nodes quote URLs in errors."""
        parts = urlsplit(self.url)
        held = [*parts.path.split("/"), parts.username or "", parts.password or "", parts.query]
        held += [value for pair in parts.query.split("&") for value in pair.split("=")[1:]]
        for secret in sorted(filter(lambda one: len(one) >= SHORTEST_KEY, held), key=len, reverse=True):
            message = message.replace(secret, "…")
        return message

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, Mapping):
            raise Unusable(f"{self.host} answered {method} with something that is no JSON-RPC object")
        if answer.get("error") is not None:
            raise self._refused(method, answer["error"])
        if "result" not in answer:
            raise Unusable(f"{self.host} answered {method} without a result")
        return answer["result"]


def document_of(body: bytes) -> Any:
    """The JSON in an HTTP body; None where it is no JSON."""
    try:
        return loads(body)
    except (ValueError, RecursionError):
        return None


def message_of(document: Any, body: bytes) -> str:
    """The message in an HTTP error's body: from the usual fields of a JSON document, else a short plain text; empty if
    there is none."""
    if isinstance(document, Mapping):
        found = [document.get(name) for name in ("message", "error", "detail", "error_description")]
        found = [one.get("message") if isinstance(one, Mapping) else one for one in found]
        return next((one[:LONGEST_MESSAGE] for one in found if isinstance(one, str)), "")
    text = body.decode(errors="replace").strip()
    return text if document is None and len(text) <= LONGEST_MESSAGE and not text.startswith("<") else ""


def asks_too_often(status: int, code: int, message: str) -> bool:
    """Whether a JSON-RPC error is a rate limit, and not a limit on the size of one request.

    Providers use the same status and code for both (429, -32005), so the message decides.
    """
    if status == 429 or code == 429:
        return bool(_BUSY.search(message)) or not _OF_THE_REQUEST.search(message)
    return code in BUSY_CODES and bool(_BUSY.search(message))


def _retry_after(headers: Any) -> float:
    """Seconds to wait by a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); 0 if it is missing or
    unreadable, at most LONGEST_REST_SECONDS."""
    header = str(headers.get("Retry-After", "")) if isinstance(headers, Mapping) else ""
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_REST_SECONDS)
    try:
        until = parsedate_to_datetime(header).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(0.0, until), LONGEST_REST_SECONDS)


def _revert_data(value: Any) -> bytes:
    if isinstance(value, Mapping):
        value = value.get("data")
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            return b""
    return b""
