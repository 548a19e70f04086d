"""Limits: nobody gets more than the rate allows, and whoever waits as said is let in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.access.keys import inside, network
from yieldbot.access.limits import MOST_KNOWN, Buckets, Rate
from yieldbot.access.ring import KeyRing
from yieldbot.access.usage import place_of
from yieldbot.api.running import BehindProxy
from yieldbot.app.admission import OF_ADDRESSES, Admission, Refused
from yieldbot.app.serve import network_of

gaps = st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=80)


@given(gaps, st.integers(1, 10), st.sampled_from((0.1, 1.0, 7.0)))
def test_in_no_time_do_more_come_in_than_the_rate_allows(waits: list[float], at_once: int, a_second: float) -> None:
    buckets, now, let_in = Buckets(Rate(a_second, at_once)), 100.0, list[float]()
    for wait in waits:
        now += wait
        if not buckets.take("one", now).refused:
            let_in.append(now)
    for start in range(len(let_in)):
        for end in range(start, len(let_in)):
            assert end - start + 1 <= at_once + a_second * (let_in[end] - let_in[start]) + 1e-6


@given(gaps, st.integers(1, 5))
def test_whoever_waits_as_said_comes_in(waits: list[float], at_once: int) -> None:
    buckets, now = Buckets(Rate(0.5, at_once)), 100.0
    for wait in waits:
        now += wait
        left = buckets.take("one", now)
        assert left.limit == at_once and 0 <= left.remaining <= at_once and left.reset_seconds >= 0
        if left.refused:
            now += left.wait_seconds
            assert not buckets.take("one", now).refused


def test_callers_do_not_use_up_each_others() -> None:
    buckets = Buckets(Rate(1, 1))
    assert not buckets.take("one", 0).refused and buckets.take("one", 0).refused and not buckets.take("two", 0).refused


def test_memory_is_bounded() -> None:
    buckets = Buckets(Rate(1, 1))
    for number in range(MOST_KNOWN + 50):
        buckets.take(str(number), 0)
    assert len(buckets._known) == MOST_KNOWN


def test_a_clock_that_runs_back_gives_nothing() -> None:
    buckets = Buckets(Rate(1, 2))
    for _ in range(2):
        buckets.take("one", 100)
    assert buckets.take("one", 50).refused and not buckets.take("one", 51.5).refused


def test_an_ipv4_address_is_one_however_it_is_written_and_an_ipv6_customer_too() -> None:
    assert place_of("::ffff:10.0.0.1") == place_of("10.0.0.1") == "10.0.0.1"
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1") != place_of("2001:db8:0:1::1")
    assert inside("::ffff:10.0.0.1", (network("10.0.0.0/8"),)) and inside("10.0.0.1", (network("::ffff:10.0.0.0/104"),))
    assert (
        not inside("::ffff:11.0.0.1", (network("::ffff:10.0.0.0/104"),)) and network("2001:db8::/32") == "2001:db8::/32"
    )


def test_who_changes_its_address_within_one_network_has_one_limit(tmp_path: Path) -> None:
    admission = Admission(KeyRing(f"sqlite:///{tmp_path}/keys"), clock=lambda: 1.0)
    for number in range(OF_ADDRESSES.at_once):
        admission.admit_anybody(f"2001:db8::{number:x}", "GET /v1/health")
    with pytest.raises(Refused):
        admission.admit_anybody("2001:db8::ffff", "GET /v1/health")
    admission.admit_anybody("2001:db8:1::1", "GET /v1/health")


def test_a_proxy_and_a_caller_are_known_in_either_form() -> None:
    async def seen(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["client"][0])

    found = list[str]()
    for proxy in ("10.0.0.0/8", "::ffff:10.0.0.0/104"):
        behind = BehindProxy(seen, network_of(proxy))
        for host in ("10.0.0.1", "::ffff:10.0.0.1"):
            headers = [(b"x-forwarded-for", b"6.6.6.6, ::ffff:1.2.3.4, ::ffff:10.0.0.9")]
            scope: Any = {"type": "http", "client": (host, 1), "headers": headers}
            asyncio.run(behind(scope, None, None))  # type: ignore[arg-type]
    assert found == ["1.2.3.4"] * 4


@pytest.mark.parametrize(
    ("host", "proto", "scheme"),
    [
        ("10.0.0.1", None, "https"),
        ("10.0.0.1", b"https", "https"),
        ("10.0.0.1", b"https, http", "http"),
        ("192.0.2.1", b"https", "http"),
    ],
)
def test_a_proxy_says_whether_the_caller_came_with_tls(host: str, proto: bytes | None, scheme: str) -> None:
    async def seen(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope["scheme"])

    found = list[str]()
    headers = [] if proto is None else [(b"x-forwarded-proto", proto)]
    scope: Any = {"type": "http", "client": (host, 1), "headers": headers, "scheme": "http"}
    asyncio.run(BehindProxy(seen, network_of("10.0.0.0/8"))(scope, None, None))  # type: ignore[arg-type]
    assert found == [scheme]
