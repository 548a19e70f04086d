"""Who is signed in at the page: sessions in memory, each behind a random id in a cookie.

A session ends by itself (8 hours after sign-in, 1 hour after its last request), with its key or approver, or with the
server. Its id is made anew at each sign-in, so that an id from before it is worth nothing afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app.admission import Caller
from yieldbot.app.passkey_sign_in import Approver
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import AnswerDocument

LONGEST_SECONDS = 8 * 3600
"""Seconds after which a person signs in again."""
IDLE_SECONDS = 3600
"""Seconds without a request after which a person signs in again."""
MOST = 1_000
"""Most sessions at a time; beyond them the one unused for longest ends."""


@dataclass(slots=True)
class Session:
    """A person who is signed in."""

    caller: Caller
    """The person's rights."""
    approver: Approver | None
    """The person of the register of approvers who signed in with a passkey; None: somebody with an API key did."""
    token: str
    """What forms of this session must send back, so that no other site can send them."""
    began: float
    """When it began, in seconds of the clock."""
    used: float
    """When its last request came, in seconds of the clock."""
    turns: list[AnswerDocument] = field(default_factory=list)
    """The conversation with the assistant, the newest last; it ends with the session."""


class Sessions:
    """All sessions of a server. Ids are stored as SHA-256 alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: returns monotonic seconds."""
        self._clock = clock
        self._open: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, caller: Caller, approver: Approver | None = None) -> str:
        """The id of a new session, for the cookie."""
        now, session_id = self._clock(), secrets.token_urlsafe(32)
        self._open[_stored(session_id)] = Session(caller, approver, secrets.token_urlsafe(32), now, now)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return session_id

    def find(self, session_id: str | None, *, counts: bool = True) -> Session | None:
        """The session with this id; None: there is none, or it has ended. counts: whether it counts as used now."""
        if not session_id or len(session_id) > 100:
            return None
        stored, now = _stored(session_id), self._clock()
        if (found := self._open.get(stored)) is None:
            return None
        if now - found.began > LONGEST_SECONDS or now - found.used > IDLE_SECONDS:
            del self._open[stored]
            return None
        if counts:
            found.used = now
            self._open.move_to_end(stored)
        return found

    def holds(self, session: Session) -> bool:
        """Whether a session has not ended; it does not count as used now."""
        now = self._clock()
        recent = now - session.began <= LONGEST_SECONDS and now - session.used <= IDLE_SECONDS
        return recent and any(one is session for one in self._open.values())

    def end(self, session_id: str | None) -> None:
        """End a session; unknown ids are ignored."""
        if session_id:
            self._open.pop(_stored(session_id), None)


def same(given: str, expected: str) -> bool:
    """Whether two tokens are equal, compared in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _stored(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()
