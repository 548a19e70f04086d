"""``allowances``: lists the allowances that our accounts have given, and revokes them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.app.allowances_documents import AccountAllowances, AllowanceGiven, AllowancesDocument, Unread
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.parts import Refusal, Transaction, transaction
from yieldbot.app.thinking import consent
from yieldbot.app.wiring import JobFilter, jobs_of, world_of
from yieldbot.chains.open import chain_of
from yieldbot.errors import TransientError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
    from yieldbot.chains.ports import Revocation, Rights
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

    Ended = Outcome | Declined | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowancesRequest:
    """List the allowances of the jobs' accounts, or revoke them."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """Which jobs; each of their accounts is listed once."""
    from_block: int = 0
    """Height from which events are read."""
    revoke: bool = False
    """Set them to zero, after a rehearsal and a person's consent."""
    unlisted: bool = False
    """Also revoke allowances of tokens that chains/*.toml does not list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """Rehearsed revocations of one account: what a person consents to."""

    job: Job
    """A job of the account: only its wallet and chain matter."""
    tries: tuple[tuple[GrantedAllowance, Revocation | Declined], ...]
    """Each allowance with the rehearsal of its revocation, or the reason why it cannot be revoked."""
    beside: tuple[str, ...]
    """Fees in addition to the gas for all revocations together, as text."""

    @property
    def able(self) -> bool:
        """Whether any of them can be revoked."""
        return any(not isinstance(tried, Declined) for _, tried in self.tries)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAccount:
    """The allowances of one account, and the outcome of revoking them."""

    job: Job
    """A job of the account: only its wallet and chain matter."""
    found: AllowanceList | None = None
    """Its allowances; None: the chain could not be served."""
    ended: tuple[tuple[GrantedAllowance, Ended], ...] = ()
    """Each allowance with the outcome of its revocation; None if none was requested."""
    skipped: str | None = None
    """Why the chain could not be served; None: it was."""

    @property
    def failed(self) -> bool:
        """Whether something could not be read or revoked."""
        if self.found is None or self.found.unread or self.found.cut:
            return True
        return any(end is not None and not isinstance(end, Confirmed) for _, end in self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowancesAnswer:
    """The allowances of all accounts."""

    document: AllowancesDocument
    """The answer; its ``exit_code`` is the command's."""
    accounts: tuple[ListedAccount, ...]
    """The same in the model's own values, for tables."""


def allowances(
    request: AllowancesRequest, context: Context, *, show: Callable[[Revocations], None], ask: Callable[[], bool | None]
) -> AllowancesAnswer:
    """Lists every allowance of the jobs' accounts; with ``revoke`` also revokes them, under the run lock.

    ``show`` is called with an account's rehearsed revocations before any is signed, and then ``ask`` if any can be
    made, while other runs may have the lock: nothing is signed unless it returns True. Raises ConfigError, and
    RunInProgress where another run is.
    """
    jobs = jobs_of(request.jobs, context)
    each = list({(job.wallet.address, job.chain.chain): job for job in jobs}.values())
    lock = run_lock(context.settings.data_dir, "allowances --revoke") if request.revoke else nullcontext()
    accounts: list[ListedAccount] = []
    with lock as held, world_of(context, lambda journal: DeclineAll()) as world:
        deadline = Deadline(world, held)
        for job in each:
            try:
                work = partial(
                    _account, request, context, deadline.world, job, show, partial(consent, world.journal, held, ask)
                )
                found, ended = run_within(deadline, job, work)
            except TransientError as passing:
                accounts.append(ListedAccount(job=job, skipped=str(passing)))
            else:
                accounts.append(ListedAccount(job=job, found=found, ended=tuple(ended)))
    code = int(any(account.failed for account in accounts))
    document = AllowancesDocument(exit_code=code, accounts=tuple(_part(account) for account in accounts))
    return AllowancesAnswer(document=document, accounts=tuple(accounts))


async def _account(
    request: AllowancesRequest,
    context: Context,
    world: Wiring,
    job: Job,
    show: Callable[[Revocations], None],
    ask: Callable[[], bool | Declined],
) -> tuple[AllowanceList, list[tuple[GrantedAllowance, Ended]]]:
    """The account's allowances, each with the outcome of its revocation; None if none was requested."""
    wallets = context.settings.wallets.values()
    async with chain_of(job.chain).rights(world, job, wallets, request.from_block, context.detail) as rights:
        if request.revoke:
            await rights.settle()
        found = await rights.find()
        if not request.revoke:
            return found, [(given, None) for given in found.given]
        chosen = [given for given in found.given if given.listed or request.unlisted]
        return found, await _revoked(job, rights, found, chosen, show, ask)


async def _revoked(
    job: Job,
    rights: Rights,
    found: AllowanceList,
    chosen: list[GrantedAllowance],
    show: Callable[[Revocations], None],
    ask: Callable[[], bool | Declined],
) -> list[tuple[GrantedAllowance, Ended]]:
    """Rehearse the revocations, show them, ask, and carry out those that can be made."""
    tries = await rights.rehearse(chosen)
    rehearsed = list(zip(chosen, tries, strict=True))
    revocations = Revocations(job=job, tries=tuple(rehearsed), beside=tuple(rights.beside(tries)))
    show(revocations)
    answer = revocations.able and ask()
    ended: dict[int, Ended] = {}
    for index, (given, tried) in enumerate(rehearsed):
        if isinstance(tried, Declined):
            ended[id(given)] = tried
        elif isinstance(answer, Declined):
            ended[id(given)] = answer
        elif answer:
            ended[id(given)] = await rights.revoke(given, index, tried)
    return [(given, ended.get(id(given))) for given in found.given]


def _part(account: ListedAccount) -> AccountAllowances:
    found = account.found
    return AccountAllowances(
        owner=account.job.wallet.address,
        chain_id=account.job.chain.chain,
        skipped=account.skipped,
        block=found.block.height if found else None,
        since=found.since if found else None,
        cut=found.cut if found else None,
        allowances=tuple(
            AllowanceGiven(
                token=given.token.address,
                symbol=given.token.symbol,
                listed=given.listed,
                spender=given.spender,
                spender_name=given.name,
                raw=str(given.raw),
                account=given.account,
                right=given.right or None,
                unlimited=given.unlimited,
                last_event=given.at,
                revoked=_end(end),
            )
            for given, end in account.ended
        ),
        unread=tuple(Unread(token=t, spender=s, reason=why) for t, s, why in (found.unread if found else ())),
    )


def _end(one: Ended) -> Transaction | Refusal | None:
    if one is None:
        return None
    return Refusal.of(one) if isinstance(one, Declined) else transaction(one)
