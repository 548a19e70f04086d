"""Text that is no text, in bodies, paths, queries and headers: refused or taken as it is, and never a bug."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.api.served import Served
from tests.kit.draws import draws
from tests.unit.api.test_server import ROUTES, filled
from yieldbot.access.caller import Scope

NASTY: tuple[Any, ...] = ("\ud800", "\x00", "\u202e", "a" * 9000, 1e400, float("nan"), 10**400, True, [], {}, "%00")
HOLES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("POST", "/plans"): (
        {"jobs": {"wallet": ...}}, {"what_if": {"wealth": ...}}, {"what_if": {"exclude": [...]}},
        {"what_if": {"max_share": ...}}, {"what_if": {"horizon_days": ...}},
    ),
    ("POST", "/runs"): ({"jobs": {"asset": ...}},),
    ("POST", "/quotes"): ({"given": ..., "wanted": "B", "amount": "1"}, {"given": "A", "wanted": "B", "out": ...}),
    ("POST", "/alerts"): (
        {"measure": "rate", "subject": ..., "above": "5%"}, {"measure": "wealth", "subject": "main", "below": ...},
        {"measure": ...}, {"measure": "rate", "subject": "lend", "above": "5%", "chain": ...},
    ),
    ("PUT", "/halt"): ({"reason": ...}, ...),
    ("PUT", "/plans/{plan_id}/approval"): ({"approver": ..., "signature": "0x"}, {"approver": "a", "signature": ...}),
}  # fmt: skip
"""Bodies with a hole for each field, by route."""
PATHS = (
    "/markets/%ff", "/markets?chain=%ff%fe", "/markets?sort=%00", "/plans/%ed%a0%80", "/markets?min_safety=1e400",
    "/markets?min_safety=nan", "/markets?limit=%d9%a3", "/exports/csv?from=%ff", "/events?wait=%d9%a3",
    "/markets?cursor=W10", "/markets?sort=safety&cursor=W1sxLFtdXSwieCJd", "/alerts/%2e%2e%2f", "/runs/" + "x" * 5000,
)  # fmt: skip
HEADERS = (
    {"If-None-Match": "\xff"}, {"If-None-Match": '"' + "x" * 8000}, {"Last-Event-ID": "\xff"}, {"Accept": "\xff"},
    {"traceparent": "00-\xff"}, {"Authorization": "Bearer \xff"}, {"Idempotency-Key": "\xff" * 9}, {"Range": "b=0-"},
    {"Content-Type": "application/json; charset=utf-7"}, {"Content-Encoding": "gzip"}, {"Expect": "100-continue"},
    {"X-Forwarded-For": "\xff, 1"}, {"If-Match": "W/\xff"},
)  # fmt: skip


def _with(hole: Any, value: Any) -> Any:
    match hole:
        case dict():
            return {name: _with(one, value) for name, one in hole.items()}
        case list():
            return [_with(one, value) for one in hole]
    return value if hole is ... else hole


def _fresh(served: Served) -> None:
    """As if a second had passed: no limit of requests is hit."""
    admission = served.service.admission
    for one in (admission._keys, admission._addresses, admission._attempts):
        one._known.clear()


def test_nothing_that_is_sent_is_a_bug(served: Served) -> None:
    """A sample in the suite, all in scripts/soak draws."""
    assert {route for route in ROUTES if route[0] in ("POST", "PUT")} == set(HOLES)
    served.answers = {"queue": {"schema": "x"}}
    key, client, sent = served.key(*Scope) | {"Content-Type": "application/json"}, served.client, 0
    for (method, path), holes in HOLES.items():
        for hole in holes:
            for _ in range(draws(4, len(NASTY))):
                sent += 1
                value = NASTY[sent % len(NASTY)]
                raw = json.dumps(_with(hole, value)).encode(("utf-8", "utf-16", "utf-8-sig")[sent % 3])
                more = {"Idempotency-Key": f"encoding-{sent:04}"}
                answer = client.request(method, filled(path), headers=key | more, content=raw)
                assert answer.status_code < 500, (path, raw[:100], answer.text)
            _fresh(served)
    for path in PATHS:
        assert client.get(f"/v1{path}", headers=key).status_code < 500, path
    for header in HEADERS:
        for method, path in (("GET", "/v1/halt"), ("POST", "/v1/plans")):
            named = key | {"Idempotency-Key": "encoding-1"} | header
            raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
            answer = client.request(method, path, headers=raw_headers, content=b"{}" if method != "GET" else None)
            assert answer.status_code < 500, (method, header, answer.text)
        _fresh(served)
    assert not [line for line in served.service.context.lines if "bug" in line]  # type: ignore[attr-defined]
