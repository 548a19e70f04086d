"""The header Idempotency-Key: requests that may be sent twice but are carried out once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request, Response

from yieldbot.api.problems import Problem
from yieldbot.app.admission import Caller
from yieldbot.app.service import Service
from yieldbot.errors import YieldbotError

_KEY = re.compile(r"^[A-Za-z0-9._:-]{8,128}$")


async def once(request: Request, body: Mapping[str, Any], work: Callable[[], Awaitable[tuple[int, str]]]) -> Response:
    """Do the work, or return the answer that the same request got before. work: returns (status, body).

    Raises Problem: 428 without a key, 400 for a malformed one, 422 if it was used for another request, 409 while that
    one is in progress. An answer that cannot be kept is still given; the same request then gets 409 for a day.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        raise Problem(
            428, "NO_IDEMPOTENCY_KEY", "send a header `Idempotency-Key`, a new random one for each new request"
        )
    if _KEY.fullmatch(key) is None:
        raise Problem(400, "BAD_IDEMPOTENCY_KEY", "Idempotency-Key: 8 to 128 letters, digits, dots, dashes or colons")
    service: Service = request.app.state.service
    caller: Caller = request.state.caller
    asked = f"{request.method} {request.url.path} {json.dumps(body, sort_keys=True)}".encode()
    before = service.answers.claim(caller.name, key, asked, int(time.time()))
    if before is not None:
        return _again(before.same, before.status, before.body)
    try:
        status, text = await work()
    except BaseException:  # a bug too: it may be tried again
        service.answers.drop(caller.name, key)
        raise
    try:
        service.answers.keep(caller.name, key, status, text)
    except YieldbotError as failure:  # the work is done: an error would say that it is not
        service.context.complain(f"the answer to a request with an Idempotency-Key cannot be kept: {failure}")
    return Response(text, status, {"Cache-Control": "no-store"}, "application/json")


def _again(same: bool, status: int | None, body: str) -> Response:
    if not same:
        raise Problem(422, "KEY_OF_ANOTHER", "this Idempotency-Key was used for another request: take a new one")
    if status is None:
        raise Problem(409, "IN_PROGRESS", "the same request is in progress: wait for it", {"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "Idempotency-Replayed": "true"}
    return Response(body, status, headers, "application/json")
