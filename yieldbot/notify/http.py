"""Posts one message over HTTPS to the host of the URL and no other, in bounded time and memory."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from yieldbot.app.notify import NotSent
from yieldbot.errors import transport_words
from yieldbot.model.json_text import loads
from yieldbot.model.text import one_line

MOST_BYTES = 64 * 1024
"""Most bytes of an answer that are read."""
SHOWN = 160
"""Most characters of a refusal that are shown."""
OWN_HOSTS = ("127.0.0.1", "::1", "localhost")


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float, most: int = MOST_BYTES) -> bytes:
    """POST a body; a 2xx is success. Returns the first ``most`` bytes of the answer. Redirections are not followed.

    Raises NotSent, whose message names the host alone, where the service cannot be reached, refuses, or has not
    answered within ``seconds``.
    """
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *request: Any) -> None:
            return None  # urllib then raises HTTPError

    host, until = _host_of(url), time.monotonic() + seconds
    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        request = urllib.request.Request(url, body, {"User-Agent": "yieldbot", **headers}, method="POST")
        with opener.open(request, timeout=max(0.1, seconds)) as answer:
            return _read(answer, until, most)
    except urllib.error.HTTPError as refused:
        with refused:
            said = b""
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                said = _read(refused, until)
        raise _refusal(host, refused.code, refused.headers, said) from None
    except (OSError, http.client.HTTPException, ValueError) as failure:
        words = transport_words(failure) if isinstance(failure, OSError) else type(failure).__name__
        raise NotSent(f"{host} cannot be reached ({one_line(words, SHOWN)})") from None


def _host_of(url: str) -> str:
    """The URL's host. Raises NotSent for a malformed URL, and for plain HTTP to another machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise NotSent("its address is no URL: correct the secret")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in OWN_HOSTS):
        raise NotSent(f"{one_line(host, 100)}: the address must begin with https://")
    return one_line(host, 100)


def _read(answer: Any, until: float, most: int = MOST_BYTES) -> bytes:
    """The beginning of the answer, as much as arrives in time."""
    found = b""
    while len(found) < most and time.monotonic() < until:
        part = answer.read1(most - len(found)) if hasattr(answer, "read1") else answer.read(most)
        if not part:
            break
        found += part
    return found


def _refusal(host: str, status: int, headers: Any, said: bytes) -> NotSent:
    if 300 <= status < 400:
        return NotSent(f"{host} answers with a redirection (HTTP {status}), which is not followed: correct the address")
    words = one_line(said.decode(errors="replace"), SHOWN)
    message = f"{host} refused it with HTTP {status}{f': {words}' if words else ''}"
    return NotSent(message, _retry_after(headers.get("Retry-After"), said) if status in (429, 503) else None)


def _retry_after(header: str | None, said: bytes) -> float | None:
    """Seconds to wait, from the Retry-After header or from ``retry_after`` in Telegram's answer; None: neither is
    there."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if text:
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        return max(0.0, float(loads(said)["parameters"]["retry_after"]))
    return None
