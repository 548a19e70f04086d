"""The port of a chain (protocols, typing), the same for all families. ``chains/open.py`` finds the chain; each family
implements the port in its ``chain.py``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.books.chain_record import ChainRecord, HandedOver, Quotes
    from yieldbot.books.entries import Entry
    from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
    from yieldbot.chains.discovered import Discovered
    from yieldbot.chains.findings import Finding
    from yieldbot.chains.quote_values import QuoteInputs
    from yieldbot.execution.approvals import Approval
    from yieldbot.execution.rehearsed import Rehearsed
    from yieldbot.execution.results import LegResult, Proposed
    from yieldbot.execution.world import Wiring
    from yieldbot.history.found_store import FoundStore
    from yieldbot.journal.fold import Record, StoredTx
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.controls import Dependency, Look
    from yieldbot.model.ids import Address, MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Declined, Plan
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import ChainSettings, Job, Wallet
    from yieldbot.model.tx import Outcome


class Watch(Protocol):
    """An open connection to one job's chain, for reading."""

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(host, reason) of each node whose answers were not believed."""

    @property
    def round_trips(self) -> int:
        """Number of requests made so far."""

    async def verify_chain(self) -> None:
        """Check the chain's id. Raises ConfigError if a node serves another chain, TransientError if fewer than a
        quorum answer."""

    async def observe(self, records: Sequence[Record] = (), full: Collection[MarketId] = ()) -> Snapshot:
        """Read every market of the job's assets, our positions and the fees, all at one block (on Solana within few
        slots). Of many markets only some are read in full: those that could matter, those of ``full``, those with our
        money, and those that this connection has read in full before. records: the journal's entries, which hold the
        ids of our open withdrawal requests."""

    async def look(
        self,
        snapshot: Snapshot,
        known: Mapping[str, Any],
        since: int | None,
        lost: Mapping[MarketId, Sequence[Dependency]],
        follow: Collection[str] = (),
    ) -> Look:
        """Who controls the contracts that the snapshot's markets depend on, at its block, and their events since the
        last look; what backs the markets, and deposits into and withdrawals from them.

        known: ``Look.known`` of the last look, or empty. since: the block of the last look; None: there was none. lost:
        the contracts of markets that the snapshot lacks; they are read too. follow: addresses all of whose deposits and
        withdrawals are reported. Raises TransientError.
        """

    async def with_exits(self, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
        """The snapshot with what the journal's entries say of its markets' exits, as long as the markets have not
        changed since."""


class Session(Watch, Protocol):
    """An open connection to one job's chain, for reading and for sending transactions."""

    async def settle(self) -> tuple[Outcome, ...]:
        """Find the outcomes of transactions that earlier runs left open. Raises PendingError while one stays open."""

    async def read_outcomes(self) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
        """Record the outcomes of open transactions that the chain shows by now. Nothing is signed or sent. Returns
        them, and for each transaction that stays open why, in one line."""

    async def rehearse(self, plan: Plan, snapshot: Snapshot, skip: Collection[int] = ()) -> Rehearsed | Declined:
        """Run the whole plan on a fork, but for the legs whose indexes are in ``skip``. Declined when it fails there or
        a rule refuses it."""

    def spend_at_most(self, plan: Plan, snapshot: Snapshot) -> None:
        """Limit the fees of each further transaction to the policy's fraction of the plan's gain."""

    async def execute(self, approval: Approval, index: int, snapshot: Snapshot) -> LegResult:
        """Execute the leg ``index`` of the approved plan, built from the newest snapshot."""

    async def refused(self, market_id: MarketId, reason: str, snapshot: Snapshot, *, on_chain: bool = False) -> None:
        """Journal that a deposit into the market did not come out again. on_chain: it was real money; else it happened
        on a fork."""

    async def hand_over(self, approval: Approval, snapshot: Snapshot) -> Proposed | Declined:
        """Sign the plan as one of a Safe's owners; the others must confirm it."""

    def block_text(self, block: BlockRef) -> str:
        """The block (or slot) as text."""


class Revocation(Protocol):
    """The revocation of one right, as it ran on a fork."""

    @property
    def description(self) -> str:
        """What it does, for the person who approves."""

    @property
    def gas_used(self) -> int:
        """Gas used on the fork; compute units on Solana."""


class Rights(Protocol):
    """An open connection that lists and revokes the rights of others over one account's tokens."""

    async def settle(self) -> None:
        """Settle the account's open transactions. Raises PendingError while one stays open."""

    async def find(self) -> AllowanceList:
        """List every allowance. Raises TransientError when the nodes cannot tell."""

    async def rehearse(self, chosen: Sequence[GrantedAllowance]) -> list[Revocation | Declined]:
        """Run each revocation on a fork; the reason for each that cannot be made."""

    def beside(self, tried: Sequence[Revocation | Declined]) -> tuple[str, ...]:
        """The revocations' fees in addition to their gas, a line each for a person."""

    async def revoke(self, given: GrantedAllowance, index: int, rehearsed: Revocation) -> Outcome | Declined:
        """Revoke one allowance. index: its position among the revocations of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHistoryRequest:
    """What to read of an account's history beyond its own entries. A family ignores what its chains do not provide."""

    ours: frozenset[str] = frozenset()
    """Hash of every transaction that the account signed, in lower case."""
    handed: HandedOver | None = None
    """Plans handed over to a Safe's owners; None: none."""
    checked: bool = True
    """Whether to read balances at the first and the last block and compare them with the entries."""
    also: Sequence[Token] = ()
    """Tokens whose price is to be read at every entry's block."""
    quotes: Quotes = field(default_factory=dict)
    """Prices at entries' blocks that are known already."""
    since: int | None = None
    """Block from which transfer events are read; None: from the first entry."""
    say: Callable[[str], None] = field(default=lambda line: None)
    """Called with lines of progress."""
    most_parts: int | None = None
    """Most log queries; None: the default limit."""
    snapshots: Sequence[Snapshot] | None = None
    """Snapshots of the jobs, if they exist already; None: observe again."""


class ArchiveWatch(Protocol):
    """Reads one wallet's markets on one chain at past blocks, through an archive node."""

    @property
    def round_trips(self) -> int:
        """Requests made so far."""

    async def verify_chain(self) -> None:
        """See ``Watch.verify_chain``."""

    async def newest(self) -> BlockRef:
        """The newest block. Raises TransientError if no node answers."""

    async def block_before(self, moment: int, slack_seconds: int = 0) -> BlockRef | None:
        """The last block at or before a time (unix seconds), or one that is at most ``slack_seconds`` before it. None
        if the chain is younger."""

    async def observe(self, block: BlockRef) -> Snapshot:
        """Every market at that block. Raises NodeRefused if the node does not have its state, TransientError or
        ConfigError if what prices need did not exist then."""


class Chain(Protocol):
    """One chain of chains/*.toml."""

    @property
    def settings(self) -> ChainSettings:
        """The chain's settings."""

    def watch(self, job: Job) -> AbstractAsyncContextManager[Watch]:
        """Open the chain for reading the job's account."""

    def archive(self, job: Job) -> AbstractAsyncContextManager[ArchiveWatch]:
        """The job's account in the past. Raises ConfigError if no node of the family can tell."""

    def session(self, world: Wiring, job: Job) -> AbstractAsyncContextManager[Session]:
        """Open the chain for reading, and for sending the job's account's transactions."""

    def rights(
        self, world: Wiring, job: Job, wallets: Collection[Wallet], since: int, say: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Rights]:
        """Open the chain for listing and revoking the allowances of the job's account. wallets: all of ours, whose
        names are shown. since: block from which Approval events are read (EVM chains)."""

    async def quotes(self, given: Token, wanted: Token) -> QuoteInputs:
        """Read all pools of the chain's tokens at one block, and independent prices of ``given`` and ``wanted``."""

    async def account_history(
        self, jobs: Sequence[Job], entries: Sequence[Entry], request: AccountHistoryRequest
    ) -> ChainRecord:
        """Read the history of the jobs' common account. entries: the account's entries by the journal. Raises
        TransientError."""

    def describer(self, owner: Address, folder: Path, say: Callable[[str], None]) -> Callable[[object], list[str]]:
        """A function that describes a rehearsed transaction of the owner by its target's ERC-7730 descriptor; it
        returns no lines if there is no descriptor. folder: the descriptors' folder. say: called with a line for each
        one that cannot be read."""

    async def check_account(self, job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
        """Check that the job's account is what its wallet's kind says (a Safe, with our signer among its owners), and
        has funds. wallets: all of ours, by name."""

    async def check_given_up(self, owner: Address, transactions: Sequence[StoredTx]) -> list[Finding]:
        """Findings about signed transactions of the account that were given up but could still be mined. transactions:
        all of the account's, from the journal."""

    async def discover(
        self, store: FoundStore, near: Collection[Token], now: int, say: Callable[[str], None]
    ) -> Discovered:
        """Read every registry of the chain's file at one block, and store what they list; and, where exchanges have
        factories, the pools of one of ``near`` and another token of the file, which are not stored. now: unix seconds.
        say: called with lines of progress. Raises TransientError if the chain cannot be read, ConfigError if the store
        cannot be used."""

    async def newest(self) -> BlockRef:
        """The chain's newest block. Raises TransientError if it cannot be read."""

    async def check(self) -> list[Finding]:
        """Check that nodes, tokens, feeds, markets and exchanges are as the chain's file says."""
