"""A Solana cluster as it was: no node tells that."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from yieldbot.chains.ports import PastBalances
from yieldbot.errors import ConfigError
from yieldbot.model.settings import Job


def open_past(job: Job) -> AbstractAsyncContextManager[PastBalances]:
    """Raises ConfigError: nodes keep the newest state of an account and no earlier one."""
    raise ConfigError(
        f"{job.chain.name}: Solana's nodes keep no account's past: `yieldbot observe` on cron remembers from now on"
    )
