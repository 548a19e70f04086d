"""Gearbox v3's pools: shares of what is lent to credit accounts, which pay a base rate and, for their collateral,
quotas.

Source: Gearbox-protocol/core-v3 (PoolV3.sol, LinearInterestRateModelV3.sol). Interest is simple, at the rate that the
last use of the pool set, on the principal alone; quota revenue is a sum a year that everybody shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curves import KinkedCurve, Points
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.share_calls import ShareCalls, listed_markets
from yieldbot.protocols.reads import Reads

RAY = 10**27
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
AGREE = 10**6
"""The pool's supply rate and ours must agree to one part in this."""
DAY = 86_400.0
OWN = {"interestRateModel": "model", "poolQuotaKeeper": "quotas", "acl": "acl"}
"""Contracts that a pool names, and what its parameters call them."""
TOTALS = (
    *("totalAssets", "totalSupply", "availableLiquidity", "totalBorrowed", "baseInterestRate", "quotaRevenue"),
    *("supplyRate", "withdrawFee", "paused", "interestRateModel"),
)


class GearboxParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    pools: list[str] = Field(min_length=1)
    """Addresses of pools (PoolV3)."""


def _parts(data: Mapping[str, bytes], asset: Address) -> dict[str, Address]:
    return {ours: abi("gearbox").one(name, data[name]) for name, ours in OWN.items()}


class Gearbox(ShareCalls):
    """Deposit to a pool; the position is its shares."""

    protocol: ClassVar[str] = "gearbox"
    params: ClassVar[type[BaseModel]] = GearboxParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        listed = deployment.params["pools"]
        return listed_markets(
            self.protocol, Kind.LENDING, deployment, listed, tuple(OWN), _parts, "as a pool of Gearbox v3 does"
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, gearbox, at = market.params, market.asset, abi("gearbox"), market.address
        if "unfit" in where:
            raise MarketError(where["unfit"])
        reads = Reads()
        rows = {name: reads.add(gearbox.read(at, name)) for name in TOTALS}
        ours = reads.add(gearbox.read(at, "balanceOf", owner))
        terms = reads.add(gearbox.read(where["model"], "getModelParameters", optional=True))
        lies = reads.add(abi("erc20").read(token.address, "balanceOf", at))
        yield from reads.made()
        read: dict[str, Any] = {name: gearbox.one(name, one.data) for name, one in rows.items()}
        if read["interestRateModel"] != where["model"]:
            raise MarketError("its interest rate model has just been exchanged for another one")
        assets, supply, cash_raw = read["totalAssets"], read["totalSupply"], read["availableLiquidity"]
        lent, shares = read["totalBorrowed"], gearbox.one("balanceOf", ours.data)
        rate, revenue, fee = read["baseInterestRate"], read["quotaRevenue"], read["withdrawFee"]
        if fee >= BPS:
            raise MarketError(f"{market.name} keeps all that is withdrawn")
        worth = shares * assets // supply if supply else shares
        held = Amount(token, worth * (BPS - fee) // BPS)
        one, used = token.one, max(0, assets - cash_raw)
        points: Points = ((0.0, rate / RAY), (1.0, rate / RAY))
        if known := len(terms.data) >= 6 * 32:
            points = points_of(*gearbox.decode("getModelParameters", terms.data))
        pool = KinkedCurve(
            others=(assets - worth) / one,
            borrowed=used / one,
            points=points,
            keep=min(1.0, lent / used) if used else 0.0,  # interest is paid on the principal alone
        )
        curve: YieldCurve = pool
        if revenue:
            curve = RewardedCurve(pool, (RewardTerm((assets - worth) / one, revenue / one, float("inf"), 0.0),))
        balance = abi("erc20").one("balanceOf", lies.data)
        liquidity = Amount(token, min(cash_raw, balance))
        status = Status.PAUSED if read["paused"] else Status.ACTIVE
        doubts = list(in_vault(cash_raw, balance, token))
        paid = (rate * lent + revenue * RAY) * (BPS - fee) // BPS // assets if assets else rate
        if abs(read["supplyRate"] - paid) > paid // AGREE + 2:
            doubts.append(f"it says that it pays {read['supplyRate'] / RAY:z.6%}, its totals make {paid / RAY:z.6%}")
        if fee:
            doubts.append(f"{fee / BPS:z.2%} of what is withdrawn is kept")
        if not supply:
            doubts.append("no share of it is out: whoever is first can be robbed by a gift to it")
        flags = {
            "above-kink": known and used > points[-2][0] * assets,
            "thin-liquidity": liquidity.raw * THIN < assets,
            "rate-model-unknown": not known,
            "quota-revenue": bool(revenue),
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
            capacity=None,
            supplied=Amount(token, assets),
            borrowed=Amount(token, min(used, assets)),
            status=status,
            curve=curve,
            quoted=Apr(curve.apr(float(held), DAY)),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=liquidity),
            index=assets / supply if supply else 1.0,
        )

    def explain_revert(self, data: bytes) -> str | None:
        said = super().explain_revert(data)
        return "the pool is paused" if said == "Pausable: paused" else said


def points_of(u1: int, u2: int, base: int, slope1: int, slope2: int, slope3: int) -> Points:
    """(utilisation, annual borrow rate) of LinearInterestRateModelV3, from parameters in basis points. Raises
    MarketError for impossible ones."""
    rates = (base, base + slope1, base + slope1 + slope2, base + slope1 + slope2 + slope3)
    rows = list(zip((0, u1, u2, BPS), rates, strict=True))
    kept = [rows[0], *(row for before, row in pairwise(rows) if row[0] > before[0])]
    if kept[-1][0] != BPS or any(low > high for (low, _), (high, _) in pairwise(rows)):
        raise MarketError("its rate model's points are out of order")
    return tuple((u / BPS, rate / BPS) for u, rate in kept)


ADAPTER = Gearbox()
