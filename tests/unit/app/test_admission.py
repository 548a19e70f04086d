"""Who comes in: by a key that counts, within limits, with every refusal in the audit, written once a minute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from yieldbot.access.caller import Forbidden, Scope
from yieldbot.access.ring import KeyRing
from yieldbot.app import admission as module
from yieldbot.app.admission import Admission, Refused

NOW = 1_800_000_000


class Watch:
    """A clock that stands until it is moved, and the lines of the audit."""

    def __init__(self, ring: KeyRing) -> None:
        self.at = 1_000.0
        self.ring = ring
        self.admission = Admission(ring, now=lambda: NOW + self.at, clock=lambda: self.at)

    def admit(self, key: str | None, address: str = "127.0.0.1") -> str:
        header = None if key is None else f"Bearer {key}"
        try:
            return self.admission.admit(header, address, "GET /v1/markets")[0].name
        except Refused as refused:
            return f"{refused.status} {refused}"


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    yield Watch(KeyRing.of(tmp_path))


def test_a_key_that_counts_lets_its_caller_in_and_its_use_is_kept(watch: Watch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    assert watch.admit(key) == "reader" and watch.ring.all()[0].used_at == NOW + 1_000
    watch.ring.revoke("reader", NOW)
    assert watch.admit(key) == "401 it was revoked", "at once"


def test_other_headers_let_nobody_in(watch: Watch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    for header in (
        None,
        "",
        key,
        f"Basic {key}",
        f"Token {key}",
        "Bearer",
        "Bearer  ",
        f"Bearer {key} x",
        f"Bearer {key[:-1]}",
    ):
        watch.at += 100
        with pytest.raises(Refused) as refused:
            watch.admission.admit(header, "127.0.0.1", "GET /v1/markets")
        assert refused.value.status == 401
    assert watch.admission.admit(f"bearer {key}", "127.0.0.1", "x")[0].name == "reader"


def test_attempts_with_wrong_keys_are_slowed_by_address(watch: Watch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    wrong = key[:-3] + ("aaa" if not key.endswith("aaa") else "bbb")
    found = [watch.admit(wrong) for _ in range(12)]
    assert found[:10] == ["401 no such key"] * 10 and all(one.startswith("429") for one in found[10:])
    assert watch.admit(key) == "reader", "a right key of the same address is not locked out by others' wrong ones"
    assert watch.admit(wrong, "10.0.0.1") == "401 no such key"
    watch.at += 10
    assert [watch.admit(wrong)[:3] for _ in range(2)] == ["401", "429"]


def test_a_key_has_a_rate(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    found = [watch.admit(key, f"10.0.0.{number % 9}") for number in range(module.OF_KEYS.at_once + 5)]
    assert found.count("reader") == module.OF_KEYS.at_once and found[-1].startswith("429 too many requests of key")


def test_an_address_has_a_rate_whatever_it_shows(watch: Watch) -> None:
    keys = [watch.ring.new(f"k{number}", frozenset((Scope.READ,)), NOW)[0] for number in range(3)]
    found = [watch.admit(keys[number % 3]) for number in range(module.OF_ADDRESSES.at_once + 1)]
    assert found[-1].startswith("429 too many requests from this address") and "429" not in "".join(found[:-1])


def test_the_audit_has_each_kind_of_refusal_once_with_its_count(watch: Watch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    for _ in range(3):
        watch.admit(None)
    caller, _ = watch.admission.admit(f"Bearer {key}", "127.0.0.1", "PUT /v1/halt")
    with pytest.raises(Forbidden):
        watch.admission.need(caller, Scope.HALT, "127.0.0.1", "PUT /v1/halt")
    watch.admission.note("reader", "127.0.0.1", "POST /v1/plans", "201")
    kept = watch.admission.taken()
    assert [(one.by, one.what, one.outcome, one.times) for one in kept] == [
        ("nobody", "GET /v1/markets", "401 no key: send the header `Authorization: Bearer yb_...`", 3),
        ("reader", "PUT /v1/halt", "403 no scope halt", 1),
        ("reader", "POST /v1/plans", "201", 1),
    ]
    assert not any(key[12:] in str(one) for one in kept) and watch.admission.taken() == ()


def test_a_flood_of_different_lines_is_bounded(watch: Watch) -> None:
    for number in range(module.MOST_NOTED + 300):
        watch.admission.note("nobody", "127.0.0.1", f"GET /v1/{number}", "401")
    kept = watch.admission.taken()
    assert len(kept) == module.MOST_NOTED + 1 and kept[-1].times == 300


def outcomes(watch: Watch) -> list[tuple[str, str, str]]:
    return [(one.by, one.where, one.outcome) for one in watch.admission.taken()]


def test_a_key_from_a_new_address_is_noted_once_also_after_a_restart(watch: Watch, tmp_path: Path) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    for _ in range(3):
        watch.admit(key, "10.0.0.1")
    assert outcomes(watch) == [], "the first place of all is no news"
    for address in ("10.0.0.2", "10.0.0.2", "10.0.0.1", "::ffff:10.0.0.2", "2001:db8::1", "2001:db8::ffff:2"):
        watch.admit(key, address)
    assert outcomes(watch) == [("reader", "10.0.0.2", "new address"), ("reader", "2001:db8::1", "new address")]
    again = Watch(KeyRing.of(tmp_path))
    again.admit(key, "10.0.0.2")
    assert outcomes(again) == []
    again.admit("yb_00000000_" + "A" * 43, "10.9.9.9")
    assert [row[2] for row in outcomes(again)] == ["401 no such key"], "who is not let in has no place"


def test_a_spike_is_noted_once_a_minute_and_only_after_something_was_usual(watch: Watch) -> None:
    key, _ = watch.ring.new("reader", frozenset((Scope.READ,)), NOW)
    for _ in range(6):
        for _ in range(40):
            watch.admit(key)
        watch.at += 60
    assert outcomes(watch) == []
    for _ in range(399):
        watch.admit(key)
        watch.at += 0.01
    assert outcomes(watch) == []
    for _ in range(100):
        watch.admit(key)
        watch.at += 0.01
    assert outcomes(watch) == [("reader", "127.0.0.1", "spike")]
