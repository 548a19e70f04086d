"""Balance changes: how they are read, and whether they are the ones that were predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.market import Market
from yieldbot.model.native import NATIVE
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Delta

DUST_RAW = 2
"""Base units by which a protocol's rounding may differ from the amount asked for."""


class Meant(Protocol):
    """What a leg is to do, on any chain."""

    @property
    def leg(self) -> Leg: ...

    @property
    def market(self) -> Market: ...

    @property
    def share_token(self) -> Token | None: ...


def changes(before: Mapping[Token, int], after: Mapping[Token, int]) -> tuple[Delta, ...]:
    """The change of every token, zeros included."""
    return tuple(Delta(token, after[token] - raw) for token, raw in before.items())


def total(parts: Iterable[Sequence[Delta]]) -> tuple[Delta, ...]:
    """Changes added up by token, in the order first seen."""
    sums: dict[Token, int] = {}
    for part in parts:
        for delta in part:
            sums[delta.token] = sums.get(delta.token, 0) + delta.raw
    return tuple(Delta(token, raw) for token, raw in sums.items())


def change_of(deltas: Iterable[Delta], token: Token) -> int:
    """The change of one token; 0 where it is not named."""
    return sum(delta.raw for delta in deltas if delta.token == token)


def within(observed: int, predicted: int, scale: int, tolerance_bps: float) -> bool:
    """Whether a change lies within tolerance of the predicted one; ``scale``: what the basis points are taken of."""
    return abs(observed - predicted) <= max(DUST_RAW, int(abs(scale) * tolerance_bps / 10_000))


def leg_fault(work: Meant, deltas: Sequence[Delta], tolerance_bps: float) -> Declined | None:
    """Why a leg's whole effect is not the leg's meaning; None when it is. Pure.

    A deposit takes exactly the amount (never more) and brings shares where there is a share token; a withdrawal brings
    the amount (all: at least that) and takes shares; a request takes shares alone, what it asked for comes when it is
    collected, and what is called back takes none; a swap takes exactly the amount and brings its least or
    more; a claim takes nothing and brings what was seen, or more.
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
            return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, planned was a deposit of {leg.amount}")
        if shares is not None and shares <= 0:
            return Declined("NO_SHARES", f"{work.market.name} takes {leg.amount} and gives no shares")
        return None
    if leg.kind in (LegKind.REQUEST, LegKind.CANCEL):
        return _step_fault(work, moved, shares)
    enough = within(moved, leg.amount.raw, leg.amount.raw, tolerance_bps) or (leg.all and moved > leg.amount.raw)
    if not enough:
        return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, planned was a withdrawal of {leg.amount}")
    if shares is not None and shares > 0:
        return Declined("DELTA_NOT_PLANNED", f"a withdrawal from {work.market.name} adds shares")
    return None


def _step_fault(work: Meant, moved: int, shares: int | None) -> Declined | None:
    """What is asked for leaves shares and brings nothing yet; what is called back takes none."""
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
        return Declined("DELTA_NOT_PLANNED", f"{_change(leg.amount.token, moved)}, planned was to give {leg.amount}")
    if brought < leg.gets.raw:
        return Declined("BELOW_LEAST", f"{_change(leg.gets.token, brought)}, the least is {leg.gets}")
    return None


def provided_fault(leg: Leg, other: Token, deltas: Sequence[Delta], bps: float) -> Declined | None:
    """As ``leg_fault``, of a leg that moves liquidity of the leg's asset and ``other``; ``bps``: of the amount, what a
    moved price may leave over. What lay in the wallet besides never goes in. Pure."""
    asset, amount = leg.amount.token, leg.amount.raw
    moved, less = change_of(deltas, asset), int(amount * bps / 10_000) + DUST_RAW
    if (changed := change_of(deltas, other)) < 0:
        return Declined("DELTA_NOT_PLANNED", f"{_change(other, changed)}, of it none was to go")
    if leg.kind is LegKind.DEPOSIT:
        if not -amount <= moved <= less - amount:
            return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, planned was to provide {leg.amount}")
    elif moved < (amount - less if leg.kind is LegKind.WITHDRAW else 0):
        return Declined("DELTA_NOT_PLANNED", f"{_change(asset, moved)}, planned was to take {leg.amount} out")
    return None


def worth_fault(work: Meant, gained_raw: int, tolerance_bps: float, entry_cost_bps: float = 0.0) -> Declined | None:
    """Why a deposit is not worth what it took, less the cost that was counted with; None when it is. Pure.

    A token that takes a fee when it moves, a vault whose share price somebody has inflated, an entry fee that nobody
    spoke of: each shows in what the position can be redeemed for afterwards (``gained_raw``: base units of the asset).
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
    """The changes with the least that was right of each before: the same bytes hold it. Pure."""
    least = {delta.token: delta.least for delta in predicted}
    return tuple(replace(delta, least=least.get(delta.token)) for delta in deltas)


def real_fault(
    predicted: Sequence[Delta], real: Sequence[Delta], before: Mapping[Token, int], tolerance_bps: float
) -> str | None:
    """Why the chain's balance changes are not the simulated ones; None when they are. Pure.

    Each token's tolerance is taken of the change or, for a token that grows by itself (its balance moves without a
    transfer of ours), of what was held before: the simulated block and the mined one are not the same second. The
    native token is left out: its change is the gas, which is bounded by limit and fee.
    """
    real_by_token = {delta.token: delta.raw for delta in real}
    for index, delta in enumerate(predicted):
        if delta.token.address == NATIVE or delta.token not in real_by_token:
            continue
        observed = real_by_token[delta.token]
        if delta.least is not None:  # prices move between a simulation and the block; the call's own least does not
            if observed < delta.least:
                return f"{_change(delta.token, observed)}, the least was {_change(delta.token, delta.least)}"
            continue
        scale = abs(delta.raw) if index == 0 else max(abs(delta.raw), before.get(delta.token, 0))
        if not within(observed, delta.raw, scale, tolerance_bps):
            return f"{_change(delta.token, observed)}, simulated was {_change(delta.token, delta.raw)}"
    return None


def _change(token: Token, raw: int) -> str:
    return f"{'+' if raw > 0 else ''}{Amount(token, raw)}"
