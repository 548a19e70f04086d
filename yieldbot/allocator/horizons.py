"""The times within which costs must pay, and whether a plan's do. Pure.

Two horizons in one solve: what is invested moves where that pays soon, for a difference of rates that lasts; what is
idle enters where that pays within a longer time, for without entering it earns nothing. The solver spreads each cost
over its horizon (``allocate.problem_of``), so that a plan that it makes pays by the same rule that is asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Of invested money that moves."""
    enter_years: float
    """Of idle money that enters."""
    gas_share: float
    """The share of the gain within a horizon that gas may take."""

    @classmethod
    def of(cls, policy: Policy) -> Horizons:
        """As the policy sets them."""
        days = 86_400 / SECONDS_PER_YEAR
        return cls(policy.move_days * days, policy.enter_days * days, max(1e-6, min(1.0, policy.max_gas_share_of_gain)))

    @property
    def gas_move_years(self) -> float:
        """For the gas of invested money that moves."""
        return self.move_years * self.gas_share

    @property
    def gas_enter_years(self) -> float:
        """For the gas of idle money that enters."""
        return self.enter_years * self.gas_share


def days_allowed(moves: Sequence[Move], policy: Policy) -> float:
    """Days within which the moves together must pay their cost: each within its own horizon, weighed by cost."""
    cost = sum(move.cost for move in moves)
    if cost <= 0.0:
        return policy.enter_days if moves and all(move.source.startswith(IDLE) for move in moves) else policy.move_days
    return cost / sum(move.cost / _days(move, policy) for move in moves)


def _days(move: Move, policy: Policy) -> float:
    return policy.enter_days if move.source.startswith(IDLE) else policy.move_days
