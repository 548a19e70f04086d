"""Sends one JSON document to a web service, or fetches one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yieldbot.errors import TransientError, transport_words
from yieldbot.model.json_text import loads
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

SECONDS = 20.0
"""Timeout of one request, in seconds."""
MOST_BYTES = 2**20
"""Longest answer that is read, in bytes; real quotes are far shorter."""
DEEPEST = 100
"""Levels that the JSON of an answer may nest."""


def _staying() -> OpenerDirector:
    """An opener that follows no redirection: it connects to the host in the URL and no other."""
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *request: Any) -> None:
            return None  # urllib then raises HTTPError

    return urllib.request.build_opener(Stay)


def post(url: str, document: Mapping[str, Any]) -> None:
    """POST a document as JSON. Redirections are not followed.

    Raises TransientError, whose message names the host alone, when the service cannot be reached or refuses it.
    """
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
    """GET the JSON document at a URL. Redirections are not followed. ``seconds``: timeout.

    Raises TransientError, whose message names the host alone, when there is no answer, an HTTP error, a redirection, or
    an answer that is too long, nested too deep or no JSON.
    """
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
            raise TransientError(f"{host} answers HTTP 429: too many requests, try again later") from None
        message = "".join(sign for sign in refused.read(300).decode(errors="replace") if " " <= sign <= "~")
        raise TransientError(f"{host} answers HTTP {refused.code} {message}".rstrip()) from None
    except (OSError, http.client.HTTPException, ValueError) as failure:
        raise TransientError(f"{host} cannot be reached ({transport_words(failure)})") from None
    if len(body) > MOST_BYTES:
        raise TransientError(f"{host} answers more than {MOST_BYTES // 2**20} MiB")
    if max(body.count(b"["), body.count(b"{")) > DEEPEST and _depth(body) > DEEPEST:
        raise TransientError(f"{host} answers JSON that is nested too deeply")
    try:
        return loads(body)
    except (ValueError, RecursionError):
        raise TransientError(f"{host} answers something that is not a JSON document") from None


def _depth(body: bytes) -> int:
    """An upper bound of how deeply a JSON text nests: brackets within strings are counted too."""
    deepest = depth = 0
    for sign in body:
        depth += (sign in b"[{") - (sign in b"]}")
        deepest = max(deepest, depth)
    return deepest
