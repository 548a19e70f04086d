"""One JSON document to a web service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from yieldbot.errors import TransientError

SECONDS = 20.0


def post(url: str, document: Mapping[str, Any]) -> None:
    """POST a document. Raises TransientError, naming the host alone, when the service does not take it."""
    import urllib.error
    import urllib.request

    host = urlsplit(url).hostname or "the service"
    headers = {"Content-Type": "application/json", "User-Agent": "yieldbot"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return
    except urllib.error.HTTPError as refused:
        said = "".join(sign for sign in refused.read(300).decode(errors="replace") if sign.isprintable())
        raise TransientError(f"{host} refused it with HTTP {refused.code} {said}".rstrip()) from None
    except OSError as failure:
        raise TransientError(f"{host} cannot be reached ({type(failure).__name__})") from None
