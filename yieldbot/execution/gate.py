"""Whether an account may send transactions now, on any chain."""

from __future__ import annotations

from typing import Any, Protocol

from yieldbot.errors import PendingError
from yieldbot.journal.store import Journal
from yieldbot.model.families import family_of_address
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.plan import Declined, Plan


class _Chain(Protocol):
    @property
    def chain(self) -> ChainId:
        """The chain's CAIP-2 id."""


class _Key(Protocol):
    @property
    def address(self) -> Address:
        """The key's address."""


class Sender(Protocol):
    """An account that sends transactions: the ``Account`` of either chain family."""

    @property
    def settings(self) -> _Chain:
        """The chain's settings."""

    @property
    def owner(self) -> Address:
        """The account's address."""

    @property
    def journal(self) -> Journal:
        """What was intended and signed."""

    @property
    def signer(self) -> _Key:
        """Holds the account's key."""

    @property
    def halted(self) -> Any:
        """A function without arguments: why the kill switch is set (execution/halt.py), None while it is not."""


def barred(account: Sender, plan: Plan | None = None) -> Declined | None:
    """Why the account may not sign: HALTED, ACCOUNT_STOPPED or WRONG_KEY (the signer holds another account's key); None
    if it may. Raises PendingError while one of its transactions is open: settle that first.

    plan: the plan that is to be signed. An account that was stopped only because of a loss may still leave markets
    (``is_exit``).
    """
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot is halted ({reason}): `yieldbot resume` lifts it")
    key = (account.settings.chain, account.owner)
    leaves = plan is not None and plan.is_exit
    stopped = account.journal.faulted_accounts() if leaves else account.journal.stopped_accounts()
    if (reason := stopped.get(key)) is not None:
        return Declined("ACCOUNT_STOPPED", f"account {account.owner} is stopped: {reason}")
    open_ones = account.journal.open_transactions(*key)
    if open_ones:
        raise PendingError(f"{open_ones[0].signed.hash} ({open_ones[0].signed.words}) is still open; run again")
    key_of = account.signer.address
    spelled = family_of_address(key_of).address_key
    if key_of != account.owner and spelled(key_of) != spelled(account.owner):
        return Declined("WRONG_KEY", f"the key is for {key_of}, the account is {account.owner}")
    return None
