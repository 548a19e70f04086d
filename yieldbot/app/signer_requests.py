"""The protocol of the signer's socket: frames of bounded length, and strictly parsed requests.

A frame is four bytes, the length (big-endian), and that many bytes of JSON. One request and one answer a connection:
``{"answer": ...}`` or ``{"problem": {"code": ..., "message": ...}}``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from yieldbot.errors import SafetyError
from yieldbot.model.json_text import loads

MOST_REQUEST = 2**20
"""Most bytes of a request."""
MOST_ANSWER = 8 * 2**20
"""Most bytes of an answer."""
MOST_ROWS = 200
"""Most rows of the journal in one answer."""
CANNOT_NOW = "FAILED"
"""Code of a request that failed for a reason that may pass; its caller asks again."""
HEAD = struct.Struct(">I")
"""The length in front of a frame."""

ShortText = Annotated[str, Field(max_length=500)]


class Strict(BaseModel):
    """Base of requests: values are not converted, and unknown members are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Given(Strict):
    """A person's signature."""

    approver: Annotated[str, Field(max_length=64)]
    """The person's name."""
    signature: Annotated[str, Field(max_length=32_768)]
    """A wallet's 65 bytes as 0x…, or a passkey's assertion as JSON."""


class CarryOut(Strict):
    """Carry out a plan that persons have signed. The same request again is answered with the stored result."""

    request: Literal["carry out"]
    """The kind of request."""
    plan: dict[str, Any]
    """The plan, as the journal writes it."""
    lines: Annotated[list[str], Field(max_length=500)]
    """The lines that the persons were shown; the signer computes them from the plan itself and refuses others."""
    approvals: Annotated[list[Given], Field(max_length=32)]
    """The signatures."""
    rehearsal: Annotated[list[ShortText], Field(max_length=500)]
    """Lines about the rehearsal on the server's fork: a claim that is shown and decides nothing."""


class Since(Strict):
    """Read rows of the signer's journal."""

    request: Literal["since"]
    """The kind of request."""
    seq: Annotated[int, Field(ge=0, le=2**53)]
    """Number of the last row that the caller has; later rows are returned."""


class Status(Strict):
    """Whether the signer works, and whether it is halted."""

    request: Literal["status"]
    """The kind of request."""


class Halt(Strict):
    """Sign and send nothing more. Only a person at the signer's own terminal lifts it."""

    request: Literal["halt"]
    """The kind of request."""
    reason: ShortText
    """The reason."""


class Reject(Strict):
    """Do not carry out a plan that waits."""

    request: Literal["reject"]
    """The kind of request."""
    plan_id: Annotated[str, Field(max_length=64)]
    """The plan's id."""
    reason: ShortText
    """The reason."""


Request = CarryOut | Since | Status | Halt | Reject
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="request")])


class Malformed(SafetyError):
    """The bytes received are not a valid request or answer."""

    def __init__(self, why: str) -> None:
        super().__init__("MALFORMED", why)


def request_of(body: bytes) -> Request:
    """The request in a frame. Raises Malformed."""
    try:
        return _REQUEST.validate_python(_json(body))
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(one)[:40] for one in first["loc"][:6])
        raise Malformed(f"{where}: {first['msg']}") from None


def answer_of(body: bytes) -> dict[str, Any]:
    """The answer in a frame. Raises SafetyError for a problem, Malformed for anything else."""
    found = _json(body)
    problem = found.get("problem") if isinstance(found, dict) else None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str) and isinstance(problem.get("message"), str):
        raise SafetyError(problem["code"][:60], problem["message"][:500])
    answer = found.get("answer") if isinstance(found, dict) else None
    if not isinstance(answer, dict):
        raise Malformed("no answer")
    return answer


def framed(document: Mapping[str, Any]) -> bytes:
    """A document as a frame."""
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    return HEAD.pack(len(body)) + body


def problem(code: str, message: str) -> bytes:
    """A frame with an error: a code, and a message of one line."""
    return framed({"problem": {"code": code, "message": message}})


def _json(body: bytes) -> Any:
    try:
        found = loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # half a pair of surrogates is no text
        return found
    except (ValueError, RecursionError) as failure:
        known = failure if isinstance(failure, _NotStrict) else "it cannot be read as JSON"
        raise Malformed(str(known)) from None


class _NotStrict(ValueError):
    """JSON with a duplicate name or a number such as NaN, which parsers interpret differently."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotStrict("a name occurs twice in one object")
    return found


def _no_number(text: str) -> Any:
    raise _NotStrict(f"{text} is no number of JSON")
