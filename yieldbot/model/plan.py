"""Decisions: assessments, allocations, plans. All pure values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId


@dataclass(frozen=True, slots=True)
class Assessment:
    """One market's risk as the policy sees it. haircut_bps: expected loss a year; max_exposure: None: unlimited;
    bound: what sets it, in words."""

    market_id: MarketId
    haircut_bps: float
    max_exposure: Amount | None
    vetoes: tuple[str, ...]
    bound: str = "policy's share of a market"


@dataclass(frozen=True, slots=True)
class Certificate:
    """How good an allocation is. Both objectives are net of haircuts and costs, in whole asset tokens a year.

    upper_bound is rigorous: no feasible allocation of the same problem does better.
    gap_bps = (upper_bound - objective) / wealth * 1e4 a year.
    """

    objective: float
    upper_bound: float
    gap_bps: float


@dataclass(frozen=True, slots=True)
class MarketReason:
    """Why one market gets its amount: rates are simple annual fractions; ``binding`` names the bound that binds."""

    market_id: MarketId
    apr_quoted: float
    apr_after: float
    marginal_apr: float
    binding: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One asset given for another: what is expected of it, the least that it must bring, about the gas of its
    transactions, and in how many parts it is made."""

    given: Amount
    gets: Amount
    least: Amount
    gas: int = 0
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Allocation:
    """Target holdings (IDLE included), expected income in whole tokens a year, and the proof. swaps: what is exchanged
    before the targets are put in; amounts that are not of one asset are in the first one."""

    targets: dict[MarketId, Amount]
    income_per_year: float
    cost: float
    certificate: Certificate
    shadow_price: float
    reasons: tuple[MarketReason, ...]
    swaps: tuple[Exchanged, ...] = ()


class LegKind(StrEnum):
    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    SWAP = "swap"
    CLAIM = "claim"
    REBALANCE = "rerange"
    REQUEST = "request"  # the first of two steps out of a market: its cooldown or its request begins
    COLLECT = "collect"  # the second: what was asked for comes
    CANCEL = "cancel"  # what was asked for is called back, or what was called back is taken in again


@dataclass(frozen=True, slots=True)
class Leg:
    """One step on chain. ``all``: the whole position (the protocol's own maximum, so that no dust is left).

    amount: what goes in or comes out; of a swap what is given, of a claim nothing, of a range that is laid anew what
    its position is worth. gets: the least that a swap or a claim must bring, of a token of its own; None for other
    kinds. Of a market that is left in two steps the amount is what is asked for, collected or called back. ticks: the
    range that liquidity is put into, else None. A swap's or a claim's market_id is that of no market (``is_market``).
    """

    kind: LegKind
    market_id: MarketId
    amount: Amount
    all: bool = False
    gets: Amount | None = None
    ticks: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Money between two markets. gain: tokens a year, net of haircuts; cost: tokens once; break_even_days: None when
    gain <= 0."""

    source: MarketId
    target: MarketId
    amount: Amount
    gain_per_year: float
    cost: float
    break_even_days: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. ``id`` is content-derived (``plan_id``); gain: of all moves; expires_at: unix seconds after which it
    must be decided anew. sold: what a sale of rewards brings at least, by the feeds in the job's first asset; None of
    other plans."""

    id: str
    block: BlockRef
    owner: Address
    moves: tuple[Move, ...]
    legs: tuple[Leg, ...]
    allocation: Allocation
    gain_per_year: float
    cost: float
    grade: int
    expires_at: int
    sold: Amount | None = None

    @property
    def asset(self) -> Token:
        """What its amounts are counted in: the asset of the job that it is for."""
        if self.sold is not None:
            return self.sold.token
        return self.moves[0].amount.token if self.moves else self.legs[0].amount.token


ID_DIGITS = 16
"""Hex digits of a plan's id: so many that no other content can be found that has the same."""


def plan_id(plan: Plan) -> str:
    """The id that follows from what a plan would do, by whom, where and until when it was decided, and from every
    number that it was shown with: of the SHA-256 of these. Pure."""
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
    """Doing nothing is best; ``reason`` is one line for the user."""

    reason: str
    allocation: Allocation | None


@dataclass(frozen=True, slots=True)
class Declined:
    """The approver said no; ``code`` as POLICY_LIMIT, HUMAN_REJECTED, EXPIRED."""

    code: str
    reason: str


OF_MARKET = ("WOULD_REVERT", "DELTA_NOT_PLANNED", "NO_SHARES", "WORTH_LESS", "GAS_ABOVE_LIMIT", "TOO_LARGE")
"""What a leg that fails says of its own market; other codes are of the plan, the wallet or the chain, or show a theft
that a person is to know of."""


@dataclass(frozen=True, slots=True)
class LegFails(Declined):
    """One leg does not go through on the fork, for its own market's reason: the others of a plan need not wait."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class NoWayOut(Declined):
    """A deposit that is refused since what goes in does not come out again: it is said of one market, and of nothing
    else of the plan. lasting: whether the market itself showed it (it holds until the market changes), and not a fork
    that could not go on."""

    market_id: MarketId
    lasting: bool = True


EXCLUDED = "excluded by policy"
