"""A double of Claude's Messages API: a server on loopback that streams the real API's events. No model is in it.

What it replies is a script: each request takes the next step. Its events are parsed by the real SDK, and held against
the SDK's types by ``tests/assistant/test_double.py``. A request that the real API would not take gets its error.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-ant-double-0123456789abcdef"
USAGE = {"input_tokens": 1200, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 500}
OUTPUT_TOKENS = 60
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One reply."""

    blocks: tuple[Mapping[str, Any], ...] = ()
    """Content blocks: text, tool_use with ``input`` or a broken ``json``, thinking."""
    stop: str = "end_turn"
    status: int = 200
    error: str = ""
    """With status 200 an error in the stream, behind the blocks."""
    retry_after: str = ""
    drop: bool = False
    """The connection is cut behind the first piece."""
    wait: threading.Event | None = None
    """The stream stands still before its end until this is set."""
    raw: bytes | None = None
    """Sent in place of any reply."""


def say(text: str, stop: str = "end_turn", **more: Any) -> Step:
    """A text."""
    return Step(({"type": "text", "text": text},), stop, **more)


def use(*tools: tuple[str, Any], text: str = "") -> Step:
    """Uses of tools, each with its input; a text as input is sent as it is, however broken."""
    before = ({"type": "text", "text": text},) if text else ()
    blocks = tuple({"type": "tool_use", "name": name, "input": given} for name, given in tools)
    return Step((*before, *blocks), "tool_use")


def error(status: int, kind: str, retry_after: str = "") -> Step:
    """An HTTP error."""
    return Step(status=status, error=kind, retry_after=retry_after)


OVERLOADED = error(529, "overloaded_error", "0.01")
LIMITED = error(429, "rate_limit_error", "0.01")
Script = Step | Callable[[Body], Step]


@dataclass
class Double:
    """The server. ``with`` runs it."""

    steps: list[Script] = field(default_factory=list)
    """What it replies, the next first; a function gets the request's body."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests to stream."""
    counted: int = 0
    """Requests in all, also those that were not taken."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    """All events that were sent."""
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Batches by id."""
    takes: list[Step] = field(default_factory=list)
    """What the next batches are answered with, where they are not taken; a step that drops takes one and cuts the
    connection."""
    lacks: frozenset[str] = frozenset()
    """Models that it does not know."""
    results_at: str = ""
    """The address that ended batches name in place of their own."""

    def __enter__(self) -> Double:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                double._post(self)

            def do_GET(self) -> None:
                double._get(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        self.counted += 1
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        if not _has_key(handler):
            return _refuse(handler, error(401, "authentication_error"))
        if not handler.headers.get("anthropic-version"):
            return _refuse(handler, error(400, "invalid_request_error"))
        if handler.path == "/v1/messages/batches":
            return self._batch(handler, body)
        if handler.path != "/v1/messages":
            return _refuse(handler, error(404, "not_found_error"))
        if body["model"] in self.lacks:
            return _refuse(handler, error(404, "not_found_error"), f"model: {body['model']}")
        if (wrong := fault(body)) is not None:
            return _refuse(handler, error(400, "invalid_request_error"), wrong)
        step = self.steps.pop(0) if self.steps else say("The script has no more replies.")
        if callable(step):
            step = step(body)
        if step.status != 200:
            return _refuse(handler, step)
        self.asked.append(body)
        return self._stream(handler, step, body["model"])

    def _stream(self, handler: BaseHTTPRequestHandler, step: Step, model: str) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("request-id", f"req_double_{self.counted}")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.close_connection = True
        if step.raw is not None:
            handler.wfile.write(step.raw)
            return
        pieces = 0
        for event in events(step, model, self.counted):
            if event["type"] == "message_delta" and step.wait is not None:
                step.wait.wait(30)
            self.sent.append(event)
            try:
                handler.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                handler.wfile.flush()
            except OSError:  # the reader is gone
                return
            pieces += event["type"] == "content_block_delta"
            if step.drop and pieces:
                return

    def _batch(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        for one in body["requests"]:
            if (wrong := fault(dict(one["params"], stream=True))) is not None:
                return _refuse(handler, error(400, "invalid_request_error"), wrong)
        step = self.takes.pop(0) if self.takes else Step()
        if step.status != 200:
            return _refuse(handler, step)
        name = f"msgbatch_{len(self.batches)}"
        self.batches[name] = {"requests": list(body["requests"]), "done": False}
        if step.drop:
            handler.close_connection = True
            return
        _json(handler, 200, self._batch_form(name))

    def _batch_form(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        done = batch["done"]
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        counts["succeeded" if done else "processing"] = len(batch["requests"])
        return {
            "id": name,
            "type": "message_batch",
            "processing_status": "ended" if done else "in_progress",
            "request_counts": counts,
            "ended_at": "2026-11-30T03:10:00Z" if done else None,
            "created_at": "2026-11-30T03:00:00Z",
            "expires_at": "2026-12-01T03:00:00Z",
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": (self.results_at or self.url) + f"/v1/messages/batches/{name}/results" if done else None,
        }

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = handler.path.strip("/").split("/")
        if not _has_key(handler) or len(parts) < 4 or parts[3] not in self.batches:
            return _refuse(handler, error(404, "not_found_error"))
        if len(parts) == 4:
            return _json(handler, 200, self._batch_form(parts[3]))
        lines = []
        for one in self.batches[parts[3]]["requests"]:
            step = self.steps.pop(0) if self.steps else say("The script has no more replies.")
            assert isinstance(step, Step)
            made = message(one["params"]["model"], "msg_batch")
            made |= {"content": [dict(block) for block in step.blocks], "stop_reason": step.stop}
            made["usage"] = dict(USAGE, output_tokens=OUTPUT_TOKENS)
            result: dict[str, Any] = {"type": "succeeded", "message": made}
            if step.error == "errored":
                inner = {"type": "invalid_request_error", "message": "as the double was scripted"}
                result = {"type": "errored", "error": {"type": "error", "error": inner, "request_id": None}}
            elif step.error:
                result = {"type": step.error}
            lines.append(json.dumps({"custom_id": one["custom_id"], "result": result}))
        handler.send_response(200)
        text = "\n".join(lines).encode() + b"\n"
        handler.send_header("content-type", "application/x-jsonl")
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)


def message(model: str, name: str) -> dict[str, Any]:
    """A message as it begins."""
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": dict(USAGE, output_tokens=1),
    }


def events(step: Step, model: str, number: int) -> Iterator[dict[str, Any]]:
    """The events of a reply in the real API's order."""
    yield {"type": "message_start", "message": message(model, f"msg_double_{number}")}
    yield {"type": "ping"}
    for index, block in enumerate(step.blocks):
        begin, deltas = _parts(block, f"toolu_{number}_{index}")
        yield {"type": "content_block_start", "index": index, "content_block": begin}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    if step.error:
        yield {"type": "error", "error": {"type": step.error, "message": "as the double was scripted"}}
        return
    delta: dict[str, Any] = {"stop_reason": step.stop, "stop_sequence": None}
    if step.stop == "refusal":
        delta["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": OUTPUT_TOKENS}}
    yield {"type": "message_stop"}


def _parts(block: Mapping[str, Any], name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        text = block["text"]
        pieces = [text[i : i + 7] for i in range(0, len(text), 7)]
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": one} for one in pieces]
    if block["type"] == "thinking":
        thought = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": "c2ln"},
        ]
        return {"type": "thinking", "thinking": "", "signature": ""}, thought
    given = block["input"] if isinstance(block["input"], str) else json.dumps(block["input"])
    begin = {"type": "tool_use", "id": name, "name": block["name"], "input": {}, "caller": {"type": "direct"}}
    pieces = [given[i : i + 11] for i in range(0, len(given), 11)]
    return begin, [{"type": "input_json_delta", "partial_json": one} for one in ("", *pieces)]


def fault(body: Body) -> str | None:
    """Why the real API would not take a request; None: it would."""
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            return f"{name}: field required"
    if body.get("stream") is not True:
        return "the double only streams"
    open_tools: list[str] = []
    role = "assistant"
    for one in body["messages"]:
        if one["role"] == role:
            return "roles must alternate"
        role = one["role"]
        blocks = one["content"] if isinstance(one["content"], list) else [{"type": "text", "text": one["content"]}]
        if not blocks or any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "text content blocks must be non-empty"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if role == "user" and sorted(results) != sorted(open_tools):
            return "each tool_use must have its tool_result in the next message"
        open_tools = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if role != "user":
        return "the last message must be the user's"
    cached = json.dumps(body).count('"cache_control"')
    if cached > 4:
        return f"{cached} blocks with cache_control: 4 at most"
    strict = [tool["input_schema"] for tool in body.get("tools", ()) if tool.get("strict")]
    optional = sum(len(form["properties"]) - len(form.get("required", ())) for form in strict)
    several = sum("anyOf" in one for form in strict for one in form["properties"].values())
    beyond = len(strict) > 20 or optional > 24 or several > 16
    return f"{len(strict)} strict tools, {optional} optional fields, {several} unions: too many" if beyond else None


def _has_key(handler: BaseHTTPRequestHandler) -> bool:
    """Whether the key is there, in one of the two headers that the real API takes."""
    return KEY in (handler.headers.get("x-api-key"), (handler.headers.get("authorization") or "")[len("Bearer ") :])


def _refuse(handler: BaseHTTPRequestHandler, step: Step, message: str = "as the double was scripted") -> None:
    headers = {"retry-after": step.retry_after} if step.retry_after else {}
    if step.retry_after == "":
        headers["x-should-retry"] = "false"
    _json(handler, step.status, {"type": "error", "error": {"type": step.error, "message": message}}, headers)


def _json(
    handler: BaseHTTPRequestHandler, status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> None:
    text = json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(text)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text)
