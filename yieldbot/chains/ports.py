"""What is asked of a chain, whatever its family. ``chains/open.py`` finds the chain; each wing has a ``chain.py``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.books.chain_record import ChainRecord, HandedOver
    from yieldbot.books.entries import Entry
    from yieldbot.chains.allowances import Found, Given
    from yieldbot.chains.findings import Finding
    from yieldbot.chains.quote_values import Read
    from yieldbot.execution.approvals import Approval
    from yieldbot.execution.rehearsed import Rehearsed
    from yieldbot.execution.results import LegResult, Proposed
    from yieldbot.execution.world import World
    from yieldbot.journal.fold import Record, StoredTx
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.ids import Address, MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Declined, Plan
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import ChainSettings, Job, Wallet
    from yieldbot.model.tx import Outcome


class Watch(Protocol):
    """One wallet's one asset on one chain, to be looked at."""

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(host, why) of nodes that were not believed."""

    @property
    def round_trips(self) -> int:
        """Requests made so far."""

    async def verify_chain(self) -> None:
        """Raise ConfigError when the nodes serve another chain, TransientError when too few can be used."""

    async def observe(self, records: Sequence[Record] = ()) -> Snapshot:
        """Every market of the asset, our positions and the fees, all at one block (or within few slots). records: the
        journal's, which know by what numbers our requests are asked for."""

    async def with_exits(self, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
        """The snapshot with what the journal's records say of its markets' ways out, as far as they are still what
        they were."""


class Session(Watch, Protocol):
    """The same, to be acted on."""

    async def settle(self) -> tuple[Outcome, ...]:
        """Outcomes of what was still open. Raises PendingError while one stays so."""

    async def rehearse(self, plan: Plan, snapshot: Snapshot) -> Rehearsed | Declined:
        """The whole plan, as it goes on a fork."""

    def spend_at_most(self, plan: Plan, snapshot: Snapshot) -> None:
        """From now on a transaction may cost no more than the policy's share of what the plan gains."""

    async def execute(self, approval: Approval, index: int, snapshot: Snapshot) -> LegResult:
        """One leg of the approved plan, from the newest snapshot."""

    async def refused(self, market_id: MarketId, reason: str, snapshot: Snapshot, *, on_chain: bool = False) -> None:
        """Write down that what goes into a market does not come out again. on_chain: of real money."""

    async def hand_over(self, approval: Approval, snapshot: Snapshot) -> Proposed | Declined:
        """The plan, signed as one of a Safe's owners and left to the others."""

    def said(self, block: BlockRef) -> str:
        """A block or slot in words."""


class Revocation(Protocol):
    """One right being taken back, as it went on a fork."""

    @property
    def description(self) -> str:
        """What is done, in words."""

    @property
    def gas_used(self) -> int:
        """Gas, or compute units on Solana."""


class Rights(Protocol):
    """What others may take from one account, and taking it back, while a connection is open."""

    async def settle(self) -> None:
        """Bring to its end what the account has still open. Raises PendingError while it cannot be."""

    async def find(self) -> Found:
        """Every right that stands. Raises TransientError when the nodes do not tell."""

    async def rehearse(self, chosen: Sequence[Given]) -> list[Revocation | Declined]:
        """Each of them taken back on a fork, or why that cannot be."""

    def beside(self, tried: Sequence[Revocation | Declined]) -> tuple[str, ...]:
        """What all of it pays beside its gas, in words."""

    async def revoke(self, given: Given, index: int, rehearsed: Revocation) -> Outcome | Declined:
        """Take one back. index: its place among those of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAsked:
    """What is wanted of an account's past beyond its own entries. Wings take of it what their chains can tell."""

    ours: frozenset[str] = frozenset()
    """Every hash that the account signed, in lower case."""
    handed: HandedOver | None = None
    """Plans that others carry out (a Safe's owners)."""
    checked: bool = True
    """Whether balances are read at both ends and compared."""
    also: Sequence[Token] = ()
    """Tokens whose price is wanted at every entry."""
    since: int | None = None
    """From which block on events are read; None: from the first entry."""
    say: Callable[[str], None] = field(default=lambda line: None)
    most_parts: int | None = None
    """How many parts of events are asked for at most."""
    snapshots: Sequence[Snapshot] | None = None
    """The jobs', where they were taken already."""


class Past(Protocol):
    """One wallet's assets on one chain as they were."""

    @property
    def round_trips(self) -> int:
        """Requests made so far."""

    async def verify_chain(self) -> None:
        """As of ``Watch``."""

    async def newest(self) -> BlockRef:
        """The newest block. Raises TransientError where nobody answers."""

    async def block_before(self, moment: int, slack_seconds: int = 0) -> BlockRef | None:
        """The last block at or before a time (unix seconds), or one that is no more than ``slack_seconds`` before it.
        None where the chain is younger."""

    async def observe(self, block: BlockRef) -> Snapshot:
        """Every market as of that block. Raises NodeRefused where the node keeps no state of it, TransientError or
        ConfigError where what prices need was not there."""


class Chain(Protocol):
    """One chain of chains/*.toml."""

    @property
    def settings(self) -> ChainSettings: ...

    def watch(self, job: Job) -> AbstractAsyncContextManager[Watch]:
        """The job's account, to be looked at."""

    def past(self, job: Job) -> AbstractAsyncContextManager[Past]:
        """The job's account as it was. Raises ConfigError where no node of the family tells that."""

    def session(self, world: World, job: Job) -> AbstractAsyncContextManager[Session]:
        """The job's account, to be acted on."""

    def rights(
        self, world: World, job: Job, wallets: Collection[Wallet], since: int, say: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Rights]:
        """What the job's account has allowed to others. wallets: ours, known by name; since: from which block on events
        are asked for, where events tell."""

    async def quotes(self, given: Token, wanted: Token) -> Read:
        """The pools of all the chain's tokens at one block, and the prices that they do not make alone."""

    async def account_history(self, jobs: Sequence[Job], entries: Sequence[Entry], asked: PastAsked) -> ChainRecord:
        """The past of the jobs' account, which is one. entries: its own, by the journal. Raises TransientError."""

    def describer(self, owner: Address, folder: Path, say: Callable[[str], None]) -> Callable[[object], list[str]]:
        """What tells a rehearsed transaction of the owner in its target's own words; no line where there are none.
        folder: of descriptors, where the family has such; say: told of those that cannot be read."""

    async def check_account(self, job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
        """Whether the job's account is what its wallet's kind says (a Safe, with our signer among its owners); nothing
        of an account that needs nothing on the chain. wallets: all of them, by name."""

    async def check_given_up(self, owner: Address, transactions: Sequence[StoredTx]) -> list[Finding]:
        """Signed transactions of the account that were given up and could still be included. transactions: all of the
        account's, by the journal."""

    async def check(self) -> list[Finding]:
        """Whether everything that chains/*.toml says of it is there."""
