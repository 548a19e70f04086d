"""The differences between Aave v3.0 (the code that Spark lends with) and today's v3: a rate strategy for each asset, in
rays; the aToken's balance as cash; debt at stable rates; errors by number.

Source: aave/core-v3 1.19.3, Pool, DefaultReserveInterestRateStrategy, StableDebtToken, Errors; for Spark's own
strategies sparklend-advanced, VariableBorrowInterestRateStrategy and its derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.math.aave import RAY, ReserveIndices
from yieldbot.math.aave_v30 import OldReserveIndices
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.protocols.evm.abi import abi

STRATEGY = ("OPTIMAL_USAGE_RATIO", "getBaseVariableBorrowRate", "getVariableRateSlope1", "getVariableRateSlope2")
ERRORS = {
    "24": "INVALID_MINT_AMOUNT",
    "25": "INVALID_BURN_AMOUNT",
    "26": "INVALID_AMOUNT",
    "27": "RESERVE_INACTIVE",
    "28": "RESERVE_FROZEN",
    "29": "RESERVE_PAUSED",
    "32": "NOT_ENOUGH_AVAILABLE_USER_BALANCE",
    "34": "COLLATERAL_BALANCE_IS_ZERO",
    "35": "HEALTH_FACTOR_LOWER_THAN_LIQUIDATION_THRESHOLD",
    "43": "UNDERLYING_BALANCE_ZERO",
    "51": "SUPPLY_CAP_EXCEEDED",
    "57": "LTV_VALIDATION_FAILED",
    "80": "OPERATION_NOT_SUPPORTED",
    "82": "ASSET_NOT_LISTED",
}
"""Errors of supplying and withdrawing, by the number in Error(string)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A v3.0 reserve as stored, in base units."""

    indices: OldReserveIndices
    """Rates, indices and totals."""
    cash_raw: int
    """The pool's cash that can be withdrawn, in base units."""
    unbacked_raw: int
    """aTokens that a bridge minted without backing."""


def strategy_reads(strategy: Address) -> list[EthCall]:
    """Four reads of a rate strategy, for ``strategy_rates``."""
    return [abi("aave_v30").read(strategy, name, optional=True) for name in STRATEGY]


def strategy_rates(strategy: Address, answers: Sequence[bytes]) -> tuple[int, ...]:
    """(utilisation at the kink, base rate, both slopes), in rays. Raises MarketError for malformed answers."""
    if not all(answers):
        raise MarketError(f"the rate strategy {strategy} answers neither as Aave v3's of today nor as v3.0's")
    rates = tuple(abi("aave_v30").one(name, answer) for name, answer in zip(STRATEGY, answers, strict=True))
    if rates[0] > RAY:
        raise MarketError(f"the rate strategy {strategy} has its kink above 100 %")
    return rates


def old_reads(where: Mapping[str, Any], asset: Address) -> list[EthCall]:
    """Reads of cash and stable-rate debt, for ``old_parts``."""
    return [
        abi("erc20").read(asset, "balanceOf", where["a_token"]),
        abi("aave_v30").read(Address(where["stable_debt_token"]), "getSupplyData"),
    ]


def old_parts(stored: ReserveIndices, unbacked_raw: int, answers: Sequence[bytes]) -> Parts:
    """The reserve, from what both versions store in the same way and the answers to ``old_reads``."""
    cash, debt = answers
    principal_raw, _, rate_ray, updated = abi("aave_v30").decode("getSupplyData", debt)
    indices = OldReserveIndices(
        liquidity_index_ray=stored.liquidity_index_ray,
        borrow_index_ray=stored.borrow_index_ray,
        liquidity_rate_ray=stored.liquidity_rate_ray,
        borrow_rate_ray=stored.borrow_rate_ray,
        updated=stored.updated,
        scaled_supply_raw=stored.scaled_supply_raw,
        scaled_debt_raw=stored.scaled_debt_raw,
        scaled_treasury_raw=stored.scaled_treasury_raw,
        reserve_factor_bps=stored.reserve_factor_bps,
        stable_principal_raw=principal_raw,
        stable_rate_ray=rate_ray,
        stable_updated=updated,
    )
    return Parts(indices, abi("erc20").one("balanceOf", cash), unbacked_raw)


def old_points(rates_ray: Sequence[int], indices: OldReserveIndices) -> tuple[tuple[float, float], ...]:
    """(utilisation, average borrow rate): variable debt at the strategy's rate, stable debt at its own.

    Source: DefaultReserveInterestRateStrategy._getOverallBorrowRate.
    """
    kink, base, slope1, slope2 = (part / RAY for part in rates_ray)
    debt_raw = indices.debt_raw
    share = indices.variable_debt_raw / debt_raw if debt_raw else 1.0
    fixed = (1.0 - share) * indices.stable_rate_ray / RAY
    return tuple(
        (u, share * rate + fixed) for u, rate in ((0.0, base), (kink, base + slope1), (1.0, base + slope1 + slope2))
    )


def named(words: str | None) -> str | None:
    """An error's number with its name appended; other messages as they are."""
    return f"{ERRORS[words]} ({words})" if words in ERRORS else words
