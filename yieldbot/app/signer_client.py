"""Sends requests to the signer's process over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yieldbot.app.signer_requests import CANNOT_NOW, HEAD, MOST_ANSWER, MOST_REQUEST, Malformed, answer_of, framed
from yieldbot.errors import SafetyError, TransientError

SECONDS = 30.0
"""Seconds within which an answer must come."""


class SignerAway(TransientError):
    """The signer cannot be reached, does not answer, or can do nothing now (its disk is full, its journal is held)."""


async def ask(socket: Path, request: Mapping[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """The signer's answer. Raises SignerAway where none comes, SafetyError where it refuses."""
    frame = framed(request)
    if len(frame) > MOST_REQUEST:
        raise SafetyError("TOO_LARGE", f"what the signer is asked has more than {MOST_REQUEST} bytes")
    try:
        async with asyncio.timeout(seconds):
            body = await _asked(socket, frame)
    except TimeoutError:
        raise SignerAway(f"the signer gave no answer within {seconds:g} s") from None
    except (OSError, asyncio.IncompleteReadError) as failure:
        why = getattr(failure, "strerror", None) or "it closed the connection"
        raise SignerAway(f"the signer cannot be reached at {socket}: {why}") from None
    try:
        return answer_of(body)
    except Malformed as failure:
        raise SignerAway(f"what answers at {socket} is no signer: {failure.message}") from None
    except SafetyError as refusal:
        if refusal.code == CANNOT_NOW:
            raise SignerAway(refusal.message) from None
        raise


async def _asked(socket: Path, frame: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(frame)
        await writer.drain()
        (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
        if length > MOST_ANSWER:
            raise SignerAway(f"the signer's answer has more than {MOST_ANSWER} bytes")
        return await reader.readexactly(length)
    finally:
        writer.transport.abort()
