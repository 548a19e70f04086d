"""One plan as a person sees it before they approve it: money before and after, and when the plan would be wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.app.parts import Money
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError
from yieldbot.execution.persons import to_approve
from yieldbot.execution.register import read_register
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import is_market
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.context import Context

IDLE = "idle/"
OUT, INTO = (LegKind.WITHDRAW, LegKind.COLLECT), (LegKind.DEPOSIT,)


class PlaceOfMoney(Part):
    """A market, or the wallet, before and after a plan."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    before: Money = Field(description="what is there before")
    after: Money = Field(description="what is there afterwards, if all goes as planned")
    apr_after: float | None = Field(
        description="the rate that it then earns, a simple annual fraction; null: not known"
    )


class MoneyMoved(Part):
    """Money that goes from one place to another."""

    source: str = Field(description="the name of where it leaves")
    target: str = Field(description="the name of where it goes")
    amount: Money = Field(description="how much")
    gain_per_year: float = Field(description="additional income a year, in whole tokens")
    cost: float = Field(description="its one-time cost, in whole tokens")
    break_even_days: float | None = Field(description="days after which it has earned its cost; null: it gains nothing")
    reason: str = Field(description="why, in one line")
    least_apr_gain: float | None = Field(
        description="how much less a year the target may pay until the move gains nothing, a fraction; null: unknown"
    )


class MaySign(Part):
    """A person of the register of approvers, with what a browser needs to ask for their signature."""

    name: str = Field(description="their name")
    kind: str = Field(description="`wallet` or `passkey`")
    address: str = Field(description="a wallet's address; empty: a passkey")
    credential: str = Field(description="the passkey's credential id in base64url; empty: not known, or a wallet")


class PlanView(Part):
    """One plan as a person sees it."""

    headline: str = Field(description="what it does, in a few words")
    symbol: str = Field(description="symbol of the asset that its figures are in")
    made_at: int = Field(description="time of the block that it was decided at, in unix seconds")
    places: tuple[PlaceOfMoney, ...] = Field(description="where money is before or after")
    drawn: bool = Field(description="whether all places hold the same token, so that they can be drawn to one scale")
    moves: tuple[MoneyMoved, ...] = Field(description="money that goes from one place to another")
    gain_per_year: float = Field(description="the gain it was made for, in whole tokens a year")
    cost: float = Field(description="its one-time cost, in whole tokens")
    break_even_days: float | None = Field(description="days until its cost is earned back; null: it gains nothing")
    objective: float = Field(description="what its allocation earns net a year, in whole tokens")
    upper_bound: float = Field(description="no allocation earns more net a year, in whole tokens")
    proven: bool = Field(description="whether a bound was proven at all")
    is_exit: bool = Field(description="whether it only takes money out, because of an alarm or an order")
    lines: tuple[str, ...] = Field(description="the lines that a person signs")
    typed: dict[str, Any] = Field(description="the EIP-712 document that a wallet signs")
    challenge: str = Field(description="a passkey's challenge, as 0x...")
    digest: str = Field(description="SHA-256 of the plan, as 0x...")
    needed: int = Field(description="how many persons must sign it; 0: it is approved at a terminal")
    persons: tuple[MaySign, ...] = Field(description="the register of approvers")


def plan_view(plan_id: str, names: Mapping[str, str], context: Context) -> PlanView:
    """The plan with this id. names: markets' names by id. Raises ConfigError for an unknown plan, and as
    ``read_register``."""
    settings = context.settings
    file = settings.data_dir / JOURNAL
    if not file.exists():
        raise ConfigError(f"no plan {plan_id} in the journal")
    with Journal.read(file) as journal:
        stored = journal.plan(plan_id)
    if stored is None:
        raise ConfigError(f"no plan {plan_id} in the journal")
    register = read_register(settings.data_dir)
    plan, asked = stored.plan, to_approve(stored)
    places = _places(plan, names)
    proof = plan.allocation.certificate
    return PlanView(
        headline=headline(plan, names),
        symbol=plan.asset.symbol,
        made_at=plan.block.timestamp,
        places=places,
        drawn=bool(places) and len({one.before.symbol for one in places}) == 1,
        moves=_moves(plan, names),
        gain_per_year=plan.gain_per_year,
        cost=plan.cost,
        break_even_days=plan.cost / plan.gain_per_year * 365 if plan.gain_per_year > 0 else None,
        objective=proof.objective,
        upper_bound=proof.upper_bound,
        proven=proof.upper_bound > 0,
        is_exit=plan.is_exit,
        lines=asked.calls,
        typed=asked.typed(),
        challenge="0x" + asked.challenge().hex(),
        digest="0x" + asked.digest.hex(),
        needed=settings.policy.approvals_needed,
        persons=tuple(
            MaySign(name=one.name, kind=one.kind, address=one.address, credential=one.credential)
            for one in register.values()
        ),
    )


def headlines(ids: Iterable[str], names: Mapping[str, str], context: Context) -> dict[str, str]:
    """What each of these plans does, in a few words, by id."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return {}
    with Journal.read(file) as journal:
        return {one: headline(stored.plan, names) for one in ids if (stored := journal.plan(one)) is not None}


def headline(plan: Plan, names: Mapping[str, str]) -> str:
    """What a plan does, in a few words."""
    if plan.is_exit:
        left = dict.fromkeys(_name(leg.market_id, names) for leg in plan.legs)
        return f"Leave {', '.join(left)}"
    match plan.moves:
        case ():
            kinds = dict.fromkeys(str(leg.kind.name).lower() for leg in plan.legs)
            return f"{', '.join(kinds).capitalize()}: {counted(len(plan.legs), 'step')}"
        case (move,):
            return f"Move {float(move.amount):z,.2f} {move.amount.token.symbol} to {_name(move.target, names)}"
        case moves:
            whole = sum(float(one.amount) for one in moves)
            return f"{counted(len(moves), 'move')} of {whole:z,.2f} {plan.asset.symbol} in all"


def _places(plan: Plan, names: Mapping[str, str]) -> tuple[PlaceOfMoney, ...]:
    """Where money is before or after: the plan's targets, and before them what its legs have not yet moved."""
    targets = plan.allocation.targets
    wallets = {amount.token: one for one, amount in targets.items() if one.startswith(IDLE)}
    sums = defaultdict[str, int](int)
    for leg in plan.legs:
        sign = 1 if leg.kind in INTO else -1 if leg.kind in OUT else 0
        wallet = wallets.get(leg.amount.token)
        if sign and is_market(leg.market_id) and leg.market_id in targets:
            sums[leg.market_id] += sign * leg.amount.raw
            if wallet is not None:
                sums[wallet] -= sign * leg.amount.raw
        elif leg.kind is LegKind.SWAP and leg.gets is not None and plan.moves:
            if wallet is not None:
                sums[wallet] -= leg.amount.raw
            if (into := wallets.get(leg.gets.token)) is not None:
                sums[into] += leg.gets.raw
    rates = {one.market_id: one.apr_after for one in plan.allocation.reasons}
    found = []
    for market_id, after in targets.items():
        before = Amount(after.token, max(0, after.raw - sums[market_id]))
        if before or after:
            found.append(
                PlaceOfMoney(
                    market_id=market_id,
                    name=_name(market_id, names),
                    before=Money.of(before),
                    after=Money.of(after),
                    apr_after=rates.get(market_id),
                )
            )
    return tuple(sorted(found, key=lambda one: -max(float(one.before.text), float(one.after.text))))


def _moves(plan: Plan, names: Mapping[str, str]) -> tuple[MoneyMoved, ...]:
    return tuple(
        MoneyMoved(
            source=_name(one.source, names),
            target=_name(one.target, names),
            amount=Money.of(one.amount),
            gain_per_year=one.gain_per_year,
            cost=one.cost,
            break_even_days=one.break_even_days,
            reason=one.reason,
            least_apr_gain=one.gain_per_year / float(one.amount) if one.amount and one.gain_per_year > 0 else None,
        )
        for one in plan.moves
    )


def _name(market_id: str, names: Mapping[str, str]) -> str:
    return "Wallet" if market_id.startswith(IDLE) else names.get(market_id, market_id)
