"""The parts that a cycle is wired with. Live run, dry run and rehearsal differ only in these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from yieldbot.execution.approvals import Approver
from yieldbot.journal.fold import Record
from yieldbot.journal.queries import LOOKED_SECONDS
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.pending import ALONE, Beside
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job, Settings, Wallet
from yieldbot.model.units import DAY_SECONDS


class SignerOf(Protocol):
    """Finds the signer of a wallet: the ``Signer`` of its chain's family."""

    def __call__(self, wallet: Wallet) -> Any:
        """The signer. It asks for no passphrase, AWS access or device before something is to be signed."""


async def no_key(wallet: Wallet) -> None:
    """Opens nothing."""


class OtherWallets(Protocol):
    """Our other wallets, beside the job that is decided on."""

    async def before(self, job: Job, snapshot: Snapshot) -> Beside:
        """What the job's decision counts of them, once the jobs before it have been decided."""

    def held(self, job: Job) -> Mapping[MarketId, int]:
        """Base units that they hold in each market, as far as is known."""

    def decided(self, job: Job, snapshot: Snapshot, plan: Plan | None) -> None:
        """Note what was decided for the job."""


class NoOthers:
    """There are no other wallets, or none counts."""

    async def before(self, job: Job, snapshot: Snapshot) -> Beside:
        return ALONE

    def held(self, job: Job) -> Mapping[MarketId, int]:
        return {}

    def decided(self, job: Job, snapshot: Snapshot, plan: Plan | None) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One wiring of the stages."""

    settings: Settings
    """The whole configuration."""
    journal: Journal
    """What was intended and signed."""
    approver: Approver
    """Approves or refuses plans."""
    signer_of: SignerOf
    """Finds each wallet's signer."""
    now: Callable[[], int]
    """The clock that plans expire by: unix seconds."""
    say: Callable[[str], None]
    """Prints a line of progress."""
    settles: bool = True
    """Whether this process settles open transactions; False: the signer does, and until then nothing is planned."""
    others: OtherWallets = NoOthers()
    """Our other wallets on the same chains."""
    open_key: Callable[[Wallet], Awaitable[None]] = no_key
    """Called before a plan is rehearsed. It may open the wallet's signer, so that a wrong passphrase ends the job
    (ConfigError) before anything is approved."""


def records_of(world: Wiring, job: Job) -> tuple[Record, ...]:
    """``records_for`` the job, up to date."""
    return records_for(world.journal, job, world.settings.policy, world.now())


def records_for(journal: Journal, job: Job, policy: Policy, now: float) -> tuple[Record, ...]:
    """What the journal has that can count for the job's account (``Queries.records``), with the transactions of other
    accounts that the policy's limits over time count. now: unix seconds."""
    seconds = max(policy.cooldown_hours * 3600, policy.failure_window_hours * 3600, DAY_SECONDS)
    looked = max(LOOKED_SECONDS, policy.horizon_seconds + 2 * DAY_SECONDS)  # one a day is written
    since = int(now - seconds) // 3600 * 3600  # the same for an hour: what was read is used again
    return journal.records(job.chain.chain, job.wallet.address, since=since, looked_seconds=looked)
