"""Decisions as pure values: assessments, allocations, plans."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId


@dataclass(frozen=True, slots=True)
class Assessment:
    """One market's risk as the policy sees it."""

    market_id: MarketId
    """Which market."""
    haircut_bps: float
    """Expected loss a year."""
    max_exposure: Amount | None
    """Largest holding; None: unlimited."""
    vetoes: tuple[str, ...]
    """Why it gets no new money; empty: it may."""
    bound: str = "policy's share of a market"
    """What sets ``max_exposure``, as a phrase."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """How good an allocation is. Objectives are net of haircuts and costs, in whole asset tokens a year."""

    objective: float
    """Of the allocation."""
    upper_bound: float
    """Rigorous: no feasible allocation of the same problem does better."""
    gap_bps: float
    """(upper_bound - objective) / wealth, in bps a year."""


@dataclass(frozen=True, slots=True)
class MarketReason:
    """Why one market gets its amount. Rates are simple annual fractions."""

    market_id: MarketId
    """Which market."""
    apr_quoted: float
    """What it pays now."""
    apr_after: float
    """What it pays at the target."""
    marginal_apr: float
    """What one more token would earn."""
    binding: str
    """The limit that binds, or how the marginal yield compares, as a phrase."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One asset given for another."""

    given: Amount
    """What goes in."""
    gets: Amount
    """Expected output."""
    least: Amount
    """Minimum out."""
    gas: int = 0
    """Of its transactions, about."""
    parts: int = 1
    """In how many parts it is made."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Target holdings with what they earn and the certificate. Figures are in whole tokens of the first asset."""

    targets: dict[MarketId, Amount]
    """Of every market, IDLE included."""
    income_per_year: float
    """At the targets, before haircuts."""
    cost: float
    """One-time cost of getting there."""
    certificate: Certificate
    """How good it is."""
    shadow_price: float
    """What one more token would earn at the margin, a fraction a year."""
    reasons: tuple[MarketReason, ...]
    """One a market."""
    swaps: tuple[Exchanged, ...] = ()
    """Made before the targets are put in."""


class LegKind(StrEnum):
    """What a leg does."""

    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    SWAP = "swap"
    CLAIM = "claim"
    REBALANCE = "rerange"
    """Takes a range's liquidity out and puts it in again around the price."""
    REQUEST = "request"
    """The first step of a two-step exit: its cooldown or its queue begins."""
    COLLECT = "collect"
    """The second step: what was requested is paid out."""
    CANCEL = "cancel"
    """A request is cancelled, or what was cancelled is taken in again."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One step on chain."""

    kind: LegKind
    """What it does."""
    market_id: MarketId
    """The market; of a swap or a claim an id that is no market's (``is_market``)."""
    amount: Amount
    """What goes in or comes out; of a swap what is given, of a claim 0, of a rebalance the position's value; of a
    two-step exit what is requested, collected or cancelled."""
    all: bool = False
    """The whole position, by the protocol's own maximum, so that no dust is left."""
    gets: Amount | None = None
    """Minimum out of a swap or a claim, in a token of its own; None for other kinds."""
    ticks: tuple[int, int] | None = None
    """Range that liquidity is put into; None for other legs."""


@dataclass(frozen=True, slots=True)
class Move:
    """Money from one market to another, as a person thinks of it."""

    source: MarketId
    """Where it leaves."""
    target: MarketId
    """Where it goes."""
    amount: Amount
    """In the first asset."""
    gain_per_year: float
    """Tokens a year, net of haircuts."""
    cost: float
    """Tokens, once."""
    break_even_days: float | None
    """Days after which it has earned its cost; None when it gains nothing."""
    reason: str
    """In one line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do."""

    id: str
    """Derived from the content (``plan_id``)."""
    block: BlockRef
    """It was decided at."""
    owner: Address
    """Whose money."""
    moves: tuple[Move, ...]
    """As a person thinks of it."""
    legs: tuple[Leg, ...]
    """As it is carried out, in order."""
    allocation: Allocation
    """That it leads to."""
    gain_per_year: float
    """Of all moves, in whole tokens of the first asset."""
    cost: float
    """Of all moves, once."""
    grade: int
    """0 to 100."""
    expires_at: int
    """Unix seconds after which it must be decided again."""
    sold: Amount | None = None
    """Of a sale of rewards, its minimum out by the feeds, in the first asset; None for other plans."""

    @property
    def asset(self) -> Token:
        """The asset that its amounts are counted in."""
        if self.sold is not None:
            return self.sold.token
        return self.moves[0].amount.token if self.moves else self.legs[0].amount.token


ID_DIGITS = 16
"""Hex digits of a plan's id: so many that no other content with the same id can be found."""


def plan_id(plan: Plan) -> str:
    """The id of a plan: SHA-256 of what it would do, by whom, where, of when it expires, and of every number that it
    was shown with. Pure."""
    content = [plan.block.chain, plan.block.hash, plan.owner, str(plan.expires_at), str(plan.grade)]
    content += [f"{leg.kind} {leg.market_id} {_exactly(leg.amount)} {leg.all}" for leg in plan.legs]
    content += [f"for {_exactly(leg.gets)}" for leg in plan.legs if leg.gets is not None]
    content += [f"over {leg.ticks}" for leg in plan.legs if leg.ticks is not None]
    content += [
        f"{m.source} {m.target} {_exactly(m.amount)} {m.gain_per_year!r} {m.cost!r} {m.break_even_days!r} {m.reason}"
        for m in plan.moves
    ]
    proof = plan.allocation.certificate
    numbers = (plan.gain_per_year, plan.cost, proof.objective, proof.upper_bound, proof.gap_bps)
    content += [repr(float(number)) for number in numbers]
    content += [f"sold {_exactly(plan.sold)}"] if plan.sold is not None else []
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:ID_DIGITS]


def _exactly(amount: Amount) -> str:
    return f"{amount.raw} {amount.token.address} {amount.token.decimals}"


def identified(plan: Plan) -> Plan:
    """The plan under its own id."""
    return replace(plan, id=plan_id(plan))


@dataclass(frozen=True, slots=True)
class Hold:
    """Doing nothing is best."""

    reason: str
    """One line for the user."""
    allocation: Allocation | None
    """That was found; None where none was computed."""
    late: bool = False
    """Whether moves were found that pay, but later than the policy allows."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A refusal: of the approver, a limit or a safety rule."""

    code: str
    """As POLICY_LIMIT, HUMAN_REJECTED, EXPIRED."""
    reason: str
    """In one line."""


OF_MARKET = ("WOULD_REVERT", "DELTA_NOT_PLANNED", "NO_SHARES", "WORTH_LESS", "GAS_ABOVE_LIMIT", "TOO_LARGE")
"""Codes of a failing leg that concern its own market; others concern the plan, the wallet or the chain, or show a theft
that a person must see."""


@dataclass(frozen=True, slots=True)
class LegFails(Declined):
    """One leg fails on the fork because of its own market: the plan's others need not wait."""

    leg: Leg
    """Which."""


@dataclass(frozen=True, slots=True)
class NoWayOut(Declined):
    """A deposit is refused because what goes in does not come out again; it concerns one market alone."""

    market_id: MarketId
    """Which."""
    lasting: bool = True
    """Whether the market itself showed it (it holds until the market changes), and not a fork that could not go on."""


EXCLUDED = "excluded by policy"
SLACK = 1000
"""A bound may be exceeded by one part in so many: what interest and rounding do to holdings and to fractions of the
wealth while a plan waits is no reason to drop it."""
