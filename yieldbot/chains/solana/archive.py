"""Past state of a Solana cluster, which no node provides."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from yieldbot.chains.ports import ArchiveWatch
from yieldbot.errors import ConfigError
from yieldbot.model.settings import Job


def open_archive(job: Job) -> AbstractAsyncContextManager[ArchiveWatch]:
    """Raises ConfigError: nodes only keep the newest state of an account."""
    raise ConfigError(
        f"{job.chain.name}: Solana's nodes keep no account's past: `yieldbot observe` on cron remembers from now on"
    )
