"""A double of Telegram's Bot API on this machine: getUpdates with its offset, and sendMessage.

Requests and answers are as in https://core.telegram.org/bots/api: a request with a higher offset confirms earlier
updates, which are then not returned again. It answers at once, without long polling.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any


class BotApi:
    """Messages that users sent to the bot, and messages that the bot sent."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.waiting: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.broken: tuple[int, bytes] | None = None
        """Status and body of every answer; None: it works."""
        self.url = ""

    def write(self, text: object, user: int = 7, *, number: int, at: int, chat: int | None = None, **more: Any) -> None:
        """Let a user send a message, in their private chat with the bot or in the group ``chat``."""
        where = {"id": user, "type": "private"} if chat is None else {"id": chat, "type": "supergroup"}
        sender = {"id": user, "is_bot": False, "first_name": "<b>Eve</b>"}
        message = {"message_id": number, "from": sender, "chat": where, "date": at, "text": text}
        self.waiting.append({"update_id": number, "message": message | more})

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        """(status, body) of the answer to a request."""
        if self.broken is not None:
            return self.broken
        if path == f"/bot{self.token}/sendMessage":
            self.sent.append(asked)
            return 200, json.dumps({"ok": True, "result": {"message_id": len(self.sent)}}).encode()
        if path != f"/bot{self.token}/getUpdates":
            return 401, b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
        self.asked.append(asked)
        offset = asked.get("offset", 0)
        self.waiting = [one for one in self.waiting if one["update_id"] >= offset]
        return 200, json.dumps({"ok": True, "result": self.waiting[: asked["limit"]]}).encode()


@contextlib.contextmanager
def bot_api(token: str) -> Iterator[BotApi]:
    """The double, serving on loopback within this context."""
    api = BotApi(token)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = api.answer(self.path, asked)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
