"""What the cycle asks of a chain, whatever its kind, while a connection to its nodes is open."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from yieldbot.execution.approve import Approval
    from yieldbot.execution.leg import LegResult
    from yieldbot.execution.safe import Proposed
    from yieldbot.execution.simulate import Rehearsal
    from yieldbot.execution.svm.simulate import SvmRehearsal
    from yieldbot.journal.fold import Record
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Declined, Plan
    from yieldbot.model.policy import Job, Policy
    from yieldbot.model.tx import Outcome
    from yieldbot.world import World


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

    async def rehearse(self, plan: Plan, snapshot: Snapshot) -> Rehearsal | SvmRehearsal | Declined:
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


def session(world: World, job: Job) -> AbstractAsyncContextManager[Session]:
    """The job's chain, to be acted on."""
    if job.chain.svm is not None:
        from yieldbot.sessions.svm import svm_session

        return svm_session(world, job)
    from yieldbot.sessions.evm import evm_session

    return evm_session(world, job)


def watch(job: Job) -> AbstractAsyncContextManager[Watch]:
    """The job's chain, to be looked at."""
    if job.chain.svm is not None:
        from yieldbot.sessions.svm import svm_watch

        return svm_watch(job)
    from yieldbot.sessions.evm import evm_watch

    return evm_watch(job)
