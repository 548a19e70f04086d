"""One JSON document to a web service, or from one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yieldbot.errors import TransientError, transport_words
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

SECONDS = 20.0
MOST_BYTES = 2**20
"""Of an answer; no honest quote comes near it."""
DEEPEST = 100
"""Levels that an answer may nest."""


def _staying() -> OpenerDirector:
    """What asks the host that is named and no other."""
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *request: Any) -> None:
            return None  # then it is an HTTPError

    return urllib.request.build_opener(Stay)


def post(url: str, document: Mapping[str, Any]) -> None:
    """POST a document to this host and no other. Raises TransientError, naming the host alone, when the service does
    not take it, or sends us elsewhere."""
    import urllib.error
    import urllib.request

    host = urlsplit(url).hostname or "the service"
    headers = {"Content-Type": "application/json", "User-Agent": "yieldbot"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    try:
        with _staying().open(request, timeout=SECONDS):
            return
    except urllib.error.HTTPError as refused:
        message = one_line(refused.read(300).decode(errors="replace"))
        raise TransientError(f"{host} refused it with HTTP {refused.code} {message}".rstrip()) from None
    except OSError as failure:
        raise TransientError(f"{host} cannot be reached ({transport_words(failure)})") from None


def get(url: str, seconds: float = SECONDS) -> object:
    """The JSON document at a URL of this host. Raises TransientError, naming the host alone, for every other answer
    (one that sends us elsewhere included) and for none."""
    import http.client
    import urllib.error
    import urllib.request

    host = urlsplit(url).hostname or "the service"
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "yieldbot"})
    try:
        with _staying().open(request, timeout=seconds) as answer:
            body: bytes = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as refused:
        if refused.code == 429:
            raise TransientError(f"{host} answers HTTP 429: it was asked too often, ask again later") from None
        message = "".join(sign for sign in refused.read(300).decode(errors="replace") if " " <= sign <= "~")
        raise TransientError(f"{host} answers HTTP {refused.code} {message}".rstrip()) from None
    except (OSError, http.client.HTTPException, ValueError) as failure:
        raise TransientError(f"{host} cannot be reached ({transport_words(failure)})") from None
    if len(body) > MOST_BYTES:
        raise TransientError(f"{host} answers more than {MOST_BYTES // 2**20} MiB")
    if max(body.count(b"["), body.count(b"{")) > DEEPEST and _depth(body) > DEEPEST:
        raise TransientError(f"{host} answers what is nested without end")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise TransientError(f"{host} answers what is no JSON document") from None


def _depth(body: bytes) -> int:
    """At least how deep a document nests (brackets inside of strings count too)."""
    deepest = depth = 0
    for sign in body:
        depth += (sign in b"[{") - (sign in b"]}")
        deepest = max(deepest, depth)
    return deepest
