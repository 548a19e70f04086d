"""Sends JSON-RPC requests over HTTP, in a session that bounds the length of answers; and the errors for answers that
cannot be used."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.model.json_text import loads

KEEP_ALIVE_SECONDS = 4.0
"""How long an idle connection is kept open: long enough for a fork's many small reads, shorter than servers keep
theirs."""
MOST_CONNECTIONS = 12
"""Most connections to an endpoint at once; further requests wait. execution/slots.py counts on it."""
MAX_ANSWER_BYTES = 32 * 2**20
"""An answer longer than this (after decompression) is cut off, since one answer could fill the memory. The longest
legitimate answer, thousands of reads of a few hundred bytes in hex, is below a tenth of it."""

HEADERS = {"Content-Type": "application/json", "User-Agent": "yieldbot"}


class Unusable(Exception):
    """One try that brought no usable answer."""

    def __init__(
        self,
        what: str,
        *,
        again: bool = True,
        status: int = 0,
        remedy: str = "",
        rest_seconds: float = 0.0,
        refusal: NodeRefused | None = None,
    ) -> None:
        """what: what happened, for a person. again: whether another try may help, after ``rest_seconds``.

        status, remedy: of an HTTP error (0: it was none). refusal: the node's own error, raised at the end if no
        further try does better.
        """
        super().__init__(what)
        self.what, self.again, self.status, self.remedy = what, again, status, remedy
        self.rest_seconds, self.refusal = rest_seconds, refusal

    def error(self, spent: str = "") -> TransientError:
        """The error to raise to the caller; ``spent`` is appended: how many tries were made in how long."""
        if self.refusal is not None:
            return self.refusal
        what = self.what + spent
        return HttpRefused(self.status, what, self.remedy) if self.status else TransientError(what)


class TooLong(Exception):
    """An answer of more than MAX_ANSWER_BYTES."""


class HttpStatus(Exception):
    """An answer with an HTTP status of 300 or more. Providers raise it, with the body, for ``Endpoint`` to judge."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        super().__init__(str(status))
        self.status, self.headers, self.body = status, headers, body


def host_of(url: str) -> str:
    """The part of a URL that may be shown: the host, with the port where one is written."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "node"


class Provider:
    """Sends JSON-RPC requests to one URL over a session of its own; it refuses answers that carry another request's id.

    No lock guards the session: a request cancelled at any moment (a timeout, a quorum reached) leaves it usable.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        from aiohttp import ClientTimeout

        self._url = url
        self._session = _bounded_session(ClientTimeout(total=timeout_seconds))
        self._ids = itertools.count()

    async def make_request(self, method: str, params: Any) -> Any:
        request = self._request(method, params)
        answer = loads((await self._post(request)).decode())
        if isinstance(answer, Mapping) and answer.get("id") != request["id"] and "error" not in answer:
            raise Unusable(f"{host_of(self._url)} answered {method} with another question's answer")
        return answer

    async def make_batch(self, calls: Sequence[tuple[str, list[Any]]]) -> Any:
        """The answers to several requests sent as one (JSON-RPC 2.0, 6), in their order; if the server answers with
        one error for all, that document."""
        requests = [self._request(method, params) for method, params in calls]
        document = loads(await self._post(requests))
        if not isinstance(document, list):
            return document
        by_id = {one.get("id"): one for one in document if isinstance(one, Mapping)}
        if missing := sum(request["id"] not in by_id for request in requests):
            raise Unusable(f"{host_of(self._url)} left out {missing} of {len(requests)} answers of a batch")
        return [by_id[request["id"]] for request in requests]

    async def disconnect(self) -> None:
        await self._session.close()

    def _request(self, method: str, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": [] if params is None else params}

    async def _post(self, document: Any) -> bytes:
        # Signed bytes are sent only to the configured hosts, so redirections are not followed.
        body = json.dumps(document).encode()
        async with self._session.post(self._url, data=body, headers=HEADERS, allow_redirects=False) as answer:
            found: bytes = b"" if 300 <= answer.status < 400 else await answer.read()
            if answer.status >= 300:
                raise HttpStatus(answer.status, answer.headers, found)
            return found


def _bounded_session(timeout: Any) -> Any:
    """A session that reads at most MAX_ANSWER_BYTES of an answer (after decompression)."""
    from aiohttp import ClientSession, TCPConnector

    connector = TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
    return ClientSession(connector=connector, response_class=_bounded(), timeout=timeout)


@cache
def _bounded() -> Any:
    """The class of such a session's answers. It is made once: a process that stays opens sessions all the time, and a
    class is only freed by the garbage collector."""
    from aiohttp import ClientResponse

    class Bounded(ClientResponse):
        async def read(self) -> bytes:
            parts, size = [], 0
            async for part in self.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    self.close()
                    raise TooLong
                await asyncio.sleep(0)  # let the timeout act even if the body arrives faster than it is read
            return b"".join(parts)

    return Bounded
