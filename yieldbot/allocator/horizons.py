"""The horizons within which costs must pay, and whether a plan's costs do. Pure.

One solve uses two horizons. Invested money moves only if that pays soon, because a difference of two rates may not
last. Idle money enters if that pays within a longer time, because outside it earns nothing. The solver spreads each
cost over its horizon (``allocate.problem_of``), so that its plans pass the rule that is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Move
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

IDLE = "idle/"
"""Prefix of the market ids of wallets (idle money)."""


@dataclass(frozen=True, slots=True)
class Horizons:
    """The times over which costs are spread, in years. Gas may have a shorter one, as it may take only a fraction of
    the gain."""

    move_years: float
    """For the loss in swaps of invested money that moves."""
    enter_years: float
    """For the loss in swaps of idle money that enters."""
    gas_move_years: float
    """For the gas of invested money that moves."""
    gas_enter_years: float
    """For the gas of idle money that enters."""
    gas_share: float = 1.0
    """The fraction of the gain that gas may take."""

    @classmethod
    def of(cls, policy: Policy, patience: float = 1.0) -> Horizons:
        """The policy's horizons: a cost must be earned within the horizon and ``break_even_days``, and gas may take at
        most ``max_gas_share_of_gain`` of the gain within the horizon. patience: factor on each of them."""
        years, share = patience * 86_400 / SECONDS_PER_YEAR, max(1e-6, min(1.0, policy.max_gas_share_of_gain))
        move, enter = _horizon_days(True, policy), _horizon_days(False, policy)
        return cls(
            move_years=policy.move_days * years,
            enter_years=policy.enter_days * years,
            gas_move_years=min(policy.move_days, move * share) * years,
            gas_enter_years=min(policy.enter_days, enter * share) * years,
            gas_share=share,
        )


def days_allowed(moves: Sequence[Move], policy: Policy) -> float:
    """Days within which the moves together must earn their cost. Each move has a limit of its own (the lower of its
    horizon and ``break_even_days``); this is their harmonic mean, weighted by cost."""
    return _weighed(moves, {True: policy.move_days, False: policy.enter_days})


def horizon_key(moves: Sequence[Move], policy: Policy) -> str:
    """The policy's keys that ``days_allowed`` comes from, as a phrase."""
    enters = {move.source.startswith(IDLE) for move in moves}
    days = [policy.enter_days if entering else policy.move_days for entering in sorted(enters)]
    if policy.break_even_days is not None and all(one == policy.break_even_days for one in days):
        return "policy.break_even_days"
    if policy.horizon_days:
        return "policy.horizon_days"
    keys = {True: "enter_horizon_days", False: "move_horizon_days"}
    return " and ".join(f"policy.{keys[entering]}" for entering in sorted(enters))


def horizon_days(moves: Sequence[Move], policy: Policy) -> float:
    """The horizon of the moves together in days, without ``break_even_days``: gas may take its fraction of the gain
    within it."""
    return _weighed(moves, {moved: _horizon_days(moved, policy) for moved in (True, False)})


def _horizon_days(moved: bool, policy: Policy) -> float:
    return policy.mean_days if moved else max(policy.mean_days, policy.horizon_days or policy.enter_horizon_days)


def _weighed(moves: Sequence[Move], days: Mapping[bool, float]) -> float:
    """Harmonic mean of the moves' days, weighted by cost. days: True: of invested money that moves; False: of idle
    money that enters."""
    cost = sum(move.cost for move in moves)
    if cost <= 0.0:
        return days[not moves or not all(move.source.startswith(IDLE) for move in moves)]
    return cost / sum(move.cost / days[not move.source.startswith(IDLE)] for move in moves)
