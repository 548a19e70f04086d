"""Kamino vaults' integer arithmetic: what a vault owns, what shares cost and pay, and the fees that it charges itself.

Source: Kamino-Finance/kvault 2.1.1, operations/vault_operations.rs and state.rs (charge_fees, refresh_rewards, deposit,
withdraw), with klend's CollateralExchangeRate. ``*_sf``: base units times 2^60; each product and quotient is rounded
down unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.kamino import BITS, ONE
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS

FEE_YEAR_SECONDS = 31_556_926
"""The year of the management fee: 365.242199 days, rounded up."""


@dataclass(frozen=True, slots=True)
class VaultReserve:
    """What a vault has in one reserve of Kamino Lend."""

    supply_sf: int
    """What all suppliers of the reserve own."""
    collateral_raw: int
    """Collateral tokens of the reserve in circulation."""
    owned: int
    """Collateral tokens of the vault."""

    @property
    def worth_sf(self) -> int:
        """What the vault's tokens are worth."""
        return self.worth_of(self.owned)

    def worth_of(self, tokens: int) -> int:
        """What collateral tokens are worth, times 2^60."""
        if not self.collateral_raw or not self.supply_sf:
            return tokens << BITS
        return tokens * self.supply_sf // self.collateral_raw

    def tokens_for(self, liquidity_raw: int) -> int:
        """The collateral tokens that must be redeemed for an amount, rounded up."""
        if not self.collateral_raw or not self.supply_sf:
            return liquidity_raw
        return -(-(liquidity_raw << BITS) * self.collateral_raw // self.supply_sf)


@dataclass(frozen=True, slots=True)
class Paid:
    """What one withdrawal does."""

    paid_raw: int
    """Base units that are paid."""
    burnt: int
    """Shares that are burnt."""
    redeemed: int
    """Collateral tokens that are redeemed."""
    vault: KaminoVault
    """The vault afterwards."""


@dataclass(frozen=True, slots=True)
class KaminoVault:
    """A vault, with fees charged up to now (``charged``)."""

    available_raw: int
    """Base units in the vault's own account."""
    issued: int
    """Shares in circulation."""
    pending_sf: int
    """Fees that were charged and not withdrawn yet."""
    prev_aum_sf: int
    """What shareholders owned when fees were last charged."""
    charged_at: int
    """When fees were last charged, in unix seconds; 0: never."""
    performance_bps: int
    """Fraction of the interest that the vault's manager takes."""
    management_bps: int
    """Fraction of the assets that the manager takes each year."""
    penalty_raw: int
    """The least fee of a withdrawal, in base units; it stays in the vault."""
    penalty_bps: int
    """The fee of a withdrawal, as a fraction of it."""
    least_withdrawal: int
    """A withdrawal must pay more than this, in base units."""
    reserves: tuple[VaultReserve, ...]
    """The vault's reserves."""

    @property
    def aum_sf(self) -> int:
        """What shareholders own (compute_aum). Raises OverflowError where the program fails."""
        found = (self.available_raw << BITS) + sum(one.worth_sf for one in self.reserves) - self.pending_sf
        if found < 0:
            raise OverflowError("the vault owes its manager more than it has")
        return found

    def rewarded(self, per_second: int, since: int, left: int, now: int) -> KaminoVault:
        """The vault after its rewards were paid in (refresh_rewards)."""
        if not per_second or not left or not since:
            return self
        return replace(self, available_raw=self.available_raw + min(left, per_second * max(0, now - since)))

    def charged(self, now: int) -> KaminoVault:
        """The vault after it charged its fees (charge_fees)."""
        if not self.charged_at:
            return replace(self, charged_at=now)
        seconds, aum = max(0, now - self.charged_at), self.aum_sf
        yearly = (self.management_bps << BITS) // BPS
        management = self.prev_aum_sf * (yearly * seconds // FEE_YEAR_SECONDS) >> BITS
        performance = ((self.performance_bps << BITS) // BPS) * max(0, aum - self.prev_aum_sf) >> BITS
        fees = min(management + performance, aum)
        return replace(self, pending_sf=self.pending_sf + fees, prev_aum_sf=aum - fees, charged_at=now)

    def shares_for(self, tokens: int) -> int:
        """Shares that a deposit mints (get_shares_to_mint)."""
        if not self.issued:
            return tokens
        whole = -(-self.aum_sf >> BITS)
        if not whole:
            raise OverflowError("the vault's shares are worth nothing")
        return ((self.issued << BITS) * tokens // whole) >> BITS

    def cost_of(self, shares: int) -> int:
        """Base units that a deposit which mints these shares takes, rounded up."""
        if not self.issued:
            return shares
        cost_sf = -(-self.aum_sf * shares // self.issued)
        return -(-cost_sf >> BITS)

    def value_of(self, shares: int) -> int:
        """Base units that shares are worth before a withdrawal's fee."""
        if not self.issued:
            return 0
        return (self.aum_sf * shares // self.issued) >> BITS

    def penalty(self, amount_raw: int) -> int:
        """The fee of a withdrawal of this value, rounded up."""
        of_amount = (amount_raw << BITS) * self.penalty_bps // BPS
        return -(-max(of_amount, self.penalty_raw << BITS) >> BITS)

    def pays(self, shares: int) -> int:
        """Base units that withdrawing shares pays, if all reserves have the cash; the fee subtracted."""
        worth = self.value_of(shares)
        return max(0, worth - self.penalty(worth)) if worth else 0

    def shares_paying(self, amount_raw: int) -> int:
        """The fewest shares whose withdrawal pays at least this amount, exact to a share or two."""
        if not self.issued or not self.aum_sf:
            return 0
        wanted = amount_raw + max(self.penalty_raw, -(-amount_raw * self.penalty_bps // max(1, BPS - self.penalty_bps)))
        found = -(-(wanted << BITS) * self.issued // self.aum_sf)
        while found < self.issued and self.pays(found) < amount_raw:
            found += 1
        return found

    def withdrawn(self, shares: int, index: int) -> Paid:
        """A withdrawal that takes from the vault's own account, then from one reserve (withdraw). Raises OverflowError
        where the program fails."""
        aum, reserve = self.aum_sf, self.reserves[index]
        worth = self.value_of(shares)
        fee = self.penalty(worth)
        if not shares or not aum or worth <= fee:
            raise OverflowError("the withdrawal would pay nothing")
        due = worth - fee
        out = min(self.available_raw, due)
        invested_sf = min(reserve.worth_sf, (due - out) << BITS)
        tokens = disinvested = lost = 0
        if invested_sf:
            tokens = min(reserve.owned, reserve.tokens_for(invested_sf >> BITS))
            disinvested_sf = reserve.worth_of(tokens)
            disinvested = disinvested_sf >> BITS
            rest = disinvested_sf & (ONE - 1)
            lost = int(rest > 0 and rest > invested_sf & (ONE - 1))
        paid_in = (invested_sf >> BITS) - lost
        burnt_sf = -(-(((out + fee) << BITS) + invested_sf) * (self.issued << BITS) // aum)
        burnt = min(shares, -(-burnt_sf >> BITS))
        if not burnt or paid_in < 0 or disinvested < paid_in or out + paid_in + lost <= self.least_withdrawal:
            raise OverflowError("the withdrawal is too small")
        left = replace(reserve, owned=reserve.owned - tokens)
        after = replace(
            self,
            available_raw=self.available_raw - out + disinvested - paid_in,
            issued=self.issued - burnt,
            prev_aum_sf=aum - (out << BITS) - invested_sf,
            reserves=(*self.reserves[:index], left, *self.reserves[index + 1 :]),
        )
        return Paid(out + paid_in, burnt, tokens, after)


@dataclass(frozen=True, slots=True)
class LessFeeCurve:
    """A curve less a fee on the whole holding, which does not depend on what is earned."""

    base: YieldCurve
    """The curve before the fee."""
    fee: float
    """The fee, a simple annual fraction of the holding."""

    @property
    def others(self) -> float:
        """``others`` of the base curve, if it has that."""
        return float(getattr(self.base, "others", 0.0))

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.base.apr(x, horizon_seconds) - self.fee

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.base.marginal(x, horizon_seconds) - self.fee

    def breakpoints(self) -> tuple[float, ...]:
        return self.base.breakpoints()
