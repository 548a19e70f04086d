"""The parts that a cycle is wired with. Live run, dry run and rehearsal differ only in these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from yieldbot.execution.approvals import Approver
from yieldbot.journal.store import Journal
from yieldbot.model.settings import Settings, Wallet


class SignerOf(Protocol):
    """Finds the signer of a wallet: the ``Signer`` of its chain's family."""

    def __call__(self, wallet: Wallet) -> Any:
        """The signer. It asks for no passphrase, AWS access or device before something is to be signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One wiring of the stages."""

    settings: Settings
    """The whole configuration."""
    journal: Journal
    """What was intended and signed."""
    approver: Approver
    """Approves or refuses plans."""
    signer_of: SignerOf
    """Finds each wallet's signer."""
    now: Callable[[], int]
    """The clock that plans expire by: unix seconds."""
    say: Callable[[str], None]
    """Prints a line of progress."""
    settles: bool = True
    """Whether this process settles open transactions; False: the signer does, and until then nothing is planned."""
    open_key: Callable[[Wallet], None] = lambda wallet: None
    """Called before a plan is rehearsed. It may open the wallet's signer, so that a wrong passphrase ends the job
    (ConfigError) before anything is approved."""
