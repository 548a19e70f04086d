"""What a market pays us in the policy's eyes: its own curve, without what a drought drives its rate to, and its rewards
by the policy's haircuts; and which claims pay. Pure."""

from __future__ import annotations

import math

from yieldbot.math.rewards import RewardedCurve, RewardTerm
from yieldbot.math.undrained import own_curve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState, Reward
from yieldbot.model.policy import Policy
from yieldbot.model.units import BPS, SECONDS_PER_YEAR


def haircut_bps(reward: Reward, policy: Policy) -> float:
    """What is taken off a reward's value: by its token's symbol, else the policy's for all."""
    return policy.reward_haircut_tokens.get(reward.token.symbol, policy.reward_haircut_bps)


def value(reward: Reward, policy: Policy) -> float:
    """Whole asset tokens that claiming now is worth, after the haircut, before gas; 0 where no feed prices it."""
    return float(reward.claimable) * (reward.price or 0.0) * (1.0 - haircut_bps(reward, policy) / BPS)


def curve_of(state: MarketState, policy: Policy, *, steady: bool = False) -> YieldCurve:
    """The market's curve, of which nothing counts that a drought pays (``math/undrained``), with the rewards that still
    run and that a feed prices. steady: nor anything else that our own withdrawal makes of its rate."""
    terms = tuple(term for reward in state.rewards if (term := _term(state, reward, policy)) is not None)
    base = own_curve(state, policy, steady=steady)
    return RewardedCurve(base, terms) if terms else base


def reward_apr(state: MarketState, tokens: float, policy: Policy) -> float:
    """The rewards' part of a holding's simple rate a year over the policy's horizon, net of haircuts and claims."""
    curve = curve_of(state, policy)
    return curve.reward_apr(tokens, policy.horizon_days * 86_400) if isinstance(curve, RewardedCurve) else 0.0


def _term(state: MarketState, reward: Reward, policy: Policy) -> RewardTerm | None:
    left = math.inf if reward.ends_at is None else float(reward.ends_at - state.block.timestamp)
    whole = reward.raw_per_second * SECONDS_PER_YEAR / reward.token.one
    worth = whole * (reward.price or 0.0) * (1.0 - haircut_bps(reward, policy) / BPS)
    if left <= 0.0 or worth <= 0.0 or not math.isfinite(worth):
        return None
    return RewardTerm(max(0.0, reward.others), worth, left, reward.claim_cost)
