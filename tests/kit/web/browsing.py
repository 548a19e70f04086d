"""A person at the page: the real application and service, without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

from tests.kit.api.served import Served
from tests.kit.portal import in_one_loop
from yieldbot.web.server import pages

ORIGIN = "http://testserver"


class Browsing:
    """A client with cookies, which sends what browsers send with forms."""

    def __init__(self, served: Served) -> None:
        self.served, self.app = served, pages(served.service)
        self.client = in_one_loop(TestClient(self.app, raise_server_exceptions=False, follow_redirects=False))

    def get(self, path: str, **more: Any) -> Any:
        """Load a page."""
        return self.client.get(path, **more)

    def post(self, path: str, fields: dict[str, str] | None = None, *, token: bool = True, **headers: str) -> Any:
        """Send a form, with the session's token unless ``token`` is false; headers replace those of a browser."""
        own = {"token": self.token()} if token else {}
        sent = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"} | headers
        return self.client.post(path, data=own | (fields or {}), headers=sent)

    def token(self) -> str:
        """The token in the page's forms."""
        found = re.search(r'name="token" value="([^"]+)"', self.get("/").text)
        assert found is not None, "the page has a form"
        return found[1]

    def sign_in(self, *scopes: str, **more: Any) -> Any:
        """Sign in with a new key of these scopes."""
        key = self.served.key(*(scopes or ("read",)), **more)["Authorization"].removeprefix("Bearer ")
        return self.post("/sign-in", {"key": key, "then": "/"}, token=False)


def plain(text: str) -> str:
    """A page without what marks its figures and times for the script."""
    return re.sub(r"</?(?:data|time)\b[^>]*>", "", text)


def dangers(text: str) -> list[str]:
    """What in a page could run, as a browser would find it: scripts that are not files of ours, handlers, styles,
    content of other sites, and addresses that are no pages of ours."""
    found = _Dangers()
    found.feed(text)
    return found.found


class _Dangers(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        given = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "style") or (tag == "script" and not given.get("src")):
            self.found.append(tag)
        for name, value in attrs:
            ours = not value or (value.startswith(("/", "#")) and not value.startswith("//"))
            if name.startswith("on") or name == "style" or (name in ("href", "src", "action", "hx-get") and not ours):
                self.found.append(f"{tag} {name}={value}")
