"""API keys: what counts, for how long, from where, and that nothing but a key's digest is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from yieldbot.access import keys
from yieldbot.access.caller import Caller, Forbidden, Scope
from yieldbot.access.database import FILE
from yieldbot.access.keys import DAY, StoredKey, inside, made, network, parts, refused, scopes_of
from yieldbot.access.ring import KeyRing
from yieldbot.errors import ConfigError, DiskFull, InvariantError

NOW = 1_800_000_000
READ = frozenset((Scope.READ,))


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[KeyRing]:
    yield KeyRing.of(tmp_path)


def shown(ring: KeyRing, text: str, now: int = NOW, address: str = "127.0.0.1") -> str | None:
    found = parts(text)
    assert found is not None
    return refused(ring.find(found[0]), found[1], address, now)


@given(st.binary(min_size=36, max_size=36))
def test_a_key_comes_apart_into_what_it_was_made_of(random: bytes) -> None:
    text, prefix, secret = made(random)
    assert parts(text) == (prefix, secret) and prefix == random[:4].hex() and len(secret) == 43


@pytest.mark.parametrize("text", ["", "yb_", "Bearer x", "yb_00000000_" + "a" * 42, "yb_0000000G_" + "a" * 43])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parts(text) is None


def test_the_secret_is_in_no_file(ring: KeyRing, tmp_path: Path) -> None:
    text, stored = ring.new("one", READ, NOW)
    secret = text.rsplit("_", 1)[1] if text.count("_") == 2 else text[12:]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files and not any(secret.encode() in file.read_bytes() for file in files)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600 and stored.digest not in text


def test_it_counts_with_its_secret_alone(ring: KeyRing) -> None:
    text, stored = ring.new("one", READ, NOW)
    other, _ = ring.new("two", READ, NOW)
    assert shown(ring, text) is None and shown(ring, other) is None
    assert shown(ring, text[:12] + other[12:]) == "no such key"
    assert refused(None, "a" * 43, "127.0.0.1", NOW) == "no such key"
    assert ring.find(stored.prefix) == stored and ring.find("ffffffff") is None


def test_it_ends_when_it_expires_is_revoked_or_lies_unused(ring: KeyRing) -> None:
    text, stored = ring.new("one", READ, NOW, expires_at=NOW + 60 * DAY)
    assert shown(ring, text, NOW + 60 * DAY - 1) is None and shown(ring, text, NOW + 60 * DAY) == "it has expired"
    for_ever, idle = ring.new("idle", READ, NOW)
    assert shown(ring, for_ever, NOW + 90 * DAY) == "it was not used for 90 days"
    ring.used(idle, NOW + 89 * DAY)
    assert shown(ring, for_ever, NOW + 90 * DAY) is None
    assert [one.prefix for one in ring.revoke("one", NOW + 5)] == [stored.prefix]
    assert shown(ring, text, NOW + 4) is None and shown(ring, text, NOW + 5) == "it was revoked"
    assert ring.revoke("one", NOW + 9) == () and shown(ring, text, NOW + 5) == "it was revoked"
    with pytest.raises(ConfigError, match="no key named none"):
        ring.revoke("none", NOW)


def test_a_rotated_key_counts_beside_its_successor_for_a_while(ring: KeyRing) -> None:
    networks = ("10.0.0.0/8",)
    old, was = ring.new("one", READ, NOW, accounts=frozenset(("0xab",)), networks=networks, expires_at=NOW + 9 * DAY)
    new, stored = ring.rotate("one", NOW + DAY, 3600)
    assert (stored.scopes, stored.accounts, stored.networks) == (was.scopes, was.accounts, was.networks)
    assert stored.expires_at == NOW + 10 * DAY
    at = NOW + DAY + 3599
    assert shown(ring, old, at, "10.1.2.3") is None and shown(ring, new, at, "10.1.2.3") is None
    assert shown(ring, old, at + 1, "10.1.2.3") == "it was revoked" and shown(ring, new, at + 1, "10.1.2.3") is None
    ring.rotate("one", NOW + DAY + 10, 9999)
    assert shown(ring, old, at + 1, "10.1.2.3") == "it was revoked", "no rotation lengthens the life of an older one"
    with pytest.raises(ConfigError, match="no key named two"):
        ring.rotate("two", NOW, 0)


def test_a_name_counts_once(ring: KeyRing) -> None:
    ring.new("one", READ, NOW)
    with pytest.raises(ConfigError, match="in use already"):
        ring.new("one", READ, NOW)
    ring.revoke("one", NOW)
    ring.new("one", READ, NOW + 1)
    for name in ("", "a b", "-x", "x" * 65, "a\n"):
        with pytest.raises(ConfigError, match="key name"):
            ring.new(name, READ, NOW)


def test_its_last_use_is_kept_to_the_minute(ring: KeyRing) -> None:
    _, stored = ring.new("one", READ, NOW)
    ring.used(stored, NOW + 10)
    ring.used(replace(stored, used_at=NOW + 10), NOW + 60)
    (found,) = ring.all()
    assert found.used_at == NOW + 10
    ring.used(found, NOW + 70)
    assert ring.all()[0].used_at == NOW + 70


@pytest.mark.parametrize(
    ("address", "networks", "let_in"),
    [
        ("10.1.1.1", (), True),
        ("10.1.1.1", ("10.0.0.0/8",), True),
        ("11.1.1.1", ("10.0.0.0/8",), False),
        ("::ffff:10.1.1.1", ("10.0.0.0/8",), True),
        ("2001:db8::1", ("10.0.0.0/8", "2001:db8::/32"), True),
        ("unix", ("10.0.0.0/8",), False),
        ("", ("0.0.0.0/0",), False),
    ],
)
def test_addresses(address: str, networks: tuple[str, ...], let_in: bool) -> None:
    assert inside(address, networks) is let_in


def test_a_key_of_a_network_counts_nowhere_else(ring: KeyRing) -> None:
    text, _ = ring.new("one", READ, NOW, networks=("10.0.0.0/8",))
    assert shown(ring, text, address="10.9.9.9") is None
    assert shown(ring, text, address="127.0.0.1") == "it may not be used from this address"


def test_words_of_a_person_are_read() -> None:
    assert scopes_of("read, plan") == frozenset((Scope.READ, Scope.PLAN)) and network("10.0.0.1") == "10.0.0.1/32"
    for text in ("", ",", "read,write", "all", "READ"):
        with pytest.raises(ConfigError, match="--scope"):
            scopes_of(text)
    for text in ("", "10.0.0.1/8", "x", "1.2.3.4/33"):
        with pytest.raises(ConfigError, match="--ip"):
            network(text)


def test_no_scope_includes_another() -> None:
    for scope in Scope:
        caller = Caller("one", frozenset((scope,)))
        caller.need(scope)
        for other in set(Scope) - {scope}:
            with pytest.raises(Forbidden, match=f"no scope `{other}`"):
                caller.need(other)


def test_accounts_are_compared_as_chains_do() -> None:
    caller = Caller("one", READ, frozenset(("0xabcd", "So1ANA")))
    assert caller.sees("0xABCD") and caller.sees("So1ANA") and not caller.sees("so1ana") and not caller.sees("0xab")
    assert Caller("all", READ).sees("anything")


def test_a_reminder_is_due_a_week_before_the_end() -> None:
    key = StoredKey(
        prefix="0" * 8, name="n", digest="", scopes=READ, accounts=None, networks=(), created_at=NOW,
        expires_at=NOW + 30 * DAY, used_at=None, revoked_at=None,
    )  # fmt: skip
    assert [key.ends_soon(NOW + day * DAY) for day in (22, 23, 29, 30)] == [False, True, True, False]
    assert keys.REMIND_DAYS == 7


def test_a_file_that_others_can_read_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    KeyRing.of(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        KeyRing.of(tmp_path)
    (tmp_path / FILE).chmod(0o600)
    (tmp_path / FILE).write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(InvariantError, match="API keys cannot be read"):
        KeyRing.of(tmp_path)


def test_a_table_that_is_locked_is_one_line(ring: KeyRing, tmp_path: Path) -> None:
    ring.new("one", READ, NOW)
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("DROP TABLE api_keys")
    with pytest.raises(InvariantError, match="API keys cannot be read"):
        ring.all()


def test_a_full_disk_is_said_to_be_one(tmp_path: Path) -> None:
    """Nobody is to move keys away because of it. SQLite itself refuses: the file may have no page more."""
    ring = KeyRing.of(tmp_path)

    @event.listens_for(ring._engine, "connect")
    def full(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    ring._engine.dispose()
    with pytest.raises(DiskFull, match=r"the disk of access\.sqlite3 is full or failing: free space") as said:
        for number in range(200):
            ring.new(
                f"key{number}", frozenset((Scope.READ,)), NOW, accounts=frozenset(f"0x{n:040x}" for n in range(50))
            )
    assert "new keys" not in str(said.value)


def test_a_change_by_another_process_counts_at_once(tmp_path: Path) -> None:
    """A server keeps what it has read of the keys until anybody commits a change."""
    ring, other = KeyRing.of(tmp_path), KeyRing.of(tmp_path)
    text, made = ring.new("a", frozenset((Scope.READ,)), 1_000)
    assert ring.find(made.prefix) is ring.find(made.prefix), "nothing is read again"
    assert ring.find("00000000") is None
    other.used(made, 2_000)
    assert (found := ring.find(made.prefix)) is not None and found.used_at == 2_000
    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            _, one = other.new(f"k{number}", frozenset((Scope.READ,)), 1_000)
            assert all(found == one for found in pool.map(lambda _, one=one: ring.find(one.prefix), range(8)))
    other.revoke("a", 3_000)
    assert (found := ring.find(made.prefix)) is not None and found.revoked_at == 3_000
    (tmp_path / "access.sqlite3").write_bytes(b"no database" * 900)
    ring._engine.dispose()
    with pytest.raises(InvariantError, match="restore"):
        ring.find(made.prefix)
    assert text not in str(ring._known)
