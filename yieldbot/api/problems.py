"""Errors as problem documents (RFC 9457): one shape for every status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from yieldbot.app.admission import Forbidden, Refused
from yieldbot.app.signer_client import SignerAway
from yieldbot.app.workers import WorkerFailed
from yieldbot.errors import (
    ConfigError,
    DiskFull,
    InvariantError,
    JournalHeld,
    KeysHeld,
    SafetyError,
    TransientError,
    YieldbotError,
)

MEDIA = "application/problem+json"
_OF_CODE = {"EXPIRED": 410, "NOT_THEIR_SIGNATURE": 422}
"""HTTP statuses by the code of a safety rule, where it is not 409 (conflict)."""

COMMANDS = {
    "yieldbot alert list": "GET /v1/alerts",
    "yieldbot approver sign ID --as NAME": "PUT /v1/plans/ID/approval",
    "yieldbot history --waiting": "GET /v1/plans?status=queued",
    "yieldbot markets --json": "GET /v1/markets",
    "yieldbot run --approve queue": "POST /v1/plans",
}
"""Requests that take the place of commands in messages."""


class ProblemDocument(BaseModel):
    """The form of every answer that is an error."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="names the kind of problem: urn:yieldbot:problem:CODE")
    title: str = Field(description="the status in words")
    status: int = Field(description="the HTTP status")
    code: str = Field(description="stable and in capitals, as NO_SCOPE, or the code of the safety rule that refused")
    detail: str = Field(description="what is wrong and what to do, in one line")


class Problem(Exception):
    """Ends a request with a problem document."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer."""
        body = ProblemDocument(
            type=f"urn:yieldbot:problem:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
        )
        headers = {"Cache-Control": "no-store"} | self.headers
        return JSONResponse(body.model_dump(), self.status, headers, MEDIA)


def of_error(failure: YieldbotError, shown: Callable[[str], str] = str) -> Problem:
    """The problem for an error of ours. shown: its text as callers may see it."""
    text = shown(str(failure))
    match failure:
        case Refused():
            code = "NO_KEY" if failure.status == 401 else "TOO_MANY_REQUESTS"
            headers = {"WWW-Authenticate": "Bearer"} if failure.status == 401 else limits(failure.left)
            return Problem(failure.status, code, text, headers)
        case Forbidden():
            return Problem(403, "NO_SCOPE", text)
        case WorkerFailed():
            return _of_worker(failure, text)
        case SafetyError():
            return _refused(failure.code, shown(failure.message))
        case ConfigError():
            return Problem(422, "NOT_UNDERSTOOD", text)
        case SignerAway():
            return Problem(503, "SIGNER_AWAY", text, {"Retry-After": "30"})
        case JournalHeld() | KeysHeld():
            return Problem(503, "BUSY", text, {"Retry-After": "5"})
        case TransientError():
            return Problem(503, "CHAIN_UNREACHABLE", text, {"Retry-After": "30"})
        case DiskFull():
            return Problem(503, "DISK_FULL", text, {"Retry-After": "30"})
        case InvariantError():
            return Problem(500, "BROKEN", text)
        case _:
            return Problem(503, "BUSY", text, {"Retry-After": "30"})


def _refused(code: str, text: str) -> Problem:
    """The problem for a refusal by a safety rule, whichever process it was in."""
    return Problem(_OF_CODE.get(code, 409), code, text)


def _of_worker(failure: WorkerFailed, text: str) -> Problem:
    if failure.code is not None:
        return _refused(failure.code, text.removeprefix(f"{failure.code}: "))
    if failure.kind == "ConfigError":
        return Problem(422, "NOT_UNDERSTOOD", text)
    if failure.kind == "DiskFull":
        return Problem(503, "DISK_FULL", text, {"Retry-After": "30"})
    if failure.kind == "InvariantError":
        return Problem(500, "BROKEN", text)
    if failure.kind in ("TransientError", "NodeRefused", "HttpRefused"):
        return Problem(503, "CHAIN_UNREACHABLE", text, {"Retry-After": "30"})
    return Problem(503, "BUSY", text, {"Retry-After": "30"})


def limits(left: Any) -> dict[str, str]:
    """RateLimit headers for a caller (``access.limits.Left``; None: none), with Retry-After where it must wait."""
    if left is None:
        return {}
    headers = {
        "RateLimit-Limit": str(left.limit),
        "RateLimit-Remaining": str(left.remaining),
        "RateLimit-Reset": str(left.reset_seconds),
    }
    return headers | ({"Retry-After": str(left.wait_seconds)} if left.refused else {})
