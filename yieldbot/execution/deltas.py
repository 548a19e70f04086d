"""Balance changes (deltas): adding them up, and comparing those of the plan, the simulation and the chain.

Every function is pure. A fault is a Declined or a text with the reason; None: no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.families import EVM_NATIVE
from yieldbot.model.market import Market
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Delta

DUST_RAW = 2
"""Base units by which a protocol's rounding may differ from the amount requested, even if the tolerance is smaller."""


class IntendedLeg(Protocol):
    """A leg as it is to be carried out, on any chain."""

    @property
    def leg(self) -> Leg:
        """The leg as it is now built; its amount is at most the plan's."""

    @property
    def market(self) -> Market:
        """The leg's market."""

    @property
    def share_token(self) -> Token | None:
        """The token of the market's shares; None if the position is no token."""


def changes(before: Mapping[Token, int], after: Mapping[Token, int]) -> tuple[Delta, ...]:
    """The change of every token, in base units, zeros included. ``before`` and ``after``: balances in base units."""
    return tuple(Delta(token, after[token] - raw) for token, raw in before.items())


def total(parts: Iterable[Sequence[Delta]]) -> tuple[Delta, ...]:
    """Changes added up by token, in the order in which the tokens first appear."""
    sums: dict[Token, int] = {}
    for part in parts:
        for delta in part:
            sums[delta.token] = sums.get(delta.token, 0) + delta.raw
    return tuple(Delta(token, raw) for token, raw in sums.items())


def change_of(deltas: Iterable[Delta], token: Token) -> int:
    """The change of one token in base units; 0 where the deltas do not name it."""
    return sum(delta.raw for delta in deltas if delta.token == token)


def within(observed: int, predicted: int, scale: int, tolerance_bps: float) -> bool:
    """Whether an observed change counts as the predicted one: they differ by at most ``tolerance_bps`` of ``scale``, or
    by DUST_RAW. All three are in base units of one token."""
    return abs(observed - predicted) <= max(DUST_RAW, int(abs(scale) * tolerance_bps / 10_000))


def leg_fault(work: IntendedLeg, deltas: Sequence[Delta], tolerance_bps: float) -> Declined | None:
    """Why a leg's transactions together did not do what the leg says; None if they did. Pure.

    deposit: takes the amount within tolerance and never more, and adds shares if the market has a share token.
    withdraw, collect: brings the amount within tolerance (more if the whole position leaves), and adds no shares.
    request: moves none of the asset, and takes shares. cancel: moves none of the asset, and takes no shares. swap: pays
    exactly the amount, and brings at least the minimum out. claim: pays nothing, and brings at least the claimed
    amount.

    Codes: DELTA_NOT_PLANNED, NO_SHARES, BELOW_LEAST (less than a swap's or claim's minimum).
    """
    leg = work.leg
    asset = leg.amount.token
    moved = change_of(deltas, asset)
    shares = change_of(deltas, work.share_token) if work.share_token else None
    if leg.kind is LegKind.CLAIM:
        return _claim_fault(leg, moved, change_of(deltas, leg.gets.token) if leg.gets else 0)
    if leg.kind is LegKind.SWAP:
        return _swap_fault(leg, moved, change_of(deltas, leg.gets.token) if leg.gets else 0)
    if leg.kind is LegKind.DEPOSIT:
        if moved < -leg.amount.raw or not within(moved, -leg.amount.raw, leg.amount.raw, tolerance_bps):
            return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, the plan deposits {leg.amount}")
        if shares is not None and shares <= 0:
            return Declined("NO_SHARES", f"{work.market.name} takes {leg.amount} and gives no shares")
        if leg.gets is not None and change_of(deltas, leg.gets.token) < leg.gets.raw:
            brought = change_of(deltas, leg.gets.token)
            return Declined("BELOW_LEAST", f"{_change(leg.gets.token, brought)}, the least is {leg.gets}")
        return None
    if leg.kind in (LegKind.REQUEST, LegKind.CANCEL):
        return _step_fault(work, moved, shares)
    if leg.gives is not None:
        return _sold_fault(leg, moved, change_of(deltas, leg.gives.token))
    enough = within(moved, leg.amount.raw, leg.amount.raw, tolerance_bps) or (leg.all and moved > leg.amount.raw)
    if not enough:
        return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, the plan withdraws {leg.amount}")
    if shares is not None and shares > 0:
        return Declined("DELTA_NOT_PLANNED", f"a withdrawal from {work.market.name} adds shares")
    return None


def _sold_fault(leg: Leg, moved: int, shares: int) -> Declined | None:
    """``leg_fault`` for shares that are sold: a price moves, the approved least does not."""
    if leg.gets is None or leg.gives is None or leg.gets.token != leg.amount.token:
        return Declined("DELTA_NOT_PLANNED", "a sale of shares that names nothing to be brought")
    if moved < leg.gets.raw:
        return Declined("BELOW_LEAST", f"{_change(leg.gets.token, moved)}, the least is {leg.gets}")
    if not -leg.gives.raw <= shares < 0:
        return Declined("DELTA_NOT_PLANNED", f"{_change(leg.gives.token, shares)}, the plan gives {leg.gives}")
    return None


def _step_fault(work: IntendedLeg, moved: int, shares: int | None) -> Declined | None:
    """``leg_fault`` for a request or its cancellation."""
    leg = work.leg
    if moved:
        return Declined("DELTA_NOT_PLANNED", f"{_change(leg.amount.token, moved)}, a {leg.kind} moves none of it")
    if shares is not None and (shares >= 0 if leg.kind is LegKind.REQUEST else shares < 0):
        return Declined("DELTA_NOT_PLANNED", f"a {leg.kind} at {work.market.name} changes our shares by {shares}")
    return None


def _claim_fault(leg: Leg, moved: int, brought: int) -> Declined | None:
    if leg.gets is None or leg.gets.raw <= 0:
        return Declined("DELTA_NOT_PLANNED", "a claim that names nothing to be brought")
    if moved and leg.gets.token != leg.amount.token:
        return Declined("DELTA_NOT_PLANNED", f"{_change(leg.amount.token, moved)}, a claim moves none of it")
    if brought < leg.gets.raw:
        return Declined("BELOW_LEAST", f"{_change(leg.gets.token, brought)}, the least is {leg.gets}")
    return None


def _swap_fault(leg: Leg, moved: int, brought: int) -> Declined | None:
    if leg.gets is None or leg.gets.token == leg.amount.token:
        return Declined("DELTA_NOT_PLANNED", "a swap that names no other token to be brought")
    if moved != -leg.amount.raw:
        return Declined("DELTA_NOT_PLANNED", f"{_change(leg.amount.token, moved)}, the plan sells {leg.amount}")
    if brought < leg.gets.raw:
        return Declined("BELOW_LEAST", f"{_change(leg.gets.token, brought)}, the least is {leg.gets}")
    return None


def provided_fault(leg: Leg, other: Token, deltas: Sequence[Delta], bps: float) -> Declined | None:
    """``leg_fault`` for a leg of liquidity in a pool of the leg's asset and ``other``. Pure.

    bps: fraction of the amount, in bp, that may be left over because the price moved. The wallet's earlier balance of
    ``other`` must not be used: it may not fall.
    """
    asset, amount = leg.amount.token, leg.amount.raw
    moved, less = change_of(deltas, asset), int(amount * bps / 10_000) + DUST_RAW
    if (changed := change_of(deltas, other)) < 0:
        return Declined("DELTA_NOT_PLANNED", f"{_change(other, changed)}, none of it was to leave the wallet")
    if leg.kind is LegKind.DEPOSIT:
        if not -amount <= moved <= less - amount:
            return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, the plan puts in {leg.amount}")
    elif moved < (amount - less if leg.kind is LegKind.WITHDRAW else 0):
        return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, planned was to take {leg.amount} out")
    return None


def worth_fault(
    work: IntendedLeg, gained_raw: int, tolerance_bps: float, entry_cost_bps: float = 0.0
) -> Declined | None:
    """Why a position is worth less after a deposit than it should be; None if it is not. Pure.

    gained_raw: by how much the position's redeemable value grew, in base units of the asset. entry_cost_bps: the entry
    cost that the decision counted with, in bp of the amount.

    This detects tokens with a fee on transfer, vaults whose share price somebody inflated, and undeclared entry fees. A
    leg that puts nothing in (a new range, a request) must leave the position's value as it was. Code: WORTH_LESS.
    """
    amount = work.leg.amount
    brought_raw = amount.raw if work.leg.kind is LegKind.DEPOSIT else 0
    expected_raw = brought_raw - int(amount.raw * entry_cost_bps / 10_000)
    if gained_raw >= expected_raw or within(gained_raw, expected_raw, amount.raw, tolerance_bps):
        return None
    worth = Amount(amount.token, gained_raw)
    if work.leg.kind is LegKind.REBALANCE:
        return Declined("WORTH_LESS", f"a new range in {work.market.name} would be worth {worth} more afterwards")
    if work.leg.kind is not LegKind.DEPOSIT:
        message = f"{work.leg.kind} of {amount} at {work.market.name}: what is ours there would be worth {worth} more"
        return Declined("WORTH_LESS", message)
    return Declined("WORTH_LESS", f"a deposit of {amount} into {work.market.name} would be worth {worth} afterwards")


def still_least(deltas: Sequence[Delta], predicted: Sequence[Delta]) -> tuple[Delta, ...]:
    """The changes of a transaction that is simulated again, with the minimum outs of the first simulation, which the
    same calldata enforces. Pure."""
    least = {delta.token: delta.least for delta in predicted}
    return tuple(replace(delta, least=least.get(delta.token)) for delta in deltas)


def real_fault(
    predicted: Sequence[Delta], real: Sequence[Delta], before: Mapping[Token, int], tolerance_bps: float
) -> str | None:
    """Why the chain's balance changes are not the simulated ones; None if they are. Pure.

    predicted, real: changes on the fork and on the chain. before: balances before the transaction, in base units.
    tolerance_bps is a fraction of the change; for a token other than the first it is a fraction of the earlier balance
    if that is larger, since rebasing tokens grow between the simulated block and the mined one. A swap's output is only
    compared with its minimum out. The native token is not compared: its change is the gas, which limit and fee bound.
    """
    real_by_token = {delta.token: delta.raw for delta in real}
    for index, delta in enumerate(predicted):
        if delta.token.address == EVM_NATIVE or delta.token not in real_by_token:
            continue
        observed = real_by_token[delta.token]
        if delta.least is not None:  # prices move until the block; the minimum out in the calldata does not
            if observed < delta.least:
                return f"{_change(delta.token, observed)}, the least was {_change(delta.token, delta.least)}"
            continue
        scale = abs(delta.raw) if index == 0 else max(abs(delta.raw), before.get(delta.token, 0))
        if not within(observed, delta.raw, scale, tolerance_bps):
            return f"{_change(delta.token, observed)}, simulated was {_change(delta.token, delta.raw)}"
    return None


def _change(token: Token, raw: int) -> str:
    return f"{'+' if raw > 0 else ''}{Amount(token, raw)}"
