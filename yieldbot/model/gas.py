"""Typical gas of transactions before anything is simulated (on Solana: compute units).

The first decision uses these figures; later ones use our own receipts (``decision/gas_learned.py``). What is signed is
limited by the rehearsal, never by these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LegGas:
    """Typical gas of a market's legs; each figure covers all transactions of the leg."""

    deposit: int
    """Gas of a deposit, its allowance included."""
    withdraw: int
    """Gas of a withdrawal."""


LEGS: Mapping[str, LegGas] = {
    "aave_v3": LegGas(260_000, 220_000),
    "aave_v4": LegGas(210_000, 160_000),
    "compound_v2": LegGas(400_000, 400_000),
    "compound_v3": LegGas(180_000, 140_000),
    "morpho_blue": LegGas(200_000, 150_000),
    "euler": LegGas(280_000, 240_000),
    "euler_earn": LegGas(700_000, 600_000),
    "fluid": LegGas(320_000, 300_000),
    "fraxlend": LegGas(200_000, 180_000),
    "gearbox": LegGas(240_000, 220_000),
    "silo": LegGas(320_000, 380_000),
    "pendle": LegGas(360_000, 260_000),
    "erc4626/generic": LegGas(150_000, 120_000),
    "erc4626/stata": LegGas(360_000, 320_000),
    "erc4626/metamorpho": LegGas(650_000, 550_000),
    "jupiter_lend": LegGas(200_000, 220_000),
    "savings_rate/susds": LegGas(190_000, 140_000),
    "savings_rate/sdai": LegGas(240_000, 200_000),
    "savings_rate/spark": LegGas(190_000, 140_000),
    "savings_rate/susdc": LegGas(420_000, 330_000),
    "savings_rate/susdc_l2": LegGas(270_000, 210_000),
    "morpho_vault_v2": LegGas(700_000, 600_000),
    "maple": LegGas(260_000, 220_000),
    "ethena": LegGas(180_000, 190_000),
    "yearn_v3": LegGas(200_000, 450_000),
    "kamino_lend": LegGas(150_000, 150_000),
    "kamino_vault": LegGas(250_000, 350_000),
    "marginfi": LegGas(150_000, 200_000),
    "save": LegGas(90_000, 90_000),
    "spl_stake_pool": LegGas(60_000, 80_000),
}
"""The figures by kind of market (``kind_of``). A vault that is seen through touches each of its markets."""

USUAL = LegGas(250_000, 250_000)
"""For kinds of markets without a row."""

CLAIMS: Mapping[str, int] = {"aave_v3": 240_000, "compound_v3": 180_000, "merkl": 220_000}
"""Gas of a claim, by the distributor of the reward."""

SWAP_TX = 21_000 + 55_000
"""Gas of a swap's transactions on an EVM chain without its pools: base cost, and the allowance before it."""

SWAPS: Mapping[str, int] = {
    "aerodrome/stable": 180_000,
    "aerodrome/volatile": 150_000,
    "balancer_boosted": 400_000,
    "balancer_v3": 200_000,
    "curve_crypto/2": 220_000,
    "curve_crypto/3": 260_000,
    "curve_meta": 300_000,
    "curve_stableswap": 150_000,
    "slipstream": 180_000,
    "spark_psm": 120_000,
    "uniswap_v2": 90_000,
    "uniswap_v3": 110_000,
    "uniswap_v4": 170_000,
}
"""Gas of a swap in one pool, by exchange."""

USUAL_SWAP = 100_000
"""Gas of a swap in a pool of an exchange without a row."""


def kind_of(protocol: str, params: Mapping[str, Any]) -> str:
    """The protocol, followed by the market's flavour if it has one: ``erc4626/stata``."""
    flavour = params.get("flavour")
    return f"{protocol}/{flavour}" if isinstance(flavour, str) else protocol


def leg_gas(kind: str) -> LegGas:
    """The row of a kind of market, or the usual."""
    return LEGS.get(kind, USUAL)
