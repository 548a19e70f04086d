"""Tables of plans, rehearsals and outcomes: the facts of the documents, rounded. Imported only when one is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from yieldbot.app.formatting import short_hash, valid_until
from yieldbot.app.results import swap_id
from yieldbot.app.still_in import still_in as still_in_of
from yieldbot.cli.balance_changes import moved
from yieldbot.cli.skips import skipped
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount, Apr, Apy, BlockRef
from yieldbot.model.durations import days_long
from yieldbot.model.families import family_of
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.plan import Allocation, Declined, Hold, Leg, LegKind, Plan
from yieldbot.model.risk import Act
from yieldbot.model.settings import Job
from yieldbot.model.text import counted
from yieldbot.model.tx import Confirmed, Expired, Outcome, Replaced, Reverted
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.app.results import Proposed, Rehearsed, UnreadHolding

MOST_NAMED = 5
"""Most markets named in an alarm's line where none of our money is at stake; the others are counted."""


def money(amount: Amount | None, places: int = 2) -> str:
    """Whole tokens, rounded; a hyphen for None."""
    return "-" if amount is None else f"{float(amount):z,.{places}f}"


def percent(apy: Apy | float | None) -> str:
    """A yield, or a fraction, to three decimals; a hyphen for None."""
    return "-" if apy is None else f"{(apy.value if isinstance(apy, Apy) else apy) * 100:z.3f} %"


def compounded(rate: float | None, days: float | None = None) -> str:
    """A simple rate (a fraction a year) as APY, reinvested each so many days (None: at once); a hyphen for None."""
    if rate is None:
        return "-"
    return percent(Apr(rate).compounded() if days is None else Apr(rate).compounded(days * DAY_SECONDS))


def head(job: Job, snapshot: Snapshot) -> str:
    return f"{job.wallet.name}: {job.title} on {job.chain.name}, {at(snapshot.block)}"


def at(block: BlockRef) -> str:
    """A block, as text."""
    return f"{family_of(block.chain).height} {block.height:,}"


def names_of(snapshot: Snapshot) -> dict[MarketId, str]:
    """Display names by market id; with the end of the id if several markets have the same name."""
    states = list(snapshot.states.values())
    count: dict[str, int] = {}
    for state in states:
        count[state.market.name] = count.get(state.market.name, 0) + 1
    several = len(snapshot.assets) > 1
    names = {}
    for state in states:
        name, asset = state.market.name, state.market.asset.symbol
        if count[name] > 1:  # of several assets their symbols tell them apart, else the ends of their ids
            alike = [s for s in states if s.market.name == name and s.market.asset == state.market.asset]
            name += f" {asset}" if several and len(alike) == 1 else f" {_short(state.market.id)}"
        names[state.market.id] = name
    pairs = permutations(snapshot.assets, 2)
    return names | {swap_id(given, wanted): f"{given.symbol} for {wanted.symbol}" for given, wanted in pairs}


def _short(market_id: str) -> str:
    last = market_id.rpartition("/")[2]
    return f"{last[:6]}…{last[-4:]}" if len(last) > 12 else last


def _ways_out(snapshot: Snapshot, found: Plan) -> list[str]:
    """A line about the exits of the markets that money goes into."""
    names = names_of(snapshot)
    into = [snapshot.states[m] for m in dict.fromkeys(move.target for move in found.moves) if m in snapshot.states]
    ways = [
        f"{names[s.market.id]} {s.exit.words}{', tried first' if s.untried else ''}"
        f"{', entered by a request' if s.enters_by_request else ''}"
        for s in into
        if s.market.kind is not Kind.IDLE
    ]
    return [f"exits: {'; '.join(ways)}"] if ways else []


STEPS = {
    LegKind.WITHDRAW: "take out",
    LegKind.REQUEST: "request",
    LegKind.COLLECT: "collect",
    LegKind.CANCEL: "cancel or complete the request for",
}


def _without_moves(found: Plan) -> str:
    """What a plan without moves does: claims, sales, or steps of an exit."""
    if found.legs and (words := STEPS.get(found.legs[0].kind)) is not None:
        return ", ".join(f"{STEPS.get(leg.kind, words)} {leg.amount}" for leg in found.legs)
    brings = ", ".join(str(leg.gets) for leg in found.legs if leg.gets is not None)
    given = ", ".join(str(leg.amount) for leg in found.legs if leg.amount)
    return f"sell {given} for at least {brings}," if given else f"claim {brings}"


def plan(job: Job, snapshot: Snapshot, found: Plan | Hold) -> RenderableType:
    """A plan's moves with their reasons, and its certificate; or why nothing is moved."""
    symbol = job.asset.symbol
    if isinstance(found, Hold):
        lines: list[RenderableType] = [Text(f"Hold. {head(job, snapshot)}: {found.reason}", style="bold")]
        if found.allocation:
            lines.append(certificate(found.allocation, symbol, snapshot))
        return Group(*lines, *(Text(f"counts {line}") for line in found.counts))
    legs = counted(len(found.legs), "leg")
    if not found.moves:
        cost, what = f"{found.cost:z,.4f} {symbol} of {_costs(job)}", _without_moves(found)
        return Group(
            Text(f"Plan {found.id}. {head(job, snapshot)}", style="bold"),
            *(Text(f"because {line}") for line in found.why),
            *(Text(f"counts {line}") for line in found.counts),
            Text(f"{what} for {cost}; {legs}; {valid_until(found.expires_at, snapshot.block.timestamp)}"),
            *([] if found.why else [certificate(found.allocation, symbol, snapshot)]),
        )
    names = names_of(snapshot)
    made = TextTable(
        f"Plan {found.id}. {head(job, snapshot)}",
        "From",
        "To",
        f">{symbol}",
        ">Gain a year",
        ">Cost",
        ">Break-even",
        "Reason",
    )
    for move in found.moves:
        days = move.break_even_days
        made.add_row(
            names.get(move.source, move.source),
            names.get(move.target, move.target),
            money(move.amount),
            f"{move.gain_per_year:z,.2f}",
            f"{move.cost:z,.4f}",
            "-" if days is None else days_long(days),
            move.reason,
        )
    whole = (
        f"in all {found.gain_per_year:z,.2f} {symbol} a year more, for {found.cost:z,.4f} {symbol} of {_costs(job)}; "
    )
    return Group(
        made,
        *(Text(f"swaps {s.given} for {s.gets}, at least {s.least}") for s in found.allocation.swaps),
        *(Text(line) for line in _ways_out(snapshot, found)),
        *(Text(f"counts {line}") for line in found.counts),
        Text(f"{whole}{legs}; {valid_until(found.expires_at, snapshot.block.timestamp)}"),
        certificate(found.allocation, symbol, snapshot),
    )


def _costs(job: Job) -> str:
    paid = job.chain.family.paid
    return paid if job.base is None or paid != "gas" else "gas and swaps"


def unread(found: Sequence[UnreadHolding], who: str = "we") -> list[RenderableType]:
    """A line for each market that could not be read, in red where we hold something there. who: holds it."""
    return [
        Text(f"NOT READ: {one.name}, where {who} held {one.held}: {one.reason}", style="bold red")
        if one.held
        else Text(f"not read: {one.name}: {one.reason}", style="yellow")
        for one in found
    ]


def alarms(snapshot: Snapshot) -> list[RenderableType]:
    """A line for each alarm that stands, with the markets for which it saw the same, in red if it asks to leave one
    that we are in. Of many markets in which we hold nothing (as after ``exit all``) some are named."""
    alike: dict[tuple[str, str, str, bool], list[str]] = {}
    for state in snapshot.markets:
        for one in state.alarms:
            leaves = one.act is Act.LEAVE and bool(state.held)
            alike.setdefault((one.code, one.act.value, one.saw, leaves), []).append(state.market.name)

    def named(names: list[str], leaves: bool) -> str:
        few = names if leaves or len(names) <= MOST_NAMED else [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
        return ", ".join(few)

    return [
        Text(f"ALARM {code} ({act}) {named(names, leaves)}: {saw}", style="bold red" if leaves else "yellow")
        for (code, act, saw, leaves), names in alike.items()
    ]


def contradicted(snapshot: Snapshot) -> list[RenderableType]:
    """A line for each statement of memory that the chain contradicts."""
    return [Text(f"contradicted: {line}", style="yellow") for line in snapshot.contradicted]


def certificate(allocation: Allocation, symbol: str, snapshot: Snapshot) -> Text:
    """An allocation's certificate, in one line that says what the bound refers to."""
    proof = allocation.certificate
    forecast = any(state.forecast for state in snapshot.markets)
    model = " if markets pay what is forecast" if forecast else " if markets go on paying as now"
    line = (
        f"certificate: income {allocation.income_per_year:z,.2f} {symbol} a year, {proof.objective:z,.2f} after "
        f"haircuts and cost; no allocation exceeds {proof.upper_bound:z,.2f}{model}; "
        f"gap {proof.gap_bps:z.3f} bp of wealth a year"
    )
    glanced = f"; {counted(proof.glanced, 'market')} not read in full: in the bound with the most that could be paid"
    waits = "; ".join(
        f"{money(amount)} {amount.token.symbol} more into {snapshot.of(m).market.name}"
        for m, amount in allocation.later.items()
    )
    later = f"; later plans go on, as a limit over time lets them: {waits}" if waits else ""
    return Text(line + (glanced if proof.glanced else "") + later)


def _step(leg: Leg, snapshot: Snapshot | None, names: Mapping[MarketId, str]) -> str:
    """A leg in words. Shares of a served deposit request are claimed, though the leg is of the kind that cancels."""
    leaving = snapshot.states[leg.market_id].leaving if snapshot and leg.market_id in snapshot.states else None
    claims = leg.kind is LegKind.CANCEL and leaving is not None and leaving.entered and leg.amount == leaving.back
    return f"{'claim' if claims else leg.kind} {names.get(leg.market_id, leg.market_id)}"


def rehearsal(
    found: Rehearsed, legs: Sequence[Leg], names: Mapping[MarketId, str], snapshot: Snapshot | None
) -> RenderableType:
    """Each transaction as it ran on the fork, and each leg's balance changes."""
    made = TextTable(f"Rehearsal on a fork of {at(found.block)}", "Leg", "Transaction", ">Gas", "Balance changes")
    for done in found.legs:
        step = legs[done.index] if done.index < len(legs) else None
        label = str(done.index + 1) + (f" {_step(step, snapshot, names)}" if step else "")
        for position, tx in enumerate(done.txs):
            last = position == len(done.txs) - 1
            changes = "\n".join(moved(done.deltas)) if last else ""
            made.add_row(label if position == 0 else "", tx.description, f"{tx.gas_used:,}", changes)
    used = f"{found.gas_used:,} {family_of(found.block.chain).gas}"
    return Group(made, Text("in all: " + ", ".join([used, *found.fees_beside, *moved(found.deltas)])))


def transactions(found: Report, names: Mapping[MarketId, str]) -> RenderableType:
    """The outcome of every transaction that was sent, with what it does."""
    made = TextTable("Transactions", "Transaction", "Result", "Hash", ">Gas", "Balance changes")
    for step, outcome in found.outcomes:
        result, gas, changes = _ended(outcome)
        label = found.words.get(outcome.hash) or _step(step, found.snapshot, names)
        made.add_row(label, result, short_hash(outcome.hash), gas, changes)
    return made


def settled(outcomes: Sequence[Outcome]) -> RenderableType:
    """Transactions of an earlier run that were settled."""
    made = TextTable("Settled from an earlier run", "Result", "Hash", ">Gas", "Balance changes")
    for outcome in outcomes:
        result, gas, changes = _ended(outcome)
        made.add_row(result, short_hash(outcome.hash), gas, changes)
    return made


def _ended(outcome: Outcome) -> tuple[str, str, str]:
    match outcome:
        case Confirmed():
            return "confirmed", f"{outcome.gas_used:,}", "\n".join(moved(outcome.deltas))
        case Reverted():
            return f"reverted: {outcome.reason}", f"{outcome.gas_used:,}", ""
        case Expired():
            return f"expired: {outcome.reason}", "", ""
        case Replaced():
            return f"replaced by {outcome.by or 'another transaction'}", "", ""


def stuck(snapshot: Snapshot) -> list[str]:
    """Holdings that cannot be withdrawn now, a line each."""
    names = names_of(snapshot)
    return [
        f"{names[state.market.id]}: what is held there ({state.held}) cannot be taken out now: "
        + state.stuck
        + ("; an exit is requested again once nothing else is to be done" if state.again else "")
        for state in snapshot.markets
        if state.stuck
    ]


def report(found: Report, still: bool = True, *, seen: bool = False) -> list[RenderableType]:
    """One job's cycle, stage by stage, as far as it went. still: also list what is still in markets that are to be
    left; seen: a person was shown plan and rehearsal before they answered, so neither is shown again."""
    job, snapshot, decision = found.job, found.snapshot, found.decision
    if found.skipped is not None:
        return [*skipped([(job, found.skipped)])]
    parts: list[RenderableType] = [settled(found.settled)] if found.settled else []
    parts += unread(found.unread)
    names = names_of(snapshot) if snapshot else {}
    if snapshot and decision and not seen:
        parts.append(plan(job, snapshot, decision.outcome))
    if snapshot and not seen:
        parts += [*(Text(line) for line in stuck(snapshot)), *alarms(snapshot), *contradicted(snapshot)]
    if found.rehearsal and not seen:
        legs = decision.outcome.legs if decision and isinstance(decision.outcome, Plan) else ()
        parts.append(rehearsal(found.rehearsal, legs, names, snapshot))
    if found.outcomes:
        parts.append(transactions(found, names))
    parts += [
        Text(
            f"NOT DONE: {leg.kind} {leg.amount} from {names.get(leg.market_id, leg.market_id)}: {why.reason}",
            style="bold",
        )
        for leg, why in found.left_undone
    ]
    parts += still_in(found) if still else []
    if found.proposed:
        parts.append(proposed(found.proposed))
    if found.declined:
        parts.append(declined(found.declined))
    return [Text(f"{job.wallet.name}: {job.title} on {job.chain.name}"), *parts] if seen and parts else parts


def still_in(found: Report) -> list[Text]:
    """Money in markets that are to be left: how much, why, and what happens next; two lines each."""
    lines = []
    for one in still_in_of(found):
        held = f"{Decimal(one.held.text):,f} {one.held.symbol}"
        lines.append(Text(f"STILL IN: {held} in {one.name}: {one.why}", style="bold red"))
        lines.append(Text(f"  to be left because {'; '.join(one.reasons)}. Next: {one.next}"))
    return lines


def proposed(found: Proposed) -> Text:
    """A proposed Safe transaction, and how many owners must still confirm it."""
    more = found.threshold - 1
    wait = f"{more} more of {len(found.owners)} owners must confirm it" if more else "any owner may execute it"
    names = ", then ".join(one.hash for one in found.every)
    what = "Safe transactions" if found.further else "Safe transaction"
    apart = "; where one fails, execute the next: they stand for themselves" if found.further else ""
    return Text(f"PROPOSED: {what} {names}, signed by {found.document['sender']}; {wait}{apart}", style="bold")


def declined(refusal: Declined) -> Text:
    return Text(f"{refusal.code}: {refusal.reason}", style="bold")
