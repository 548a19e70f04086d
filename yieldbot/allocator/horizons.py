"""The times within which costs must pay, and whether a plan's do. Pure.

Two horizons in one solve: what is invested moves where that pays soon, for a difference of rates that lasts; what is
idle enters where that pays within a longer time, for without entering it earns nothing. The solver spreads each cost
over its horizon (``allocate.problem_of``), so that a plan that it makes pays by the same rule that is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yieldbot.model.plan import Move
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

IDLE = "idle/"
"""How the ids of wallets begin."""


@dataclass(frozen=True, slots=True)
class Horizons:
    """The times that costs are spread over, in years: for gas shorter where it may take only a share of the gain."""

    move_years: float
    """Of what swaps lose, of invested money that moves."""
    enter_years: float
    """Of what swaps lose, of idle money that enters."""
    gas_move_years: float
    """Of gas, of invested money that moves."""
    gas_enter_years: float
    """Of gas, of idle money that enters."""

    @classmethod
    def of(cls, policy: Policy, patience: float = 1.0) -> Horizons:
        """As the policy sets them: a cost is earned within the horizon and ``break_even_days``, gas out of
        ``max_gas_share_of_gain`` of what is gained within the horizon. patience: each is so many times as long."""
        years, share = patience * 86_400 / SECONDS_PER_YEAR, max(1e-6, min(1.0, policy.max_gas_share_of_gain))
        move, enter = _horizon_days(True, policy), _horizon_days(False, policy)
        return cls(
            move_years=policy.move_days * years,
            enter_years=policy.enter_days * years,
            gas_move_years=min(policy.move_days, move * share) * years,
            gas_enter_years=min(policy.enter_days, enter * share) * years,
        )


def days_allowed(moves: Sequence[Move], policy: Policy) -> float:
    """Days within which the moves together must earn their cost: each within its own horizon and ``break_even_days``,
    weighed by cost."""
    return _weighed(moves, {True: policy.move_days, False: policy.enter_days})


def horizon_days(moves: Sequence[Move], policy: Policy) -> float:
    """The horizon of the moves together, in days, whatever ``break_even_days`` says: what gas takes a share of."""
    return _weighed(moves, {moved: _horizon_days(moved, policy) for moved in (True, False)})


def _horizon_days(moved: bool, policy: Policy) -> float:
    return policy.mean_days if moved else max(policy.mean_days, policy.horizon_days or policy.enter_horizon_days)


def _weighed(moves: Sequence[Move], days: Mapping[bool, float]) -> float:
    """days: by whether invested money moves, or idle money enters."""
    cost = sum(move.cost for move in moves)
    if cost <= 0.0:
        return days[not moves or not all(move.source.startswith(IDLE) for move in moves)]
    return cost / sum(move.cost / days[not move.source.startswith(IDLE)] for move in moves)
