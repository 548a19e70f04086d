"""Why a market gets its amount, in a few words for the reader of a plan. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.allocator.problem import Problem


def marginal_apr(problem: Problem, index: int, x: float) -> float:
    """Income a year of one more token, less the haircut (and less the idle rate, where the problem has one)."""
    return problem.markets[index].marginal(x, problem.horizon_seconds)


def binding(
    problem: Problem, index: int, x: Sequence[float], price: float, limits: Sequence[tuple[str, float]] = ()
) -> str:
    """The limit that binds at holdings ``x``; if none does, how the market's marginal yield compares with ``price``,
    the shadow price.

    limits: (name, largest holding) of the limits on this market alone, in order of precedence.
    """
    market, at = problem.markets[index], x[index]
    near = 2 * problem.unit
    if 0.0 < market.low < market.held and at <= market.low + near:
        return "no more can be withdrawn now"
    for name, most in limits:
        if at >= most - near and (at > 0.0 or most <= 0.0):
            return name
    for group in problem.groups:
        total = sum(x[m] * part * problem.markets[m].price for m, part in group.uses())
        if at > 0.0 and index in group.members and total >= group.most - len(x) * near:
            return group.name
    if market.low > 0.0 and at <= market.low + near:
        return "nothing can be withdrawn now"
    if at > 0.0:
        return "marginal yield meets the others'" if abs(at - market.held) > near else "kept: a change would not pay"
    if marginal_apr(problem, index, 0.0) <= price:
        return "earns less than the others"
    return "does not pay its cost, minimum or shared pool"
