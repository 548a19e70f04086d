"""Makes the ``Wiring`` that a cycle runs in from a use case's context, and selects jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.keyfile import check_private
from yieldbot.execution.passphrases import passphrase
from yieldbot.model.dataclass import dataclass
from yieldbot.model.settings import KmsKey, LedgerKey, SafeOwner
from yieldbot.model.spelling import did_you_mean, intended

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from yieldbot.app.context import Context
    from yieldbot.chains.evm.signing.ledger import Transport
    from yieldbot.execution.approvals import Approver
    from yieldbot.execution.file_signer import Openable
    from yieldbot.execution.world import SignerOf, Wiring
    from yieldbot.journal.store import Journal
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import Job, Wallet
    from yieldbot.model.tx import ApprovedTx, SignedTx

JOURNAL = "journal.sqlite"
OPENING = {
    "keystore": "opening the keystore",
    "kms": "asking AWS KMS for the key",
    "ledger": "asking the Ledger for the address",
    "safe": "opening the key of an owner",
}
"""Progress line while a signer is opened, by the kind of its wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Selects configured jobs; None matches any."""

    wallet: str | None = None
    """A wallet's name."""
    chain: str | None = None
    """A chain's name."""
    asset: str | None = None
    """A token's symbol."""


def jobs_of(wanted: JobFilter, context: Context) -> tuple[Job, ...]:
    """The selected jobs. Raises ConfigError where none matches, or one has no RPC URL."""
    jobs = named_jobs(wanted, context)
    for job in jobs:
        needs_node(job, context)
    return jobs


def needs_node(job: Job, context: Context) -> None:
    """Raises ConfigError for a job whose chain has no RPC URL."""
    if not job.chain.rpc_urls:
        raise ConfigError(
            f"{context.settings.source.parent / '.env'}: {job.chain.rpc_env}: is not set: put the RPC URL of "
            f"{job.chain.name} there, or into the environment"
        )


def named_jobs(wanted: JobFilter, context: Context) -> tuple[Job, ...]:
    """The selected jobs, for a command that needs no node. Raises ConfigError if none matches."""
    every = context.settings.jobs
    if not every:
        raise ConfigError(f"{context.config}: jobs: there is none: add a [[jobs]] table with wallet, chain and asset")
    jobs = every
    for name in ("wallet", "chain", "asset"):
        one = getattr(wanted, name)
        if one is None:
            continue
        known = sorted({called for job in every for called in _called(job, name)})
        found = intended(one, known)
        if found is None:
            raise ConfigError(f"--{name} {one}: no job has it; {did_you_mean(one, known)}")
        jobs = tuple(job for job in jobs if found in _called(job, name))
    if not jobs:
        raise ConfigError("no job has this wallet, chain and asset together: see [[jobs]]")
    return jobs


def _called(job: Job, part: str) -> tuple[str, ...]:
    """The names by which a filter can select a job; a job with several assets by any of their symbols."""
    if part == "asset":
        return tuple(token.symbol for token in job.assets)
    return (job.wallet.name if part == "wallet" else job.chain.name,)


@contextmanager
def world_of(
    context: Context,
    approver_of: Callable[[Journal], Approver],
    signer_of: SignerOf | None = None,
    say: Callable[[str], None] | None = None,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
    settles: bool = True,
) -> Iterator[Wiring]:
    """The ``Wiring`` of one command, with its journal open.

    ``approver_of``: makes the approver; ``signer_of``: the signers, by default the wallets' own; ``say``: reports
    progress, by default the context's; ``opens``: whether a wallet's signer is opened before its plan is rehearsed,
    instead of at the first signature; ``settles``: see ``Wiring``. Raises ConfigError and InvariantError for a journal
    that cannot be used.
    """
    from yieldbot.execution.world import Wiring

    settings = context.settings
    own = signers(context)

    async def open_key(wallet: Wallet) -> None:
        if not opens(wallet) or (signer := own(wallet)).opened:
            return
        context.say(f"{OPENING[wallet.kind]} of wallet {wallet.name}")
        given = wallet.passphrase_file is not None or context.gives(wallet.passphrase_env or "")
        if wallet.kind == "keystore" and given:  # nobody is asked: beside other accounts' work
            import asyncio

            await asyncio.get_running_loop().run_in_executor(_openers(), signer.open)
        else:
            signer.open()

    file = settings.data_dir / JOURNAL
    if file.is_file() and not file.stat().st_size:
        context.say(
            f"journal {file} is empty: a new one is started; if it had entries, stop now and restore it from a backup"
        )
    from yieldbot.journal.store import Journal

    with Journal.open(file) as journal:
        yield Wiring(
            settings=settings,
            journal=journal,
            approver=approver_of(journal),
            signer_of=signer_of or (lambda wallet: own(wallet)),
            open_key=open_key,
            now=lambda: int(time.time()),
            say=say or context.say,
            settles=settles,
        )
        from yieldbot.app.kept_books import keep

        keep(journal)


@cache
def _openers() -> ThreadPoolExecutor:
    """Threads that open keystores: as many as may be opened at once."""
    from concurrent.futures import ThreadPoolExecutor

    from yieldbot.execution.slots import keys_at_once

    return ThreadPoolExecutor(keys_at_once(), thread_name_prefix="keystore")


def signers(context: Context) -> Callable[[Wallet], Openable]:
    """A function that makes the signer of a wallet. The signer uses no network or device and asks for no passphrase
    before it is opened or signs."""
    device = ledger()

    @contextmanager
    def at_the_device(words: str) -> Iterator[None]:
        context.say(f"confirm on the Ledger: {words}")
        with context.waiting():
            yield

    @cache  # one signer for a wallet with several jobs: its passphrase is asked for once
    def signer_of(wallet: Wallet) -> Openable:
        match wallet.held:
            case KmsKey():
                from yieldbot.chains.evm.signing.kms import KmsSigner

                return KmsSigner(wallet.held, wallet.address)
            case LedgerKey():
                from yieldbot.chains.evm.signing.ledger import LedgerSigner

                return LedgerSigner(wallet.held, wallet.address, device, at_the_device)
            case SafeOwner():
                return signer_of(context.settings.wallets[wallet.held.wallet])
            case None:
                from yieldbot.chains.keystores import key_signer

                give = passphrase(wallet, context.environment, context.secret)

                def ask() -> str:
                    passphrases_in_env(context)
                    return give()

                return key_signer(wallet, ask)

    return signer_of


def ledger() -> Transport:
    """The transport to the Ledger, not opened yet."""
    from yieldbot.chains.evm.signing.ledger_hid import HidTransport

    return HidTransport()


def passphrases_in_env(context: Context, name: str | None = None) -> Path | None:
    """The .env file, if it holds a passphrase (the variable ``name``; by default any wallet's), else None.

    Raises ConfigError if it does and other users can read or change it.
    """
    from yieldbot.config.load import env_file

    file, written = env_file(context.config)
    names = {name} if name else {wallet.passphrase_env for wallet in context.settings.wallets.values()}
    if not written.keys() & names:
        return None
    check_private(file)
    return file


def keyed_urls_in_env(context: Context) -> Path | None:
    """The .env file, if it holds an RPC URL of the jobs' chains with more than a host (such as a provider's key); else
    None.

    Raises ConfigError if it does and other users can read or change it.
    """
    from yieldbot.config.load import env_file

    file, written = env_file(context.config)
    names = {name for chain in context.settings.chains.values() for name in (chain.rpc_env, chain.submit_rpc_env)}
    urls = [url for name in names & written.keys() for url in written[str(name)].replace(",", " ").split()]
    parts = [urlsplit(url) for url in urls]  # well-formed: the configuration is loaded
    if not any(one.path.strip("/") or one.query or one.fragment or one.username for one in parts):
        return None
    check_private(file)
    return file


class Keyless:
    """The signer of a command that signs nothing. It reads no keystore; ``sign`` raises SafetyError."""

    def __init__(self, wallet: Wallet) -> None:
        self._address = wallet.address

    @property
    def address(self) -> Address:
        return self._address

    def sign(self, approved: ApprovedTx) -> SignedTx:
        raise SafetyError("NO_KEY", "this command holds no key: use `yieldbot run`")
