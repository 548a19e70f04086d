"""The port ``chains/ports.Chain`` for EVM chains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from yieldbot.chains.evm import account_history, allowances, check_accounts
from yieldbot.chains.evm import check as checks
from yieldbot.chains.evm.archive import open_archive
from yieldbot.chains.evm.decode import describer
from yieldbot.chains.evm.discover import discover
from yieldbot.chains.evm.execution.clear import KnownNames
from yieldbot.chains.evm.execution.rehearsal import RehearsedTx
from yieldbot.chains.evm.execution.revoke import rehearse_revocations, revoke
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.quotes import read_quotes
from yieldbot.chains.evm.session import account_of, open_session, open_watch
from yieldbot.model.dataclass import dataclass
from yieldbot.model.native import native_token
from yieldbot.model.plan import Declined
from yieldbot.model.tx import NO_ROLLUP_FEE

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.books.chain_record import ChainRecord
    from yieldbot.books.entries import Entry
    from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
    from yieldbot.chains.discovered import Discovered
    from yieldbot.chains.evm.execution.account import Account
    from yieldbot.chains.findings import Finding
    from yieldbot.chains.ports import AccountHistoryRequest, ArchiveWatch, Revocation, Rights, Session, Watch
    from yieldbot.chains.quote_values import QuoteInputs
    from yieldbot.execution.world import Wiring
    from yieldbot.history.found_store import FoundStore
    from yieldbot.journal.fold import StoredTx
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings, Job, Wallet
    from yieldbot.model.tx import Outcome


@dataclass(frozen=True, slots=True)
class Chain:
    """One EVM chain of chains/*.toml."""

    settings: ChainSettings
    """The chain's settings."""

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
        async with connect(self.settings) as node:
            await node.verify_chain()
            yield _Rights(account_of(world, job, node), since, say)

    async def quotes(self, given: Token, wanted: Token) -> QuoteInputs:
        return await read_quotes(self.settings, given, wanted)

    async def account_history(
        self, jobs: Sequence[Job], entries: Sequence[Entry], request: AccountHistoryRequest
    ) -> ChainRecord:
        return await account_history.fetch_account_history(jobs, entries, request)

    def describer(self, owner: Address, folder: Path, say: Callable[[str], None]) -> Callable[[object], list[str]]:
        return describer(self.settings, owner, folder, say)

    async def check_account(self, job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
        return [*await check_accounts.safe(job, wallets), *await check_accounts.funds_of(job, wallets)]

    async def check_given_up(self, owner: Address, transactions: Sequence[StoredTx]) -> list[Finding]:
        return await check_accounts.given_up(self.settings, owner, transactions)

    async def discover(
        self, store: FoundStore, near: Collection[Token], now: int, say: Callable[[str], None]
    ) -> Discovered:
        return await discover(self.settings, store, near, now, say)

    async def newest(self) -> BlockRef:
        async with connect(self.settings) as node:
            return await node.block()

    async def check(self) -> list[Finding]:
        return await checks.findings(self.settings)


@dataclass(slots=True)
class _Rights:
    """See ``chains/ports.Rights``."""

    account: Account
    """The account whose allowances are listed."""
    since: int
    """Block from which Approval events are read."""
    say: Callable[[str], None]
    """Called with lines of progress."""
    block: BlockRef | None = None
    """Block at which the allowances were read; None: not read yet."""

    async def find(self) -> AllowanceList:
        settings = self.account.settings
        names = KnownNames.of(settings, native_token(settings)).names
        owner, node = self.account.owner, self.account.node
        found = await allowances.find(node, settings, owner, names, since=self.since, say=self.say)
        self.block = found.block
        return found

    async def rehearse(self, chosen: Sequence[GrantedAllowance]) -> list[Revocation | Declined]:
        if not chosen or self.block is None:
            return []
        return list(await rehearse_revocations(self.account, chosen, self.block))

    async def settle(self) -> None:
        await settle(self.account)

    def beside(self, tried: Sequence[Revocation | Declined]) -> tuple[str, ...]:
        fees = [tx.rollup for tx in tried if isinstance(tx, RehearsedTx)]
        return sum(fees, NO_ROLLUP_FEE).words(self.account.native)

    async def revoke(self, given: GrantedAllowance, index: int, rehearsed: Revocation) -> Outcome | Declined:
        assert isinstance(rehearsed, RehearsedTx)  # what ``rehearse`` gave
        return await revoke(self.account, given, index, rehearsed)
