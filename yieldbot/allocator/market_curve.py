"""A market's yield by the policy: its sustainable curve, and rewards after their haircuts. Pure."""

from __future__ import annotations

import math

from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy
from yieldbot.model.rewards import Reward
from yieldbot.model.units import BPS, SECONDS_PER_YEAR


def haircut_bps(reward: Reward, policy: Policy) -> float:
    """Haircut on a reward's value, in bps: the policy's figure for its token's symbol, else its figure for all."""
    return policy.reward_haircut_tokens.get(reward.token.symbol, policy.reward_haircut_bps)


def value(reward: Reward, policy: Policy) -> float:
    """Whole asset tokens that claiming now is worth, after the haircut, before gas; 0 where no feed prices it."""
    return float(reward.claimable) * (reward.price or 0.0) * (1.0 - haircut_bps(reward, policy) / BPS)


def curve_of(state: MarketState, policy: Policy, *, ignore_withdrawals: bool = False) -> YieldCurve:
    """The market's sustainable curve (math/sustainable.py) plus those rewards that still run and have a feed.

    ignore_withdrawals: treat the rate as if our own withdrawals did not change it.
    """
    terms = tuple(term for reward in state.rewards if (term := _term(state, reward, policy)) is not None)
    base = sustainable_curve(state, policy, ignore_withdrawals=ignore_withdrawals)
    return RewardedCurve(base, terms) if terms else base


def reward_apr(state: MarketState, tokens: float, policy: Policy) -> float:
    """The rewards' part of a holding's simple annual rate over the policy's horizon, net of haircuts and claim
    costs."""
    curve = curve_of(state, policy)
    return curve.reward_apr(tokens, policy.horizon_seconds) if isinstance(curve, RewardedCurve) else 0.0


def _term(state: MarketState, reward: Reward, policy: Policy) -> RewardTerm | None:
    left = math.inf if reward.ends_at is None else float(reward.ends_at - state.block.timestamp)
    whole = reward.raw_per_second * SECONDS_PER_YEAR / reward.token.one
    worth = whole * (reward.price or 0.0) * (1.0 - haircut_bps(reward, policy) / BPS)
    if left <= 0.0 or worth <= 0.0 or not math.isfinite(worth):
        return None
    return RewardTerm(max(0.0, reward.others), worth, left, reward.claim_cost)
