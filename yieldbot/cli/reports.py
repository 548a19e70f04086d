"""Positions as JSON documents, and balance changes in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.app.documents import Doc
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Delta

if TYPE_CHECKING:
    from yieldbot.cli.pnl import Earned
    from yieldbot.history.holdings import Position

LAMPORTS = "1" * 32
"""The address that stands for SOL as fees are paid in it (execution/svm/account.py)."""


def position(found: Position, horizon_seconds: float, gain: Earned | None) -> Doc:
    """One row of `yieldbot positions`. since: unix seconds; earned and yields are null where nothing was written."""
    from yieldbot.cli import pnl

    state = found.state
    return {
        "id": state.market.id,
        "name": state.market.name,
        "held": docs.money(state.held),
        "withdrawable": docs.money(state.withdrawable),
        "stuck": state.stuck or None,
        "leaving": docs.leaving(state),
        "since": found.since,
        "earned": docs.money_or_none(found.earned),
        "apy_now": docs.number(docs.apy_after(state, state.held, horizon_seconds).value),
        "apy_predicted": docs.number(found.predicted.value) if found.predicted else None,
        "apy_realised": docs.number(found.realised.value) if found.realised else None,
        **pnl.document(gain),
    }


def positions(
    snapshot: Snapshot,
    found: Sequence[Position],
    horizon_seconds: float,
    policy: Policy,
    gains: Sequence[Earned] = (),
) -> Doc:
    """All positions of one job, those that were left, and what lies in the wallet."""
    from yieldbot.cli import pnl

    by_id = {gain.market_id: gain for gain in gains}
    idle = [state for state in snapshot.states.values() if state.market.kind is Kind.IDLE]
    return {
        "positions": [position(row, horizon_seconds, by_id.get(row.state.market.id)) for row in found],
        "closed": pnl.closed(gains),
        "rewards": [
            docs.reward(reward, state.market.id, policy)
            for state in snapshot.states.values()
            for reward in state.rewards
            if reward.claimable or reward.in_wallet
        ],
        "reward_flags": sorted({flag for state in idle for flag in state.flags}),
        "idle": docs.money_or_none(idle[0].held if idle else None),
    }


def signed(change: Delta) -> str:
    """A balance change for people: +1,000 USDC. Six decimals at most, or four digits of what is smaller than one."""
    value = Amount(change.token, change.raw).decimal
    text = f"{value:+,.6f}" if abs(value) >= 1 else f"{float(value):+.4g}" if abs(value) < 1e-4 else f"{value:+.6f}"
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {change.token.symbol}"


def moved(changes: Sequence[Delta]) -> list[str]:
    """The changes that are not zero, for people.

    Where SOL is the asset there are two of that symbol: what the leg moves, and the wallet's own lamports, of which the
    former is a part.
    """
    told = [change for change in changes if change.raw]
    symbols = [change.token.symbol for change in told]
    return [
        f"(in the wallet, fees and rent included: {signed(change)})"
        if change.token.address == LAMPORTS and change.token.symbol in symbols[:place]
        else signed(change)
        for place, change in enumerate(told)
    ]
