"""SPL stake pools: exchange between SOL and pool tokens, and the yield of a deposit.

Source: the stake pool program's state.rs (calc_pool_tokens_for_deposit, calc_lamports_withdraw_amount, Fee::apply) and
processor.rs (process_deposit_sol, process_withdraw_sol). All integers; fees are rounded up, everything else down.
"""

from __future__ import annotations

import math

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

Fee = tuple[int, int]
"""(denominator, numerator), in the order in which the program stores them; a denominator of 0 means no fee."""


@dataclass(frozen=True, slots=True)
class StakePool:
    """A pool as stored."""

    total_lamports: int
    """Lamports under management."""
    supply: int
    """Pool tokens, in base units."""
    last_total_lamports: int
    """Lamports under management at the end of the epoch before the last update."""
    last_supply: int
    """Pool tokens at the end of that epoch, in base units."""
    deposit_fee: Fee
    """Fee on deposits of SOL."""
    withdrawal_fee: Fee
    """Fee on withdrawals of SOL."""
    referral_percent: int
    """Fraction of the deposit fee that the referrer gets, in percent."""
    epoch_fee: Fee
    """The manager's fee on each epoch's rewards."""

    def tokens_for(self, lamports: int, *, referred: bool = True) -> int:
        """Pool tokens for a deposit. referred: whether the depositor is its own referrer and gets the referrer's part
        too."""
        minted = lamports * self.supply // self.total_lamports if self.total_lamports and self.supply else lamports
        fee = fee_of(self.deposit_fee, minted)
        return minted - fee + (fee * self.referral_percent // 100 if referred else 0)

    def lamports_for(self, tokens: int) -> int:
        """Lamports that redeeming this number of pool tokens pays."""
        burnt = tokens - fee_of(self.withdrawal_fee, tokens)
        return burnt * self.total_lamports // self.supply if self.supply else 0

    def tokens_paying(self, lamports: int) -> int:
        """The fewest pool tokens that pay at least this number of lamports. Raises OverflowError if the fee takes
        everything."""
        denominator, numerator = self.withdrawal_fee
        if not self.total_lamports or not self.supply or (denominator and numerator >= denominator):
            raise OverflowError("the pool would pay nothing for its tokens")
        burnt = -(-lamports * self.supply // self.total_lamports)
        tokens = burnt * denominator // (denominator - numerator) if denominator and numerator else burnt
        while self.lamports_for(tokens) < lamports:
            tokens += 1  # the fee is rounded up: a token or two more
        return tokens

    def token_growth(self) -> float | None:
        """Growth in the last epoch of what a pool token is worth, after the manager's fee; None: the epoch before is
        unknown."""
        if not (self.last_total_lamports and self.last_supply and self.total_lamports and self.supply):
            return None
        return self.total_lamports * self.last_supply / (self.supply * self.last_total_lamports) - 1.0

    def stake_growth(self, staked: int) -> float:
        """Growth in one epoch of each lamport that is ``staked`` now, from what the last epoch did to the pool token.

        A reward r in an epoch that began with T lamports raises a token's value by r * (1 - fee) / T. 0 if the epoch
        before is unknown or had a loss. Raises OverflowError for an impossible growth.
        """
        if not (self.last_total_lamports and self.last_supply and self.supply and staked > 0):
            return 0.0
        gained = self.total_lamports * self.last_supply / self.supply - self.last_total_lamports
        kept = 1.0 - rate(self.epoch_fee)
        if gained <= 0.0 or kept <= 0.0:
            return 0.0
        of_now = gained / kept / staked  # the reward, as a fraction of the stake after it
        if of_now >= 0.5:
            raise OverflowError("the pool cannot have doubled in an epoch")
        return of_now / (1.0 - of_now)


def fee_of(fee: Fee, amount: int) -> int:
    """The fee on an amount (Fee::apply): rounded up."""
    denominator, numerator = fee
    return -(-amount * numerator // denominator) if denominator else 0


def rate(fee: Fee) -> float:
    """A fee as a fraction."""
    denominator, numerator = fee
    return numerator / denominator if denominator else 0.0


@dataclass(frozen=True, slots=True)
class StakeCurve:
    """A stake pool's yield: stake grows once an epoch, and new money dilutes it until it is staked.

    Growth is spread evenly over time, though it is credited at an epoch's end. The manager takes its fee in pool
    tokens, so a token's value grows by the factor (pool then / pool now) ** (1 - fee), to second order in an epoch's
    growth.
    """

    others: float
    """What others have in the pool, in whole SOL."""
    staked: float
    """What is staked and earns, in whole SOL."""
    held: float
    """What we hold now, in whole SOL."""
    growth: float
    """Growth of the stake in one epoch, as a fraction; it compounds."""
    fee: float
    """Fraction of the rewards that the manager takes."""
    epoch_seconds: float
    """Length of an epoch, in seconds."""
    entry_cost: float = 0.0
    """Entry and exit fees on what is added beyond ``held``, as a fraction of it."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        if supplied <= 0.0:
            return 0.0
        lost = self.entry_cost * (1.0 - self.held / x) if x > self.held else 0.0
        each = math.expm1((1.0 - self.fee) * math.log1p(self.rewards(horizon_seconds) / supplied))
        return ((1.0 - lost) * each - lost) * SECONDS_PER_YEAR / horizon_seconds

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied, rewards = self.others + x, self.rewards(horizon_seconds)
        if supplied <= 0.0:
            return 0.0
        a, b = self.earning(x)
        each = math.expm1((1.0 - self.fee) * math.log1p(rewards / supplied))  # apart from the 1, which would drown it
        falls = (1.0 - self.fee) * (1.0 + each) / (supplied + rewards) * rewards / supplied
        return (b * each - (1.0 - b) - (a + b * x) * falls) * SECONDS_PER_YEAR / horizon_seconds

    def earning(self, x: float) -> tuple[float, float]:
        """(a, b): for a holding just above x, a + b * x remains after fees and earns."""
        lost = self.entry_cost if x >= self.held else 0.0
        return self.held * lost, 1.0 - lost

    def breakpoints(self) -> tuple[float, ...]:
        return (self.held,) if self.entry_cost and self.held > 0.0 else ()

    def rewards(self, horizon_seconds: float) -> float:
        """What the stake gains over the horizon, the manager's part included, in whole SOL."""
        return self.staked * math.expm1(horizon_seconds / self.epoch_seconds * math.log1p(self.growth))
