"""solana-py's client as the transport to a Solana node, with bounded answers that bear their request's id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from yieldbot.model.json_text import loads
from yieldbot.rpc.provider import MAX_ANSWER_BYTES, HttpStatus, TooLong, Unusable, host_of

if TYPE_CHECKING:
    import httpx2


class Provider:
    """Sends JSON-RPC requests by an ``AsyncClient`` of solana-py, for ``Endpoint``.

    The client's own retries are off: ``Endpoint`` knows which requests may be repeated, and when.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        from solana.rpc.async_api import AsyncClient

        self._host = host_of(url)
        plain = {
            "Accept-Encoding": "identity"
        }  # so that the limit bounds the bytes read, and not their compressed size
        self._client = AsyncClient(
            url, timeout=timeout_seconds, extra_headers=plain, max_transport_retries=0, http2=False
        )
        self._client._provider.session.event_hooks = {"response": [self._checked]}
        self._ids = count(1)

    async def make_request(self, method: str, params: Any) -> Mapping[str, Any]:
        """The JSON-RPC answer: an object with ``result``, or with ``error`` (code, message, data)."""
        from solana.exceptions import SolanaRpcException
        from solana.rpc.jsonrpc import JsonRpcRequest, SolanaJsonRpcError

        request = JsonRpcRequest(id=next(self._ids), method=method, params=params)
        try:
            return {"result": await self._client.send_rpc_request(request, Any)}
        except SolanaJsonRpcError as error:
            return {"error": {"code": error.code, "message": error.message, "data": error.data}}
        except SolanaRpcException as failure:
            raise failure.__cause__ or failure from None

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _checked(self, response: httpx2.Response) -> None:
        """Check an answer before it is decoded: not too long, no HTTP error, and with the id of its request. Raises
        TooLong, HttpStatus, Unusable."""
        stream = response.stream
        response.stream = _bounded(stream)
        body = await response.aread()
        if response.status_code >= 300:  # redirections are not followed
            raise HttpStatus(response.status_code, {"Retry-After": response.headers.get("Retry-After", "")}, body)
        try:
            answered = loads(body)
        except ValueError:
            raise Unusable(f"{self._host} answered with something that is no JSON") from None
        if not isinstance(answered, Mapping):
            raise Unusable(f"{self._host} answered with something that is no JSON-RPC object")
        if "error" not in answered and answered.get("id") != loads(response.request.content)["id"]:
            raise Unusable(f"{self._host} answered with another question's answer")


def _bounded(stream: Any) -> Any:
    return _bounded_class()(stream)


@cache
def _bounded_class() -> Any:
    """It is made once, and not for each answer: a class is only freed by the garbage collector."""
    from httpx2 import AsyncByteStream

    class Bounded(AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for part in self._stream:
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise TooLong
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Bounded
