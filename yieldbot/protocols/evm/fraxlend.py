"""Fraxlend pairs: one asset lent against one collateral; shares by EIP-4626's functions.

Source: FraxFinance/fraxlend@2bed49d (FraxlendPair.sol, FraxlendPairCore.sol, FraxlendPairAccessControl.sol).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.fraxlend import STEPS, MovingLineCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import SECONDS_PER_YEAR, WAD
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.share_calls import ShareCalls, listed_markets
from yieldbot.protocols.reads import Reads

FEE_SCALE = 100_000
LIMITLESS = 2**128
"""A deposit limit of at least this is none."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
HEADROOM_SECONDS = 3600
"""An hour of interest, which counts against the deposit limit, is deducted from its headroom."""
OWN = {
    "rateContract": "model",
    "collateralContract": "backer",
    "exchangeRateInfo": "feed",
    "timelockAddress": "timelock",
}
"""Contracts that a pair names, and what its parameters call them."""
TOTALS = (
    *("previewAddInterest", "depositLimit", "isWithdrawPaused", "isInterestPaused"),
    *("rateContract", "totalAssets"),
)
TERMS = (
    *("MIN_TARGET_UTIL", "MAX_TARGET_UTIL", "VERTEX_UTILIZATION", "MIN_FULL_UTIL_RATE", "MAX_FULL_UTIL_RATE"),
    *("ZERO_UTIL_RATE", "RATE_HALF_LIFE", "VERTEX_RATE_PERCENT"),
)
"""What VariableInterestRate is made of."""


class FraxlendParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    pairs: list[str] = Field(min_length=1)
    """Addresses of pairs of version 2 or later, whose rate contract is VariableInterestRate."""


def _parts(data: Mapping[str, bytes], asset: Address) -> dict[str, Address]:
    return {ours: abi("fraxlend").one(name, data[name]) for name, ours in OWN.items()}


class Fraxlend(ShareCalls):
    """Deposit to a pair; the position is its shares."""

    protocol: ClassVar[str] = "fraxlend"
    params: ClassVar[type[BaseModel]] = FraxlendParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        listed = deployment.params["pairs"]
        return listed_markets(
            self.protocol, Kind.LENDING, deployment, listed, tuple(OWN), _parts, "as a pair of Fraxlend does"
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, pair, at, one = market.params, market.asset, abi("fraxlend"), market.address, market.asset.one
        if "unfit" in where:
            raise MarketError(where["unfit"])
        reads = Reads()
        rows = {name: reads.add(pair.read(at, name)) for name in TOTALS}
        terms = {name: reads.add(pair.read(where["model"], name)) for name in TERMS}
        ours = reads.add(abi("erc4626").read(at, "balanceOf", owner))
        lies = reads.add(abi("erc20").read(token.address, "balanceOf", at))
        yield from reads.made()
        if pair.one("rateContract", rows["rateContract"].data) != where["model"]:
            raise MarketError("its rate contract has just been exchanged for another one")
        now = pair.decode("previewAddInterest", rows["previewAddInterest"].data)
        fee, full, (assets, supply, lent) = now[4], now[7], now[8:11]
        limit, stopped, no_interest, stated = (
            pair.one(name, rows[name].data)
            for name in ("depositLimit", "isWithdrawPaused", "isInterestPaused", "totalAssets")
        )
        model: dict[str, int] = {name: pair.one(name, handle.data) for name, handle in terms.items()}
        shares = abi("erc4626").one("balanceOf", ours.data)
        held = Amount(token, shares * assets // supply if supply else shares)
        curve = curve_of(model, full, 1.0 - fee / FEE_SCALE, (assets - held.raw) / one, lent / one, not no_interest)
        used = lent / assets if assets else 0.0
        cash_raw, balance = max(0, assets - lent), abi("erc20").one("balanceOf", lies.data)
        liquidity = Amount(token, min(cash_raw, balance))
        hour = int(lent * curve.borrow_apr(used, 0.0) * HEADROOM_SECONDS / SECONDS_PER_YEAR) + 1
        capacity = None if limit >= LIMITLESS else max(0, limit - assets - hour)
        status = Status.PAUSED if stopped else Status.FROZEN if limit == 0 else Status.ACTIVE
        doubts = list(in_vault(cash_raw, balance, token))
        if stated != assets:
            doubts.append(f"totalAssets says {Amount(token, stated)}, its accounts {Amount(token, assets)}")
        if not supply:
            doubts.append("no share of it is out: whoever is first can be robbed by a gift to it")
        flags = {
            "above-kink": used > model["VERTEX_UTILIZATION"] / STEPS,
            "at-cap": capacity is not None and capacity <= assets // FULL,
            "thin-liquidity": liquidity.raw * THIN < assets,
            "rate-adapts": True,
            "interest-paused": no_interest,
            str(status): status is not Status.ACTIVE,
        }
        gas = leg_gas(self.protocol)
        return MarketState(
            market=market,
            block=block,
            held=held,
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=liquidity,
            capacity=None if capacity is None else Amount(token, capacity),
            supplied=Amount(token, assets),
            borrowed=Amount(token, min(lent, assets)),
            status=status,
            curve=curve,
            quoted=Apr(curve.apr(float(held), 1.0)),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=liquidity),
            index=assets / supply if supply else 1.0,
        )


def curve_of(model: dict[str, int], full: int, keep: float, others: float, lent: float, runs: bool) -> MovingLineCurve:
    """The pair's curve. full: its rate a second at utilisation 1, in 1e18; runs: whether interest accrues. Raises
    MarketError for an impossible rate model."""
    low, high, vertex = (model[name] / STEPS for name in ("MIN_TARGET_UTIL", "MAX_TARGET_UTIL", "VERTEX_UTILIZATION"))
    if not (0.0 < low <= high < 1.0 and 0.0 < vertex < 1.0):
        raise MarketError("its rate model's points are out of order")
    zero, least, most, top = (
        rate * SECONDS_PER_YEAR / WAD * runs
        for rate in (model["ZERO_UTIL_RATE"], model["MIN_FULL_UTIL_RATE"], model["MAX_FULL_UTIL_RATE"], full)
    )
    kink = zero + (top - zero) * model["VERTEX_RATE_PERCENT"] / WAD
    return MovingLineCurve(
        others=others,
        borrowed=lent,
        points=((0.0, zero), (vertex, kink), (1.0, top)),
        keep=keep,
        low=low,
        high=high,
        least=least,
        most=most,
        half_life=float(model["RATE_HALF_LIFE"]),
    )


ADAPTER = Fraxlend()
