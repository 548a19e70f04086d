"""Signing in at the page with a passkey of the register of approvers: challenges that are used once, and who answered
one."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from yieldbot.access.approvers import SIGN_IN, Approver
from yieldbot.access.caller import Caller, Scope
from yieldbot.access.usage import place_of
from yieldbot.errors import YieldbotError
from yieldbot.execution.register import read_register

if TYPE_CHECKING:
    from yieldbot.app.context import Context

__all__ = ["Approver", "Challenges", "caller", "person_of", "registered"]

VALID_SECONDS = 120
"""Seconds in which a challenge must be answered."""
MOST, MOST_OF_PLACE = 5_000, 50
"""Most challenges that are open, of all callers and of one network; beyond them the oldest ends."""
RIGHTS = frozenset((Scope.READ, Scope.PLAN, Scope.APPROVE, Scope.HALT))
"""What a person of the register may do at the page. Signatures approve plans, whatever a session's rights."""


class Challenges:
    """Challenges that were given out and not yet answered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: returns monotonic seconds."""
        self._clock = clock
        self._open: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def new(self, address: str) -> bytes:
        """A new challenge for a caller at this IP address."""
        place, made = place_of(address), SIGN_IN + secrets.token_bytes(32)
        own = [one for one, (other, _) in self._open.items() if other == place]
        if len(own) >= MOST_OF_PLACE:
            del self._open[own[0]]
        self._open[made] = (place, self._clock())
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return made

    def take(self, challenge: bytes) -> bool:
        """Whether this challenge is open; from now on it is not."""
        found = self._open.pop(challenge, None)
        return found is not None and self._clock() - found[1] <= VALID_SECONDS


def person_of(challenge: bytes, assertion: str, origin: str, context: Context) -> Approver | None:
    """The person of the register whose passkey answered this challenge on the page of this origin; None: nobody. The
    caller has taken the challenge from ``Challenges``. Raises as ``read_register``."""
    for one in read_register(context.settings.data_dir).values():
        if one.origin == origin and challenge.startswith(SIGN_IN) and one.answered(challenge, assertion):
            return one
    return None


def caller(person: Approver) -> Caller:
    """The person as a caller."""
    return Caller(f"{person.name} (passkey)", RIGHTS)


def registered(person: Approver, context: Context) -> bool:
    """Whether the person is still in the register with the same key. A register that cannot be read has nobody."""
    try:
        return read_register(context.settings.data_dir).get(person.name) == person
    except YieldbotError:
        return False
