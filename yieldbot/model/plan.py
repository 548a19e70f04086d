"""Decisions as pure values: assessments, allocations, plans."""

from __future__ import annotations

import hashlib
import json
from dataclasses import field, replace
from enum import StrEnum

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId, is_market

SHARE_BOUND = "policy's share of a market"
"""The limit of a market by ``max_share_market`` or ``max_share_markets``, as a phrase."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One market's haircut, limit and vetoes by the policy."""

    market_id: MarketId
    """The market."""
    haircut_bps: float
    """Expected loss a year, in bp."""
    max_exposure: Amount | None
    """Largest holding; None: unlimited."""
    vetoes: tuple[str, ...]
    """Why the market gets no new money; empty: it may get some."""
    bound: str = SHARE_BOUND
    """The limit that sets ``max_exposure``, as a phrase."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """How good an allocation is. Objectives are net of haircuts and costs, in whole asset tokens a year."""

    objective: float
    """The allocation's objective."""
    upper_bound: float
    """No feasible allocation of the same problem has a higher objective."""
    gap_bps: float
    """(upper_bound - objective) / wealth, in bps a year."""
    glanced: int = 0
    """Markets that were not read in full. The bound holds for them too: each counts with the most that it could pay."""
    unread: tuple[MarketId, ...] = field(default=(), compare=False)
    """Markets that were not read in full but could be worth it: a full reading may raise the objective, or lower the
    bound."""


@dataclass(frozen=True, slots=True)
class MarketReason:
    """Why one market has its target. Rates are simple annual fractions."""

    market_id: MarketId
    """The market."""
    apr_quoted: float
    """The quoted rate: what the protocol shows now."""
    apr_after: float
    """The average rate that the holding earns at the target."""
    marginal_apr: float
    """The rate that one more token would earn at the target, as a simple annual fraction."""
    binding: str
    """The limit that binds, or how the marginal yield compares, as a phrase."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A swap of one asset for another."""

    given: Amount
    """What goes in."""
    gets: Amount
    """Expected output."""
    least: Amount
    """Minimum out."""
    gas: int = 0
    """Approximate gas of its transactions."""
    parts: int = 1
    """Number of routes that it is split over."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Target holdings with what they earn and the certificate. Figures are in whole tokens of the first asset."""

    targets: dict[MarketId, Amount]
    """Target holding of each market, IDLE included."""
    income_per_year: float
    """Income at the targets before haircuts, in whole tokens of the first asset a year."""
    cost: float
    """One-time cost of getting to the targets (gas, swaps, entry fees), in whole tokens of the first asset."""
    certificate: Certificate
    """How close it is to the best allocation."""
    shadow_price: float
    """The highest net marginal rate of a market that has money and room for more, a simple annual fraction; 0: none."""
    reasons: tuple[MarketReason, ...]
    """One for each market."""
    swaps: tuple[Exchanged, ...] = ()
    """Swaps that are made before the deposits."""
    later: dict[MarketId, Amount] = field(default_factory=dict)
    """By market, what later plans put in beyond the target, because a limit over time keeps it out of this one."""


class LegKind(StrEnum):
    """What a leg does."""

    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    SWAP = "swap"
    CLAIM = "claim"
    REBALANCE = "rerange"
    """Takes a range's liquidity out and puts it in again around the present price."""
    REQUEST = "request"
    """First step of a two-step exit: its cooldown or queue begins."""
    COLLECT = "collect"
    """Second step of a two-step exit: what was requested is paid out."""
    CANCEL = "cancel"
    """Cancels a request, or puts what a cancellation returned into the market again."""


OUT = (LegKind.WITHDRAW, LegKind.REQUEST, LegKind.COLLECT, LegKind.CANCEL)
"""Kinds of legs that take money out of a market, in one step or two, and put none in."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One step on chain."""

    kind: LegKind
    """What it does."""
    market_id: MarketId
    """The market; for swaps and claims an id that is no market's (``is_market``)."""
    amount: Amount
    """The amount that goes in or comes out. Swap: the amount in; claim: 0; rebalance: the position's value; two-step
    exit: what is requested, collected or cancelled."""
    all: bool = False
    """Whether it is the whole position, taken by the protocol's own maximum so that no dust is left."""
    gets: Amount | None = None
    """Minimum out of a swap or a claim, and of a deposit or withdrawal where shares are bought and sold at a price;
    else None."""
    ticks: tuple[int, int] | None = None
    """Range that the liquidity goes into; None for other kinds."""
    gives: Amount | None = None
    """The most shares that a withdrawal sells where they are sold at a price; None for others."""


@dataclass(frozen=True, slots=True)
class Move:
    """Money that goes from one market to another, in a person's view."""

    source: MarketId
    """The market that the money leaves."""
    target: MarketId
    """The market that it goes into."""
    amount: Amount
    """How much, in the first asset."""
    gain_per_year: float
    """Additional income a year, net of haircuts, in whole tokens of the first asset."""
    cost: float
    """One-time cost, in whole tokens of the first asset."""
    break_even_days: float | None
    """Days after which it has earned its cost; None when it gains nothing."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: legs on chain, with the allocation that they lead to, their gain and their cost."""

    id: str
    """Identifier computed from the content (``plan_id``)."""
    block: BlockRef
    """The block that it was decided at."""
    owner: Address
    """The account whose money it moves."""
    moves: tuple[Move, ...]
    """Money from market to market, for a person."""
    legs: tuple[Leg, ...]
    """The steps on chain, in order."""
    allocation: Allocation
    """The allocation that it leads to."""
    gain_per_year: float
    """Gain of all moves, in whole tokens of the first asset."""
    cost: float
    """One-time cost of all moves, in whole tokens of the first asset."""
    grade: int
    """0 to 100 (``allocator/plan.grade``)."""
    expires_at: int
    """Unix seconds at which it expires."""
    sold: Amount | None = None
    """Minimum out of a sale of rewards, valued in the first asset by the feeds; None for other plans."""
    why: tuple[str, ...] = ()
    """For a plan that leaves markets because of an alarm or an order: what was observed, one line a market. Empty for
    plans that are made for gain."""
    counts: tuple[str, ...] = ()
    """What plans of our other wallets, made before it and not carried out yet, would move: it is decided as if they had
    been, a line a market. Empty if there are none."""

    @property
    def takes_out(self) -> bool:
        """Whether its legs only take money out of markets into our own wallet, judged by the legs and not by what the
        plan says of itself."""
        return bool(self.legs) and all(
            leg.kind in OUT and is_market(leg.market_id) and leg.ticks is None and _into_wallet(leg)
            for leg in self.legs
        )

    @property
    def is_exit(self) -> bool:
        """Whether it is an exit for danger or by order, which needs no gain; it can only take money out."""
        return bool(self.why) and self.takes_out and not self.moves and self.sold is None

    @property
    def asset(self) -> Token:
        """The asset that its amounts are counted in."""
        if self.sold is not None:
            return self.sold.token
        return self.moves[0].amount.token if self.moves else self.legs[0].amount.token


ID_DIGITS = 16
"""Hex digits of a plan's id: 64 bits, too many to find other content with the same id."""


def plan_id(plan: Plan) -> str:
    """The id of a plan: SHA-256 over what it does, the account, the block, when it expires, and every number that is
    shown with it. Pure."""
    content = [plan.block.chain, plan.block.hash, plan.owner, str(plan.expires_at), str(plan.grade)]
    content += [f"{leg.kind} {leg.market_id} {_exactly(leg.amount)} {leg.all}" for leg in plan.legs]
    content += [f"for {_exactly(leg.gets)}" for leg in plan.legs if leg.gets is not None]
    content += [f"gives {_exactly(leg.gives)}" for leg in plan.legs if leg.gives is not None]
    content += [f"over {leg.ticks}" for leg in plan.legs if leg.ticks is not None]
    content += [
        f"{m.source} {m.target} {_exactly(m.amount)} {m.gain_per_year!r} {m.cost!r} {m.break_even_days!r} {m.reason}"
        for m in plan.moves
    ]
    proof = plan.allocation.certificate
    numbers = (plan.gain_per_year, plan.cost, proof.objective, proof.upper_bound, proof.gap_bps)
    content += [repr(float(number)) for number in numbers]
    content += [f"sold {_exactly(plan.sold)}"] if plan.sold is not None else []
    content += [f"why {line}" for line in plan.why]
    content += [f"counts {line}" for line in plan.counts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:ID_DIGITS]


def _into_wallet(leg: Leg) -> bool:
    """Whether a leg that takes money out brings nothing but the market's asset, for no more than shares of it."""
    if leg.gets is None or leg.gives is None:
        return leg.gets is leg.gives is None
    return leg.kind is LegKind.WITHDRAW and leg.gets.token == leg.amount.token != leg.gives.token


def _exactly(amount: Amount) -> str:
    return f"{amount.raw} {amount.token.address} {amount.token.decimals}"


def identified(plan: Plan) -> Plan:
    """The plan with its id set."""
    return replace(plan, id=plan_id(plan))


@dataclass(frozen=True, slots=True)
class Hold:
    """The decision to do nothing."""

    reason: str
    """One line for the user."""
    allocation: Allocation | None
    """The allocation that was found; None if none was computed."""
    late: bool = False
    """Whether moves were found that pay, but too late for the policy."""
    counts: tuple[str, ...] = ()
    """As ``Plan.counts``."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A refusal, by the approver, a limit or a safety rule."""

    code: str
    """Stable code, as POLICY_LIMIT, HUMAN_REJECTED or EXPIRED."""
    reason: str
    """Why, in one line."""


OF_MARKET = ("WOULD_REVERT", "DELTA_NOT_PLANNED", "NO_SHARES", "WORTH_LESS", "GAS_ABOVE_LIMIT", "TOO_LARGE")
"""Codes of a failing leg that concern only its own market. Other codes concern the plan, the wallet or the chain, or
point to theft, which a person must look at."""


@dataclass(frozen=True, slots=True)
class LegFails(Declined):
    """One leg fails on the fork because of its own market; the plan can be made again without it."""

    leg: Leg
    """The failing leg."""


@dataclass(frozen=True, slots=True)
class NoWayOut(Declined):
    """A deposit is refused because it could not be withdrawn again; it concerns only that market."""

    market_id: MarketId
    """The market."""
    lasting: bool = True
    """True: the market itself failed, which is remembered until the market changes. False: the fork may be the
    cause."""


EXCLUDED = "excluded by policy"
SLACK = 1000
"""A bound may be exceeded by one part in this, so that a waiting plan is not dropped for interest and rounding."""
