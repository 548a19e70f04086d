"""Admits callers over the network: by key, within their limits, with an audit in the journal."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from yieldbot.access.caller import Caller, Forbidden, Scope, normal
from yieldbot.access.keys import parts, plain, refused
from yieldbot.access.limits import Buckets, Left, Rate
from yieldbot.access.quotas import Quotas
from yieldbot.access.usage import Usage, place_of
from yieldbot.errors import KeysHeld, YieldbotError
from yieldbot.journal.access_entries import NEW_PLACE, SPIKE, AccessNoted

if TYPE_CHECKING:
    from yieldbot.access.keys import StoredKey
    from yieldbot.access.ring import KeyRing

__all__ = ["ASKING", "SPIKE", "Admission", "Caller", "Forbidden", "Refused", "Scope", "normal", "plain"]

ASKING: ContextVar[Caller] = ContextVar("asking")
"""The caller of the present request, for an application inside the REST interface (MCP over HTTP)."""
OF_KEYS = Rate(a_second=200.0, at_once=400)
OF_ADDRESSES = Rate(a_second=300.0, at_once=600)
OF_ATTEMPTS = Rate(a_second=0.1, at_once=10)
"""Limit of attempts with invalid keys from one IP address: ten at once, then one every ten seconds. A valid key is
admitted even beyond it, so that nobody can lock out others who share the address, who may want to halt the bot."""
HALTING = "PUT /v1/halt"
"""The one request that is admitted even when the key's quota is used up, or when its use cannot be recorded because
another program holds the keys."""
AUDIT_SECONDS = 60
MOST_PLACES = 10_000
"""Most pairs of (key, place) that are kept in memory."""
MOST_NOTED = 500
"""Most different lines of the audit within a minute; further ones are counted together in one line."""


class Refused(YieldbotError):
    """A request without a valid key, or beyond a rate limit."""

    def __init__(self, status: int, message: str, left: Left | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status: 401 without a valid key, 429 beyond a rate limit."""
        self.left = left
        """What the caller has left; None: no limit was hit."""


class Admission:
    """Authenticates callers and applies their rate limits. Not thread-safe: used by one thread."""

    def __init__(
        self,
        ring: KeyRing,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """now: returns unix seconds; clock: returns monotonic seconds."""
        self._ring, self._now, self._clock = ring, now, clock
        self._keys, self._addresses, self._attempts = Buckets(OF_KEYS), Buckets(OF_ADDRESSES), Buckets(OF_ATTEMPTS)
        self._noted: dict[tuple[str, str, str, str], int] = {}
        self._quotas = Quotas(ring)
        self._usage, self._places = Usage(), OrderedDict[tuple[str, str], None]()

    def admit(self, header: str | None, address: str, what: str) -> tuple[Caller, Left]:
        """The caller behind an ``Authorization`` header, and what it has left. Raises Refused.

        address: the caller's IP address; what: method and resource, for the audit.
        """
        clock = self._clock()
        self.admit_anybody(address, what)
        key = self._checked(header, address, what)
        if (left := self._keys.take(key.name, clock)).refused:
            self.note(key.name, address, what, "429")
            raise Refused(429, f"too many requests of key {key.name}", left)
        if key.quota is not None:
            today = self._quotas.take(key.name, key.quota, self._now(), always=what == HALTING)
            if today.refused:
                self.note(key.name, address, what, "429 quota")
                words = f"key {key.name} has used its {key.quota} requests of today: it may ask again at 00:00 UTC"
                raise Refused(429, words, today)
            left = min(left, today, key=lambda one: one.remaining)
        with _unrecorded(what):
            self._watch(key.name, address)
        return key.caller, left

    def admit_anybody(self, address: str, what: str) -> Left:
        """What an IP address has left of its rate limit, for requests that need no key. Raises Refused (429)."""
        if (left := self._addresses.take(place_of(address), self._clock())).refused:
            self.note("nobody", address, what, "429")
            raise Refused(429, "too many requests from this address", left)
        return left

    def wrong(self, address: str, what: str, why: str) -> Refused:
        """The refusal of an attempt that proved nothing, such as a passkey that is in no register: 401, or 429 where
        too many came from there. The attempt is counted and added to the audit."""
        if (left := self._attempts.take(place_of(address), self._clock())).refused:
            self.note("nobody", address, what, "429 wrong keys")
            return Refused(429, "too many attempts with keys that are not valid", left)
        self.note("nobody", address, what, f"401 {why}")
        return Refused(401, why)

    def need(self, caller: Caller, scope: Scope, address: str, what: str) -> None:
        """Raises Forbidden, and adds a line to the audit, if the caller lacks this scope."""
        try:
            caller.need(scope)
        except Forbidden:
            self.note(caller.name, address, what, f"403 no scope {scope}")
            raise

    def living(self, prefixes: Collection[str]) -> frozenset[str]:
        """Those of these keys (by prefix) that are valid now; each is recorded as used, unless another program
        holds the keys: a person's page goes on."""
        now = int(self._now())
        found = [one for one in self._ring.those(prefixes) if one.ended(now) is None]
        with suppress(KeysHeld):
            for one in found:
                self._ring.used(one, now)
        return frozenset(one.prefix for one in found)

    def note(self, by: str, address: str, what: str, outcome: str, times: int = 1) -> None:
        """Add a line to the audit; equal lines are counted as one until ``taken`` returns them."""
        line = (by, address, what, outcome)
        if line not in self._noted and len(self._noted) >= MOST_NOTED:
            line = ("many", "", "requests of many kinds", "refused")
        self._noted[line] = self._noted.get(line, 0) + times

    @property
    def noted(self) -> bool:
        """Whether there are lines that ``taken`` would return."""
        return bool(self._noted)

    def taken(self) -> tuple[AccessNoted, ...]:
        """Removes and returns the lines added since the last call; pass those that cannot be written to ``note``
        again."""
        lines = tuple(
            AccessNoted(by=by, where=where, what=what, outcome=outcome, times=times)
            for (by, where, what, outcome), times in self._noted.items()
        )
        self._noted.clear()
        return lines

    def close(self) -> None:
        """Write the exact counts of quotas. Raises InvariantError."""
        self._quotas.close()

    def _watch(self, name: str, address: str) -> None:
        """Add lines to the audit for the first use of a key from a new place, and for a spike in its use."""
        now = self._now()
        if (usual := self._usage.spike(name, now)) is not None:
            self.note(name, address, f"many requests, usually {usual:z.0f} a minute", SPIKE)
        if (known := (name, place_of(address))) in self._places:
            return
        if self._ring.from_new_place(*known, int(now)):
            self.note(name, address, "the first request from there", NEW_PLACE)
        self._places[known] = None
        while len(self._places) > MOST_PLACES:
            self._places.popitem(last=False)

    def _checked(self, header: str | None, address: str, what: str) -> StoredKey:
        scheme, _, text = (header or "").partition(" ")
        shown = parts(text.strip()) if scheme.lower() == "bearer" else None
        now = int(self._now())
        if shown is not None:
            stored = self._ring.find(shown[0])
            why = refused(stored, shown[1], address, now)
            if why is None and stored is not None:
                with _unrecorded(what):
                    self._ring.used(stored, now)
                return stored
        else:
            why = "no key: send the header `Authorization: Bearer yb_...`"
        raise self.wrong(address, what, why or "no such key")


def _unrecorded(what: str) -> AbstractContextManager[None]:
    """Context in which a halt goes on even if the key's use cannot be recorded now."""
    return suppress(KeysHeld) if what == HALTING else nullcontext()
