"""The port ``chains/ports.Chain`` for Solana clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.chains.solana import account_history, check_accounts
from yieldbot.chains.solana import check as checks
from yieldbot.chains.solana.allowances import find
from yieldbot.chains.solana.archive import open_archive
from yieldbot.chains.solana.discover import discover
from yieldbot.chains.solana.execution.clear import KnownNames
from yieldbot.chains.solana.execution.rehearsal import RehearsedTx
from yieldbot.chains.solana.execution.revoke import authority_of, rehearse_revocations, revoke
from yieldbot.chains.solana.execution.settle import settle
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.chains.solana.quotes import read_quotes
from yieldbot.chains.solana.session import account_of, open_session, open_watch
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Declined

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.books.chain_record import ChainRecord
    from yieldbot.books.entries import Entry
    from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
    from yieldbot.chains.discovered import Discovered
    from yieldbot.chains.findings import Finding
    from yieldbot.chains.ports import AccountHistoryRequest, ArchiveWatch, Revocation, Rights, Session, Watch
    from yieldbot.chains.quote_values import QuoteInputs
    from yieldbot.chains.solana.execution.account import Account
    from yieldbot.execution.world import Wiring
    from yieldbot.history.found_store import FoundStore
    from yieldbot.journal.fold import StoredTx
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings, Job, Wallet
    from yieldbot.model.tx import Outcome


@dataclass(frozen=True, slots=True)
class Chain:
    """One Solana cluster of chains/*.toml."""

    settings: ChainSettings
    """The cluster's settings."""

    def watch(self, job: Job) -> AbstractAsyncContextManager[Watch]:
        return open_watch(job)

    def archive(self, job: Job) -> AbstractAsyncContextManager[ArchiveWatch]:
        return open_archive(job)

    def session(self, world: Wiring, job: Job) -> AbstractAsyncContextManager[Session]:
        return open_session(world, job)

    @asynccontextmanager
    async def rights(
        self, world: Wiring, job: Job, wallets: Collection[Wallet], since: int, say: Callable[[str], None]
    ) -> AsyncIterator[Rights]:
        async with connect(self.settings) as nodes:
            await nodes.verify_chain()
            yield _Rights(world, job, nodes, {wallet.address: wallet for wallet in wallets})

    async def quotes(self, given: Token, wanted: Token) -> QuoteInputs:
        return await read_quotes(self.settings, given, wanted)

    async def account_history(
        self, jobs: Sequence[Job], entries: Sequence[Entry], request: AccountHistoryRequest
    ) -> ChainRecord:
        return await account_history.fetch_account_history(jobs, entries, request)

    def describer(self, owner: Address, folder: Path, say: Callable[[str], None]) -> Callable[[object], list[str]]:
        return lambda tx: []

    async def check_account(self, job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
        return await check_accounts.funds_of(job, wallets)

    async def check_given_up(self, owner: Address, transactions: Sequence[StoredTx]) -> list[Finding]:
        return []  # what is given up expires

    async def discover(
        self, store: FoundStore, near: Collection[Token], now: int, say: Callable[[str], None]
    ) -> Discovered:
        return await discover(self.settings, store, near, now, say)

    async def newest(self) -> BlockRef:
        async with connect(self.settings) as nodes:
            return await nodes.nodes[0].block()

    async def check(self) -> list[Finding]:
        return await checks.findings(self.settings)


@dataclass(slots=True)
class _Rights:
    """See ``chains/ports.Rights``."""

    world: Wiring
    """The run's wiring."""
    job: Job
    """A job of the account whose rights are listed."""
    nodes: Quorum
    """The cluster's nodes."""
    wallets: Mapping[Address, Wallet]
    """Our wallets by address; they may be close authorities."""
    signers: dict[Address, Account] = field(default_factory=dict)
    """Accounts that sign revocations, by address."""

    async def find(self) -> AllowanceList:
        book = KnownNames.of(self.job.chain)
        own = {wallet.address: f"wallet {wallet.name}" for wallet in self.wallets.values()}
        names = {**book.markets, **book.programs, **own}
        return await find(self.nodes, self.job.chain, self.job.wallet.address, names)

    async def settle(self) -> None:
        """Does nothing: the signers are only known from ``rehearse`` on, which settles their accounts."""

    async def rehearse(self, chosen: Sequence[GrantedAllowance]) -> list[Revocation | Declined]:
        owner = self.job.wallet.address
        for authority in {authority_of(given, owner) for given in chosen} & self.wallets.keys():
            job = replace(self.job, wallet=self.wallets[authority])
            self.signers[authority] = account_of(self.world, job, self.nodes)
            await settle(self.signers[authority])
        tried: list[Revocation | Declined] = []
        for given in chosen:
            if (account := self.signers.get(authority_of(given, owner))) is not None:
                tried += await rehearse_revocations(account, (given,))
                continue
            reason = f"{given.spender} alone can give that right up: move what is there to another account"
            tried.append(Declined("NOT_OURS", reason))
        return tried

    def beside(self, tried: Sequence[Revocation | Declined]) -> tuple[str, ...]:
        return ()

    async def revoke(self, given: GrantedAllowance, index: int, rehearsed: Revocation) -> Outcome | Declined:
        assert isinstance(rehearsed, RehearsedTx)  # what ``rehearse`` gave
        account = self.signers[authority_of(given, self.job.wallet.address)]
        return await revoke(account, given, index, rehearsed)
