"""``signer``: checks before it starts, and opens its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.signer_intake import Intake
from yieldbot.app.wiring import JOURNAL, keyed_urls_in_env, passphrases_in_env
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import check_private
from yieldbot.execution.lock import only_one
from yieldbot.execution.passphrases import is_given
from yieldbot.execution.register import REGISTER, read_register
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import refuse_if_others_change

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import Wallet

SOCKET = Path("/run/yieldbot/signer.sock")
LOCK = "signer.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRequest:
    """Where the signer listens, and who may connect."""

    socket: Path = SOCKET
    """The Unix socket."""
    group: str | None = None
    """Group whose members may connect; None: the signer's own."""
    allow: tuple[str, ...] = ()
    """Users (names or numbers) that may connect, in addition to the signer's own user and root; empty: whoever the
    socket's file mode admits."""
    every_seconds: float = 60.0
    """Seconds between two attempts while a plan or an open transaction waits."""

    @property
    def group_id(self) -> int | None:
        """The group's number. Raises ConfigError for an unknown one."""
        import grp

        if self.group is None:
            return None
        try:
            return int(self.group) if self.group.isdecimal() else grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise ConfigError(f"--group {self.group}: there is no such group") from None

    @property
    def allowed_ids(self) -> frozenset[int] | None:
        """The numbers of these users, our own and root's; None: no user is refused. Raises ConfigError for an unknown
        one."""
        import os
        import pwd

        if not self.allow:
            return None
        found = {0, os.geteuid()}
        for name in self.allow:
            try:
                found.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
            except KeyError:
                raise ConfigError(f"--allow {name}: there is no such user") from None
        return frozenset(found)


@contextmanager
def opened(context: Context, request: SignerRequest) -> Iterator[Intake]:
    """The signer's intake, with its journal open and a lock that keeps other signers from the same data directory.

    Raises ConfigError where it must not start, and YieldbotError where another one runs.
    """
    check(context)
    settings = context.settings
    _ = request.group_id, request.allowed_ids
    for chain in settings.chains.values():
        if not chain.rpc_urls:
            context.complain(f"{chain.rpc_env} is not set: nothing can be done on {chain.name}")
    with only_one(settings.data_dir, LOCK, "signer"), Journal.open(settings.data_dir / JOURNAL) as journal:
        refuse_if_others_change(settings.data_dir / JOURNAL, "the journal")
        lacking = settings.policy.approvals_needed - len(read_register(settings.data_dir))
        if lacking > 0:
            context.complain(
                f"{settings.data_dir / REGISTER}: {lacking} more persons must be in it: `yieldbot approver add`"
            )
        yield Intake(context, journal)


def check(context: Context) -> None:
    """Raises ConfigError for a configuration with which the signer must not run."""
    settings = context.settings
    if not settings.policy.approvals_needed:
        raise ConfigError(
            f"{settings.source}: policy.approvals_needed is 0: the signer carries out only what persons sign: set it "
            "to 1 or more, then `yieldbot approver add`"
        )
    if not settings.jobs:
        raise ConfigError(f"{settings.source}: jobs: there is none: the signer serves the accounts of its jobs")
    passphrases_in_env(context)
    keyed_urls_in_env(context)
    for wallet in dict.fromkeys(job.wallet for job in settings.jobs):
        _refuse_key(wallet, context)


def _refuse_key(wallet: Wallet, context: Context) -> None:
    """Raises ConfigError for a keystore that others can read, or whose passphrase somebody would have to type."""
    if wallet.held is not None:
        return
    if not is_given(wallet, context.environment):
        raise ConfigError(
            f"wallet {wallet.name}: nobody can be asked for its passphrase here: name a passphrase_file (mode 0600) "
            "or a passphrase_env"
        )
    for file in (wallet.keystore, wallet.passphrase_file):
        if file is not None:
            check_private(file)
