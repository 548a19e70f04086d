"""Decides what to do with one job's money: from a snapshot, the journal's records and the policy to a Plan or a Hold.

Pure: live runs, dry runs and what-ifs use this same function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from yieldbot.allocator import rebalance
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess, no_new_money
from yieldbot.allocator.claims import claim_plan, sale_plan
from yieldbot.allocator.exit_steps import step_plan
from yieldbot.allocator.exit_swaps import ExitSwaps, swap_plan
from yieldbot.allocator.exits import Exits, exit_plan, held_as_it_is
from yieldbot.allocator.later import Later, later_of
from yieldbot.allocator.plan import make_plan
from yieldbot.decision.aside import only_again, without_again
from yieldbot.decision.gas_learned import with_learnt_gas
from yieldbot.decision.not_again import not_again
from yieldbot.decision.orders import proceeds
from yieldbot.decision.pending import saying_what_counts, with_others
from yieldbot.decision.turns import collected_first, goes_first
from yieldbot.history.holdings import UnreadHolding, unseen_money
from yieldbot.journal.fold import Record
from yieldbot.journal.unsold_rewards import unsold
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.pending import ALONE, Beside
from yieldbot.model.plan import Allocation, Assessment, Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import GWEI
from yieldbot.risk.limits import Guard, guard, limit_exceeded, stop_reason


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of assessing, allocating and planning."""

    assessments: tuple[Assessment, ...]
    """The assessment of each market."""
    allocation: Allocation
    """The target holdings with their certificate."""
    outcome: Plan | Hold
    """The plan, or why nothing is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a decision depends on."""

    snapshot: Snapshot
    """The observed markets."""
    policy: Policy
    """The owner's policy; ``risk/limits.guard`` narrows it by the limits over time."""
    job: Job
    """The job whose money is decided on."""
    now: int
    """Unix seconds."""
    wealth: Amount | None = None
    """Assumed wealth; None: what the snapshot holds."""
    unread: Sequence[UnreadHolding] = ()
    """Markets that could not be observed."""
    records: Sequence[Record] = ()
    """The journal's entries."""
    claims_only: bool = False
    """Whether only claims of rewards and sales of claimed rewards are proposed."""

    @property
    def max_fee_wei(self) -> int:
        """The highest price of one gas on the job's chain, in wei."""
        return int(self.job.chain.max_fee_gwei * GWEI)


@dataclass(frozen=True, slots=True)
class Judged:
    """The inputs, assessed and allocated."""

    inputs: Inputs
    """The inputs."""
    policy: Policy
    """The policy narrowed by the limits over time."""
    assessments: tuple[Assessment, ...]
    """The assessment of each market."""
    allocation: Allocation
    """The target holdings with their certificate."""


Proposer = Callable[[Judged], "Plan | None"]
"""Looks for one kind of work that is due: its plan, or None if there is none."""


def collections(of: Judged) -> Plan | None:
    """What two-step exits and requested deposits have ready for us."""
    return _steps(of, requests=False)


def two_step_exits(of: Judged) -> Plan | None:
    """Legs of two-step exits that are due: requests, collections, cancellations."""
    return _steps(of, requests=True)


def _steps(of: Judged, *, requests: bool) -> Plan | None:
    given = of.inputs
    inputs = (given.snapshot, of.assessments, of.allocation, of.policy, given.now, given.job.base)
    return step_plan(*inputs, max_fee_wei=given.max_fee_wei, requests=requests)


def claims(of: Judged) -> Plan | None:
    """Claims of rewards that are worth their cost."""
    given = of.inputs
    settled = (given.snapshot, of.allocation, of.policy, given.job.asset)
    return claim_plan(*settled, given.now, max_fee_wei=given.max_fee_wei)


def sales(of: Judged) -> Plan | None:
    """Sales of reward tokens that we claimed, if the policy wants them sold."""
    given = of.inputs
    if given.job.sale is None:
        return None
    ours = unsold(given.records, given.snapshot.block.chain, given.snapshot.owner)
    settled = (given.snapshot, of.allocation, of.policy, given.job.asset)
    return sale_plan(*settled, given.job.sale, ours, given.now, max_fee_wei=given.max_fee_wei)


def range_rebalances(of: Judged) -> Plan | None:
    """Rebalances of liquidity ranges that are due."""
    given = of.inputs
    settled = (given.snapshot, of.assessments, of.allocation, of.policy, given.now)
    return rebalance.rebalance_plan(*settled, max_fee_wei=given.max_fee_wei)


PROPOSERS: tuple[Proposer, ...] = (two_step_exits, claims, sales, range_rebalances)
"""Tried in this order when no move of money is due, or moves bring less; the first plan found is taken."""
OF_CLAIMS: tuple[Proposer, ...] = (claims, sales)
"""The proposers that ``decide_claims`` uses."""
NO_CLAIM = "no reward is worth its claim now"


def decide(
    snapshot: Snapshot,
    policy: Policy,
    job: Job,
    now: int,
    wealth: Amount | None = None,
    unread: Sequence[UnreadHolding] = (),
    records: Sequence[Record] = (),
    *,
    swaps: bool = True,
    beside: Beside = ALONE,
) -> Decision:
    """Guard, assess, allocate and plan (``Inputs`` documents the arguments), with the gas of legs taken from our own
    receipts.

    Exits that an alarm or a person demands come before everything else, and no protection delays them, because
    protections only keep new money out. Otherwise the outcome is Hold, whatever the allocation, while some of our money
    cannot be read (limits would be fractions of a wrong wealth) or a protection forbids acting. A withdrawal that
    reverted on the chain is tried again in a plan of its own, when nothing else is due. swaps: whether what came out of
    exits is swapped if an order says so. beside: our other wallets' money, which all but such exits count.
    """
    snapshot = with_learnt_gas(snapshot, records)
    given = Inputs(snapshot=snapshot, policy=policy, job=job, now=now, wealth=wealth, unread=unread, records=records)
    if wealth is None and (plan := exits_due(given).plan) is not None:
        return Decision(assess(snapshot, policy, None, job.base), plan.allocation, plan)
    may_swap = swaps and wealth is None and not unseen_money(unread)
    if may_swap and (plan := swaps_due(given).plan) is not None and not stop_reason(policy, records, snapshot, now):
        return Decision(assess(snapshot, policy, None, job.base), plan.allocation, plan)
    seen = with_others(snapshot, beside)
    found = _limited(replace(given, snapshot=without_again(seen)))
    if not isinstance(found.outcome, Plan) and any(state.again for state in snapshot.states.values()):
        again = _limited(replace(given, snapshot=only_again(seen)))
        found = again if isinstance(again.outcome, Plan) else found
    return replace(found, outcome=saying_what_counts(found.outcome, seen, beside))


def decide_exits(
    snapshot: Snapshot,
    policy: Policy,
    job: Job,
    now: int,
    wealth: Amount | None = None,
    unread: Sequence[UnreadHolding] = (),
    records: Sequence[Record] = (),
    *,
    swaps: bool = True,
) -> Decision:
    """As ``decide``, but for exits only: what can be taken out now of the markets that are to be left, or why nothing
    can."""
    snapshot = with_learnt_gas(snapshot, records)
    given = Inputs(snapshot=snapshot, policy=policy, job=job, now=now, wealth=wealth, unread=unread, records=records)
    found, swapped = exits_due(given), swaps_due(given)
    plan = found.plan or (swapped.plan if swaps else None)
    kept = "; ".join(f"{one.given} are not swapped into {one.into.symbol}: {one.why}" for one in swapped.stays)
    allocation = plan.allocation if plan is not None else held_as_it_is(snapshot)
    return Decision((), allocation, plan or Hold("; ".join(part for part in (found.why, kept) if part), None))


def decide_claims(
    snapshot: Snapshot,
    policy: Policy,
    job: Job,
    now: int,
    wealth: Amount | None = None,
    unread: Sequence[UnreadHolding] = (),
    records: Sequence[Record] = (),
    *,
    swaps: bool = True,
) -> Decision:
    """As ``decide``, but for claims of rewards and sales of those only. swaps: whether sales are among them."""
    given = Inputs(
        snapshot=with_learnt_gas(snapshot, records),
        policy=policy,
        job=job if swaps else replace(job, sale=None),
        now=now,
        wealth=wealth,
        unread=unread,
        records=records,
        claims_only=True,
    )
    return _limited(given)


def swaps_due(given: Inputs) -> ExitSwaps:
    """What came out of exits and can be swapped now into the assets that the orders name."""
    job = given.job
    wanted = proceeds(given.snapshot, given.records) if job.base is not None else []
    if not wanted or job.base is None:
        return ExitSwaps(None, ())
    limits = job.base, job.pegged, given.policy, given.now
    return swap_plan(given.snapshot, wanted, *limits, max_fee_wei=given.max_fee_wei)


def exits_due(given: Inputs) -> Exits:
    """What can be taken out now of the markets that are to be left. A withdrawal that reverted on the chain is tried
    again once no other market is to be left."""
    limits = given.policy, given.now
    found = exit_plan(without_again(given.snapshot), *limits, max_fee_wei=given.max_fee_wei)
    return found if found.plan is not None else exit_plan(given.snapshot, *limits, max_fee_wei=given.max_fee_wei)


def _limited(given: Inputs) -> Decision:
    """The decision within the limits over time. A limit is named, as the reason of a Hold or of a market, only where
    the decision without the limits shows that lifting it would change something."""
    snapshot, job, policy, records = given.snapshot, given.job, given.policy, given.records
    guarded = guard(policy, records, snapshot, job.asset, given.now)
    if guarded.policy == policy:
        return _within(given, guarded)
    free = _made(given, Guard(policy, guarded.reason))
    found = _in_turn(given, guarded, free)
    if isinstance(found.outcome, Hold):
        if isinstance(free.outcome, Hold):
            return free
        refused = limit_exceeded(policy, records, job.chain.chain, free.outcome.legs, given.now)
        if refused is not None:
            found = replace(found, outcome=replace(found.outcome, reason=refused.reason))
    return _truly_limited(found, free)


TURNS = 3
"""How many times at most first choices are chosen again without those that no plan within the limits enters."""


def _in_turn(given: Inputs, guarded: Guard, free: Decision) -> Decision:
    """The decision within the limits over time, for money that later plans move on to where it would go without them
    (``free``). A first choice that a plan within the limits does not enter (its minimum is above them, or so little
    does not pay its gas or gains too little) is none: nothing waits for it."""
    never, first = set[MarketId](), free
    for _ in range(TURNS):
        if not isinstance(first.outcome, Plan):
            break
        later = later_of(given.snapshot, first.allocation, _most(given.snapshot, guarded), guarded.refills)
        found = _within(given, guarded, later)
        if later is None:
            return found
        stays = later.rests.keys() - guarded.closed.keys()
        if isinstance(found.outcome, Plan):
            stays = {m for m in stays if found.allocation.targets[m] <= given.snapshot.of(m).held}
        if not stays:
            return found
        never |= stays
        exclude = (*given.policy.exclude, *sorted(never))
        first = _made(given, Guard(replace(given.policy, exclude=exclude), guarded.reason))
    return _within(given, guarded)


def _most(snapshot: Snapshot, guarded: Guard) -> dict[MarketId, int]:
    """The largest holding, in base units, of each market that a limit over time closes or bounds."""
    shares = guarded.policy.max_share_markets
    return {
        market_id: 0
        if market_id in guarded.closed
        else int(shares[market_id] * snapshot.wealth(snapshot.of(market_id).market.asset).raw)
        for market_id in guarded.refills
    }


def _within(given: Inputs, guarded: Guard, later: Later | None = None) -> Decision:
    """The decision within the limits over time, with the reasons that it has there. later: what waits for later
    plans."""
    snapshot, job, policy, records = given.snapshot, given.job, given.policy, given.records
    first = _made(given, guarded, later)
    if not isinstance(plan := first.outcome, Plan):
        return first
    if limit_exceeded(policy, records, job.chain.chain, plan.legs, given.now) is None:
        return first
    # Money moved between markets uses up the limits too: that much less new money.
    left = [leg.amount for leg in plan.legs if leg.kind is LegKind.WITHDRAW]
    moved_raw = sum(amount.raw for amount in left if amount.token == job.asset)
    second = _made(given, guard(policy, records, snapshot, job.asset, given.now, reserved_raw=moved_raw), later)
    if isinstance(plan := second.outcome, Plan):
        refused = limit_exceeded(policy, records, job.chain.chain, plan.legs, given.now)
        return second if refused is None else replace(second, outcome=Hold(refused.reason, second.allocation))
    return second


def _truly_limited(found: Decision, free: Decision) -> Decision:
    """The decision, where each market that a limit closes, and that would hold no more without the limits either, has
    the reasons of the decision without them."""
    ours, theirs = found.allocation.targets, free.allocation.targets
    assessed = {one.market_id: one for one in free.assessments}
    same = {
        one.market_id
        for one in found.assessments
        if one.vetoes != assessed[one.market_id].vetoes and theirs[one.market_id] <= ours[one.market_id]
    }
    reasons = {one.market_id: one.binding for one in free.allocation.reasons}
    assessments = tuple(assessed[one.market_id] if one.market_id in same else one for one in found.assessments)
    bindings = tuple(
        replace(one, binding=reasons[one.market_id]) if one.market_id in same else one
        for one in found.allocation.reasons
    )
    allocation = replace(found.allocation, reasons=bindings)
    outcome = found.outcome
    if outcome.allocation is not None:
        outcome = replace(outcome, allocation=allocation)
    return Decision(assessments, allocation, outcome)


def _made(given: Inputs, guarded: Guard, later: Later | None = None) -> Decision:
    """Assess, allocate and plan within one guard's limits. later: what waits for later plans."""
    snapshot, job, wealth = given.snapshot, given.job, given.wealth
    assessments = guarded.annotated(assess(snapshot, guarded.policy, wealth, job.base))
    allocation, moves = _moved(given, guarded.policy, assessments, later)
    if (reason := unseen_money(given.unread) or guarded.reason) is not None:
        return Decision(assessments, allocation, Hold(reason, None))
    judged = Judged(given, guarded.policy, assessments, allocation)
    if given.claims_only:
        due = next((plan for ask in OF_CLAIMS if (plan := ask(judged)) is not None), None)
        return Decision(assessments, allocation, due or Hold(NO_CLAIM, None))
    if wealth is not None:
        return Decision(assessments, allocation, moves)
    if isinstance(moves, Plan) and (why := not_again(moves, given.records, given.now)) is not None:
        moves = Hold(why, allocation)
    ready = collections(judged)
    again = ready is not None and not_again(ready, given.records, given.now) is not None
    if ready is not None and not again and collected_first(snapshot, ready, moves):
        return Decision(assessments, allocation, ready)
    for ask in PROPOSERS:
        if (due := ask(judged)) is None or not_again(due, given.records, given.now) is not None:
            continue
        if isinstance(moves, Hold) or goes_first(due, moves):
            return Decision(assessments, allocation, due)
    if isinstance(moves, Plan):
        return Decision(assessments, allocation, moves)
    if (message := no_new_money(snapshot, guarded.policy, job.base)) is not None:
        moves = replace(moves, reason=f"{moves.reason}; no new money goes in: {message}")
    return Decision(assessments, allocation, moves)


def _moved(
    given: Inputs, policy: Policy, assessments: Sequence[Assessment], later: Later | None
) -> tuple[Allocation, Plan | Hold]:
    """The best allocation, and the plan that leads to it.

    The solver prices each market by itself, so two moves may count on the same idle money. If the moves together then
    pay too late, the allocation is solved again with the shorter horizon for all of them, whose moves pay under either
    horizon.
    """
    snapshot, base = given.snapshot, given.job.base
    for limits in (policy, policy.hurried):
        found = allocate(snapshot, assessments, limits, wealth=given.wealth, base=base, later=later)
        if later is not None:
            found = later.said(found, snapshot)
        moves = make_plan(snapshot, found, limits, given.now, max_fee_wei=given.max_fee_wei)
        if isinstance(moves, Plan) or not moves.late:
            break
    return found, moves
