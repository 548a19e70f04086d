"""What bars an account from sending anything more, on any chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.account import Account
from yieldbot.errors import PendingError
from yieldbot.model.plan import Declined

if TYPE_CHECKING:
    from yieldbot.chains.solana.execution.account import SvmAccount


def barred(account: Account | SvmAccount) -> Declined | None:
    """Stopped accounts sign nothing; an open transaction must be settled first (PendingError)."""
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot is halted ({reason}): `yieldbot resume` lifts it")
    key = (account.settings.chain, account.owner)
    if (reason := account.journal.stopped_accounts().get(key)) is not None:
        return Declined("ACCOUNT_STOPPED", f"account {account.owner} is stopped: {reason}")
    open_ones = account.journal.open_transactions(*key)
    if open_ones:
        raise PendingError(f"{open_ones[0].signed.hash} ({open_ones[0].signed.words}) is still open; run again")
    key_of = account.signer.address
    if key_of != account.owner and not (key_of.startswith("0x") and key_of.lower() == account.owner.lower()):
        return Declined("WRONG_KEY", f"the key is for {key_of}, the account is {account.owner}")
    return None
