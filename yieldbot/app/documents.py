"""JSON documents of what the bot sees and does. docs/json.md describes them; a field's unit is in its name.

Money is ``{"symbol", "raw", "text"}``: base units and whole tokens, both as decimal text. Rates are effective annual
fractions (0.05 is 5 %) unless the name says apr, which is simple.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.allocator.rewards import haircut_bps, reward_apr, value
from yieldbot.math.undrained import own_curve
from yieldbot.model.amounts import Amount, Apr, Apy, BlockRef
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Reward, Snapshot
from yieldbot.model.plan import Allocation, Assessment, Declined, Hold, Leg, Plan
from yieldbot.model.policy import Job, Policy
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Replaced, Reverted
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from yieldbot.allocator.across import Across
    from yieldbot.history.holdings import Unread

Doc = dict[str, Any]


def document(command: str, **fields: Any) -> Doc:
    """A command's whole output: its schema first."""
    return {"schema": f"yieldbot/{command}/v1", **fields}


def money(amount: Amount) -> Doc:
    return {"symbol": amount.token.symbol, "raw": str(amount.raw), "text": f"{amount.decimal:f}"}


def money_or_none(amount: Amount | None) -> Doc | None:
    return None if amount is None else money(amount)


def number(value: float | None) -> float | None:
    """A float for JSON, which knows neither infinity nor NaN."""
    return value if value is not None and math.isfinite(value) else None


def apy_of(apr: float) -> Apy:
    """The effective yield of a simple annual rate, compounded each second as the protocols accrue."""
    return Apr(apr).compounded()


def apy_after(state: MarketState, holding: Amount, horizon_seconds: float, policy: Policy | None = None) -> Apy:
    """What each token earns once we hold ``holding``, over the horizon with no one else acting, a year.

    The curve's rate is the simple mean over the horizon; reinvested at each horizon's end it is this yield. With a
    policy as plans count it: no more than the rate at the kink while more is used, no gain from draining the market.
    """
    curve = own_curve(state, policy) if policy else state.curve
    mean = curve.apr(float(holding), horizon_seconds)
    return Apy.from_growth(mean * horizon_seconds / SECONDS_PER_YEAR, horizon_seconds)


def reward_apy(state: MarketState, holding: Amount, policy: Policy) -> Apy:
    """What the market's rewards add to that, net of their haircuts. They lie until they are claimed, so that nothing is
    compounded: the simple rate a year."""
    return Apy(reward_apr(state, float(holding), policy) if state.rewards else 0.0)


def probe_of(state: MarketState, allocation: Allocation | None, wealth: Amount) -> Amount:
    """The holding at which a market's yield after our deposit is shown: the allocation's target, and where that is
    nothing our whole wealth, as far as the market takes it."""
    target = allocation.targets.get(state.market.id) if allocation else None
    if target:
        return target
    if state.capacity is None:
        return wealth
    return min(wealth, state.held + state.capacity)


def wealth_of(snapshot: Snapshot, job: Job) -> Amount:
    """Everything of the job's asset that we hold, the wallet included."""
    return snapshot.wealth(job.asset)


def block(ref: BlockRef) -> Doc:
    return {"height": ref.height, "hash": ref.hash, "timestamp": ref.timestamp}


def job_head(job: Job, snapshot: Snapshot | None = None, skipped: str | None = None) -> Doc:
    """Which job, at which block; ``skipped``: why its chain was not served, else null."""
    return {
        "wallet": job.wallet.name,
        "owner": job.wallet.address,
        "chain": job.chain.name,
        "chain_id": job.chain.chain,
        "asset": job.asset.symbol,
        "base": job.base.unit if job.base else None,
        "assets": [token.symbol for token in job.assets],
        "skipped": skipped,
        "block": block(snapshot.block) if snapshot else None,
    }


def reward(found: Reward, market_id: MarketId, policy: Policy) -> Doc:
    """An incentive of one market. value: whole asset tokens that a claim is worth, after the haircut and before gas."""
    return {
        "id": market_id,
        "token": found.token.address,
        "claimable": money(found.claimable),
        "in_wallet": money(found.in_wallet),
        "per_day": money(Amount(found.token, int(found.raw_per_second * 86_400))),
        "ends_at": found.ends_at,
        "distributor": found.distributor,
        "price": number(found.price),
        "haircut_bps": haircut_bps(found, policy),
        "value": None if found.price is None else number(value(found, policy)),
        "claim_cost": number(found.claim_cost),
    }


def way_out(state: MarketState) -> Doc:
    """How money leaves a market. cash: null where nobody can tell; hours: null where nothing bounds them."""
    return {
        "kind": state.exit.kind.value,
        "hours": number(state.exit.hours),
        "cash": money_or_none(state.cash),
        "limit": state.exit.limit or None,
    }


def leaving(state: MarketState) -> Doc | None:
    """What of ours is on its way out by two steps. until: unix seconds; null: when somebody serves it."""
    gone = state.leaving
    if gone is None:
        return None
    amounts = {"asked": gone.asked, "ready": gone.ready, "back": gone.back}
    return {name: money(amount) for name, amount in amounts.items()} | {"until": gone.until, "cancels": gone.cancels}


def ways_out(snapshot: Snapshot) -> list[Doc]:
    """Of every market but the wallet how money leaves it, and what is known of that."""
    return [
        {
            "market_id": state.market.id,
            "exit": way_out(state),
            "no_way_out": state.no_way_out or None,
            "untried": state.untried,
            "stuck": state.stuck or None,
        }
        for state in snapshot.states.values()
        if state.market.kind is not Kind.IDLE
    ]


def market(
    state: MarketState, assessment: Assessment | None, probe: Amount, horizon_seconds: float, policy: Policy
) -> Doc:
    """One row of `yieldbot markets`."""
    base, beside = apy_after(state, probe, horizon_seconds, policy), reward_apy(state, probe, policy)
    return {
        "id": state.market.id,
        "protocol": state.market.protocol,
        "name": state.market.name,
        "kind": state.market.kind.value,
        "address": state.market.address,
        "status": state.status.value,
        "quoted_apy": number(state.quoted.compounded().value),
        "apy_after_deposit": number(base.value),
        "reward_apy_after_deposit": number(beside.value),
        "total_apy_after_deposit": number(base.value + beside.value),
        "after_deposit_of": money(probe),
        "held": money(state.held),
        "supplied": money(state.supplied),
        "borrowed": money_or_none(state.borrowed),
        "liquidity": money(state.liquidity),
        "exit": way_out(state),
        "no_way_out": state.no_way_out or None,
        "untried": state.untried,
        "stuck": state.stuck or None,
        "leaving": leaving(state),
        "utilisation": state.utilisation,
        "entry_cost_bps": number(state.entry_cost_bps),
        "cap_headroom": money_or_none(state.capacity),
        "haircut_bps": assessment.haircut_bps if assessment else None,
        "max_exposure": money_or_none(assessment.max_exposure) if assessment else None,
        "rewards": [reward(one, state.market.id, policy) for one in state.rewards],
        "flags": list(state.flags),
        "vetoes": list(assessment.vetoes) if assessment else [],
    }


def markets(
    snapshot: Snapshot,
    assessments: tuple[Assessment, ...],
    allocation: Allocation | None,
    job: Job,
    horizon_seconds: float,
    policy: Policy,
    wealth: Amount | None = None,
) -> Doc:
    """All markets of a snapshot but the wallet, those that could not be read apart. ``wealth``: as if we had this."""
    by_id = {assessment.market_id: assessment for assessment in assessments}
    wealth = wealth or wealth_of(snapshot, job)
    return {
        "markets": [
            market(state, by_id.get(state.market.id), probe_of(state, allocation, wealth), horizon_seconds, policy)
            for state in snapshot.states.values()
            if state.market.kind is not Kind.IDLE
        ],
        "quarantined": [
            {"id": bad.market.id, "name": bad.market.name, "reason": bad.reason} for bad in snapshot.quarantined
        ],
    }


def unread(found: Sequence[Unread]) -> list[Doc]:
    """Markets that could not be observed. held_before: what the journal last knew that we hold there, or null."""
    return [
        {"id": one.market_id, "name": one.name, "reason": one.reason, "held_before": money_or_none(one.held)}
        for one in found
    ]


def leg(step: Leg) -> Doc:
    return {
        "kind": step.kind.value,
        "market_id": step.market_id,
        "amount": money(step.amount),
        "all": step.all,
        "gets": money_or_none(step.gets),
        "ticks": None if step.ticks is None else list(step.ticks),
    }


def allocation(found: Allocation) -> Doc:
    """Targets, the reason of each, and the certificate."""
    return {
        "targets": [{"market_id": market_id, "amount": money(amount)} for market_id, amount in found.targets.items()],
        "income_per_year": number(found.income_per_year),
        "cost": number(found.cost),
        "objective_per_year": number(found.certificate.objective),
        "upper_bound_per_year": number(found.certificate.upper_bound),
        "gap_bps": number(found.certificate.gap_bps),
        "shadow_price_apr": number(found.shadow_price),
        "reasons": [
            {
                "market_id": reason.market_id,
                "apr_quoted": number(reason.apr_quoted),
                "apr_after": number(reason.apr_after),
                "marginal_apr": number(reason.marginal_apr),
                "binding": reason.binding,
            }
            for reason in found.reasons
        ],
        "swaps": [
            {"given": money(swap.given), "gets": money(swap.gets), "least": money(swap.least)} for swap in found.swaps
        ],
    }


def plan(found: Plan | Hold) -> Doc:
    """A plan, or the reason for holding."""
    if isinstance(found, Hold):
        certified = allocation(found.allocation) if found.allocation else None
        return {"action": "hold", "reason": found.reason, "allocation": certified}
    return {
        "action": "move",
        "id": found.id,
        "expires_at": found.expires_at,
        "grade": found.grade,
        "gain_per_year": number(found.gain_per_year),
        "cost": number(found.cost),
        "moves": [
            {
                "source": move.source,
                "target": move.target,
                "amount": money(move.amount),
                "gain_per_year": number(move.gain_per_year),
                "cost": number(move.cost),
                "break_even_days": number(move.break_even_days),
                "reason": move.reason,
            }
            for move in found.moves
        ],
        "legs": [leg(step) for step in found.legs],
        "allocation": allocation(found.allocation),
    }


def across(found: Sequence[Across]) -> list[Doc]:
    """What bridging would gain, an entry for each asset that is held on several chains."""
    return [
        {
            "asset": one.symbol,
            "gain_per_year": number(one.gain_per_year),
            "worth": number(one.worth),
            "shifts": [{"chain_id": chain, "tokens": number(tokens)} for chain, tokens in one.shifts.items()],
        }
        for one in found
    ]


def delta(change: Delta) -> Doc:
    return {"token": change.token.address, **money(Amount(change.token, change.raw))}


def declined(refusal: Declined | None) -> Doc | None:
    return None if refusal is None else {"code": refusal.code, "reason": refusal.reason}


def _text_or_none(raw: int | None) -> str | None:
    return None if raw is None else str(raw)


def outcome(found: Outcome) -> Doc:
    """How a transaction ended."""
    match found:
        case Confirmed():
            return {
                "result": "confirmed",
                "hash": found.hash,
                "block": block(found.block),
                "gas_used": found.gas_used,
                "gas_price_wei": str(found.gas_price_wei),
                "fee_raw": _text_or_none(found.fee_raw),
                "deltas": [delta(change) for change in found.deltas],
            }
        case Reverted():
            return {
                "result": "reverted",
                "hash": found.hash,
                "block": block(found.block),
                "gas_used": found.gas_used,
                "fee_raw": _text_or_none(found.fee_raw),
                "reason": found.reason,
            }
        case Expired():
            return {"result": "expired", "hash": found.hash, "reason": found.reason}
        case Replaced():
            return {"result": "replaced", "hash": found.hash, "by": found.by}
