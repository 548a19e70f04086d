"""Describes what a plan does, from its legs alone. Pure.

Persons sign these lines. A description that is delivered with a plan may be false, since whoever delivers it could
describe another plan. So the lines are computed again wherever a signature is requested or checked.
"""

from __future__ import annotations

import re

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.text import one_line

SYMBOL = re.compile(r"[\w.+$-]{1,20}")
"""Symbols that may be shown; any other could pass for a part of the sentence."""

LONGEST = 400
"""Most characters of a line."""


def plan_lines(plan: Plan) -> tuple[str, ...]:
    """One line for each leg, in order: what it does, where, and each amount with its token's address and in base units,
    which no name or number of decimals can misstate. Then lines with the plan's own claims: its gain, its cost, its
    reason and what it counts."""
    legs = [f"{number}. {_leg(leg)}" for number, leg in enumerate(plan.legs, start=1)]
    legs.append(f"for a stated gain of {plan.gain_per_year!r} a year and a cost of {plan.cost!r} {_symbol(plan.asset)}")
    reasons = [f"because: {why}" for why in plan.why] + [f"counts: {line}" for line in plan.counts]
    return tuple(one_line(line, LONGEST) for line in (*legs, *reasons))


def _leg(leg: Leg) -> str:
    what = ("all, now " if leg.all else "") + _exact(leg.amount)
    least = "" if leg.gets is None else f" for at least {_exact(leg.gets)}"
    over = "" if leg.ticks is None else f", ticks {leg.ticks[0]} to {leg.ticks[1]}"
    where = f"{leg.market_id}{over}"
    match leg.kind:
        case LegKind.DEPOSIT:
            return f"deposit {what} into {where}{least}"
        case LegKind.WITHDRAW:
            sold = "" if leg.gives is None else f", giving at most {_exact(leg.gives)}"
            return f"withdraw {what} from {where}{least}{sold}"
        case LegKind.SWAP:
            return f"swap {what}{least}"
        case LegKind.CLAIM:
            return f"claim from {where}{least.replace(' for', ':', 1)}"
        case LegKind.REBALANCE:
            return f"rebalance the range of {where}, worth {what}{least}"
        case LegKind.REQUEST | LegKind.COLLECT | LegKind.CANCEL:
            return f"{leg.kind} {what} of {where}{least}"


def _exact(amount: Amount) -> str:
    number = str(amount).removesuffix(amount.token.symbol)
    return f"{number}{_symbol(amount.token)} ({amount.raw} units of {amount.token.address})"


def _symbol(token: Token) -> str:
    return token.symbol if SYMBOL.fullmatch(token.symbol) else "of a token"
