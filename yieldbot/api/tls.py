"""TLS handshakes: each is counted like a connection and has little time. asyncio itself would wait a minute for each of
any number, with a quarter of a megabyte of buffers each."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

HANDSHAKE_SECONDS = 5.0
"""How long a handshake may take."""
MOST_HANDSHAKES = 200
"""Most handshakes at the same time; one more ends the oldest, since those of real callers take milliseconds."""


class Handshake(asyncio.Protocol):
    """A connection until its handshake is complete; then the HTTP protocol replaces it."""

    def __init__(self, entrance: Entrance, http: Any) -> None:
        """http: the protocol that gets the decrypted connection."""
        self._entrance, self._http = entrance, http
        self._early = list[bytes | None]()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """See ``asyncio.Protocol``."""
        transport.pause_reading()  # until the TLS layer reads
        self._entrance.begin(transport)
        self._task = asyncio.get_running_loop().create_task(self._secured(transport))

    def data_received(self, data: bytes) -> None:
        """Keeps what arrives between the end of the handshake and the HTTP protocol's beginning."""
        self._early.append(data)

    def eof_received(self) -> bool:
        """As ``data_received``, for the end of what the caller sends."""
        self._early.append(None)
        return False

    async def _secured(self, transport: Any) -> None:
        secured: Any = None
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, self._entrance.context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError):  # no TLS, a caller that went away, or too slow
            transport.abort()
        finally:
            self._entrance.waiting.pop(transport, None)
        if secured is None or secured.is_closing():
            return
        secured.set_protocol(self._http)
        self._http.connection_made(secured)
        for data in self._early:
            if data is not None:
                self._http.data_received(data)
            else:
                self._http.eof_received()


class Entrance:
    """Makes a protocol for each connection to a server with TLS."""

    def __init__(self, context: ssl.SSLContext, http: Callable[..., Any], most: int) -> None:
        """context: the server's; http: makes uvicorn's protocol; most: connections at the same time; so many
        handshakes beside them, at most MOST_HANDSHAKES."""
        self.context, self._http, self._most = context, http, most
        self.waiting = dict[Any, None]()
        """Transports whose handshake is not complete, the oldest first."""

    def __call__(self, **given: Any) -> asyncio.Protocol:
        return Handshake(self, self._http(**given))

    def begin(self, transport: Any) -> None:
        """A handshake begins."""
        if len(self.waiting) >= min(MOST_HANDSHAKES, self._most):
            oldest = next(iter(self.waiting))
            del self.waiting[oldest]
            oldest.abort()
        self.waiting[transport] = None

    def close(self) -> None:
        """End all handshakes."""
        for transport in tuple(self.waiting):
            transport.abort()


def behind_tls(config: uvicorn.Config, most: int) -> Entrance | None:
    """Let a loaded configuration's TLS begin with ``Handshake`` in place of asyncio's own; None: it has no TLS."""
    if config.ssl is None:
        return None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    made = Entrance(config.ssl, config.http_protocol_class, most)
    config.ssl, config.http_protocol_class = None, made  # type: ignore[assignment]
    return made
