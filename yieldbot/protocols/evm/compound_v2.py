"""Markets of the Compound v2 kind (Moonwell, Venus, Compound v2): cTokens, whose exchange rate grows.

Many failures return an error code instead of reverting: such a transaction is mined and moves nothing. Error codes are
not decoded here: balances, in the rehearsal and on the chain, show what did not arrive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.compound_v2 import (
    MANTISSA,
    CTokenTotals,
    JumpRate,
    RateModel,
    redeem_value_raw,
    share_value_raw,
)
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.doubts import backed, in_vault
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.evm.compound_v2_rates import block_reads, blocks_per_year, curve_points, sampled_rate
from yieldbot.protocols.reads import Reads

MINT, REDEEM = 0, 1
"""Numbers of Venus's actions (ComptrollerTypes.sol, Action)."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
HEADROOM_SECONDS = 3600
"""An hour of interest, which counts against a cap, is deducted from its headroom."""
COARSE = 10**6
"""A cToken's base unit is normally worth far less than one part in this of a whole token. If it is worth more, hardly
any cTokens exist, and a donation moves the exchange rate."""
AGREE = 10**6
"""The market's rate and its model's must agree to one part in this (and two units of 1e-18)."""


@dataclass(frozen=True, slots=True)
class AccrualClock:
    """How a deployment counts interest periods: names of the functions that return each value."""

    accrual: str
    """When interest was last accrued."""
    supply_rate: str
    """The supply rate of a period."""
    model: tuple[str, str, str]
    """The rate model's parameters: base, multiplier, jump."""


CLOCKS = {
    "seconds": AccrualClock(
        "accrualBlockTimestamp",
        "supplyRatePerTimestamp",
        ("baseRatePerTimestamp", "multiplierPerTimestamp", "jumpMultiplierPerTimestamp"),
    ),
    "blocks": AccrualClock(
        "accrualBlockNumber",
        "supplyRatePerBlock",
        ("baseRatePerBlock", "multiplierPerBlock", "jumpMultiplierPerBlock"),
    ),
    "seconds_as_blocks": AccrualClock(
        "accrualBlockNumber",
        "supplyRatePerBlock",
        ("baseRatePerBlock", "multiplierPerBlock", "jumpMultiplierPerBlock"),
    ),
}
"""By name; the last: Venus's on chains whose blocks come irregularly, where functions named after blocks count
seconds."""
TOTALS = ("getCash", "totalBorrows", "totalReserves", "totalSupply", "reserveFactorMantissa", "exchangeRateStored")
ISOLATED = ("badDebt", "isTimeBased")
"""Views that only newer Venus markets have: of bad debt those of isolated pools, of the clock also others."""
UNLIMITED_RAW = 2**128
"""A cap of at least this is none."""
HEAD = ("underlying", "comptroller", "interestRateModel", "symbol", "decimals")


class CTokenParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    comptroller: str
    """Comptroller's address."""
    markets: list[str] = Field(min_length=1)
    """cTokens, at most one for each asset. One that pays the native token (CEther, Moonwell's mWETH) is quarantined,
    since it pays another token than was deposited."""
    blocks_per_year: int | None = Field(default=None, gt=0)
    """Blocks that the chain makes a year, for deployments that accrue by block, on chains whose contracts see the
    chain's own block numbers; None: it is measured."""


class CompoundV2:
    """Supply to a cToken; the position is cTokens."""

    protocol: ClassVar[str] = "compound_v2"
    params: ClassVar[type[BaseModel]] = CTokenParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        ctoken, comptroller = abi("compound_v2"), checksum(deployment.params["comptroller"])
        listed = [checksum(text) for text in deployment.params["markets"]]
        names = (*HEAD, *ISOLATED, *dict.fromkeys(clock.accrual for clock in CLOCKS.values()))
        reads = Reads()
        rows = [(at, {name: reads.add(ctoken.read(at, name, optional=True)) for name in names}) for at in listed]
        yield from reads.made()
        found = list[Market]()
        for at, handles in rows:
            row = {name: handle.data for name, handle in handles.items()}
            market = self._market(deployment, at, comptroller, row)
            fit = [one.asset for one in found if "unfit" not in one.params]
            if "unfit" not in market.params and market.asset in fit:
                also = f"{deployment.name} lists two markets of {market.asset.symbol}: write a table for each"
                market = replace(market, params={"unfit": also})
            found.append(market)
        return tuple(found)

    def _market(self, deployment: Deployment, at: Address, comptroller: Address, row: dict[str, bytes]) -> Market:
        """One cToken; a fault is kept as ``unfit``, and quarantines only this market when it is observed."""
        ctoken = abi("compound_v2")
        asset = ctoken.one("underlying", row["underlying"]) if len(row["underlying"]) >= 32 else None
        token = next((one for one in deployment.assets if one.address == asset), None)
        params: dict[str, Any] = {"comptroller": comptroller}
        clock = next((name for name, clock in CLOCKS.items() if len(row[clock.accrual]) >= 32), None)
        if clock == "blocks" and _optional("isTimeBased", row["isTimeBased"]):
            clock = "seconds_as_blocks"
        if asset is None:
            params["unfit"] = f"{at} says no underlying asset, as cTokens of ERC-20 tokens do"
        elif token is None:
            params["unfit"] = f"{at} lends {asset}, which is not among {deployment.name}'s assets in chains/*.toml"
        elif clock is None or any(len(row[name]) < 32 for name in HEAD):
            params["unfit"] = f"{at} does not answer as a cToken does"
        elif ctoken.one("comptroller", row["comptroller"]) != comptroller:
            params["unfit"] = f"{at} is of another comptroller than {comptroller}"
        else:
            params["clock"] = clock
            params["model"] = ctoken.one("interestRateModel", row["interestRateModel"])
            params["symbol"] = label(row["symbol"]) or "cToken"
            params["share_decimals"] = ctoken.one("decimals", row["decimals"])
            params["periods"] = deployment.params.get("blocks_per_year") if clock == "blocks" else SECONDS_PER_YEAR
            params["isolated"] = len(row["badDebt"]) >= 32
        return Market(
            id=MarketId(f"compound_v2/{evm_number(deployment.chain)}/{at.lower()}"),
            protocol=self.protocol,
            kind=Kind.LENDING,
            chain=deployment.chain,
            name=deployment.name,
            asset=token or deployment.assets[0],
            address=at,
            params=params,
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token = market.params, market.asset
        if "unfit" in where:
            raise MarketError(where["unfit"])
        observed = yield from _Observation.read(market, owner, block)
        periods = observed.periods
        now = block.height if where["clock"] == "blocks" else block.timestamp
        totals = observed.totals.accrued(observed.model, now)
        rate = totals.exchange_rate(observed.first_rate)
        worth = redeem_value_raw(observed.shares, rate)
        held = worth - worth * observed.fee // MANTISSA
        liquidity = min(totals.cash_raw, observed.balance_raw)
        if totals.isolated:  # its reserves are nobody's to withdraw but the protocol's
            liquidity = max(0, liquidity - totals.reserves_raw)
        rates = observed.totals.supply_rate(observed.model)
        lent_raw = totals.borrows_raw + totals.bad_debt_raw
        paying = totals.borrows_raw / lent_raw if lent_raw else 1.0
        capacity = observed.capacity_raw(totals)
        status = observed.status
        flags = {
            "above-kink": totals.utilisation > observed.model.kink,
            "at-cap": capacity is not None and capacity <= totals.supplied_raw // FULL,
            str(status): status is not Status.ACTIVE,
            "thin-liquidity": liquidity * THIN < totals.supplied_raw,
            "rewards-not-counted": observed.pays_rewards,
            "bad-debt": totals.bad_debt_raw > 0,
            "block-time-of-few-blocks": observed.roughly,
        }
        doubts = observed.doubts(token, rate, rates)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held),
            shares=observed.shares,
            share_token=Token(token.chain, market.address, where["symbol"], where["share_decimals"]),
            liquidity=Amount(token, liquidity),
            capacity=None if capacity is None else Amount(token, capacity),
            supplied=Amount(token, totals.supplied_raw),
            borrowed=Amount(token, totals.borrows_raw),
            status=status,
            curve=KinkedCurve(
                others=(totals.supplied_raw - worth) / token.one,
                borrowed=lent_raw / token.one,
                points=curve_points(observed.model, periods),
                keep=(1.0 - totals.reserve_factor / MANTISSA) * paying,
            ),
            quoted=Apr(rates * periods / MANTISSA),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("compound_v2").deposit,
            gas_withdraw=leg_gas("compound_v2").withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            rounding_raw=2 * share_value_raw(rate) + 2,
            doubts=doubts,
            exit=Exit(cash=Amount(token, liquidity)),
            index=rate / MANTISSA,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("compound_v2").encode("mint", amount.raw),
                value=0,
                description=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, ctoken = state.market, abi("compound_v2")
        if amount is None:  # by shares, so that nothing is left behind
            data, what = ctoken.encode("redeem", state.shares), f"all ({state.held})"
        else:
            data, what = ctoken.encode("redeemUnderlying", amount.raw), str(amount)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return {}

    def explain_revert(self, data: bytes) -> str | None:
        return explain("compound_v2", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        ctoken = abi("compound_v2")
        return {market.address: frozenset(map(ctoken.selector, ("mint", "redeem", "redeemUnderlying")))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    """The answers of one observation; amounts in base units of the asset."""

    totals: CTokenTotals
    """The stored totals."""
    model: RateModel
    """The rate model."""
    periods: int
    """Periods of interest in a year."""
    roughly: bool
    """Whether ``periods`` are from the last few blocks alone."""
    shares: int
    """Our cTokens, in base units."""
    first_rate: int
    """exchangeRateStored: the initial rate if no cToken exists."""
    quoted: int
    """The market's own supply rate for one period, scaled by 1e18."""
    balance_raw: int
    """The asset's balance of the cToken."""
    status: Status
    """What the market allows."""
    cap_raw: int | None
    """Supply cap; None: none."""
    fee: int
    """Fraction of a redemption that the protocol keeps (Venus's treasuryPercent), scaled by 1e18."""
    pays_rewards: bool
    """Whether it names a distributor of rewards (Moonwell); its rewards are not counted here."""

    @classmethod
    def read(cls, market: Market, owner: Address, block: BlockRef) -> Flow[_Observation]:
        """Reads the observation in one round, or in two if its rate model does not state its terms."""
        ctoken, at, where = abi("compound_v2"), market.address, market.params
        clock, rate_model, comptroller = CLOCKS[where["clock"]], where["model"], where["comptroller"]
        reads = Reads()
        required = {name: reads.add(ctoken.read(at, name)) for name in (*TOTALS, clock.accrual, clock.supply_rate)}
        if where["isolated"]:
            required["badDebt"] = reads.add(ctoken.read(at, "badDebt"))
        required["balanceOf"] = reads.add(ctoken.read(at, "balanceOf", owner))
        terms = [reads.add(ctoken.read(rate_model, name, optional=True)) for name in (*clock.model, "kink")]
        times = [] if where["periods"] else block_reads(reads)
        balance = reads.add(abi("erc20").read(market.asset.address, "balanceOf", at))
        model = reads.add(ctoken.read(at, "interestRateModel"))
        mint, mint_action, redeem_action, cap, fee, rewards = (
            reads.add(ctoken.read(comptroller, name, *args, optional=True))
            for name, args in (
                ("mintGuardianPaused", (at,)),
                ("actionPaused", (at, MINT)),
                ("actionPaused", (at, REDEEM)),
                ("supplyCaps", (at,)),
                ("treasuryPercent", ()),
                ("rewardDistributor", ()),
            )
        )
        yield from reads.made()
        answered = {name: ctoken.one(name, handle.data) for name, handle in required.items()}
        if ctoken.one("interestRateModel", model.data) != rate_model:
            raise MarketError("its interest rate model has just been exchanged for another one")
        if all(len(one.data) >= 32 for one in terms):
            names = (*clock.model, "kink")
            rates: RateModel = JumpRate(*(ctoken.one(name, one.data) for name, one in zip(names, terms, strict=True)))
        else:
            if where["isolated"]:
                raise MarketError(f"its rate model {rate_model} does not state its terms")
            stored = (answered[name] for name in TOTALS[:3])
            rates = yield from sampled_rate(rate_model, *stored)
        periods, roughly = blocks_per_year(times, block, market.name) if times else (where["periods"], False)
        venus = len(mint_action.data) >= 32
        if not venus and len(mint.data) < 32:
            raise MarketError(f"its comptroller {comptroller} does not say whether minting is paused")
        most = _optional("supplyCaps", cap.data)
        frozen = _optional("actionPaused", mint_action.data) or _optional("mintGuardianPaused", mint.data)
        if _optional("actionPaused", redeem_action.data):
            status = Status.PAUSED
        else:
            status = Status.FROZEN if frozen or (venus and most == 0) else Status.ACTIVE
        return cls(
            totals=CTokenTotals(
                cash_raw=answered["getCash"],
                borrows_raw=answered["totalBorrows"],
                reserves_raw=answered["totalReserves"],
                shares=answered["totalSupply"],
                reserve_factor=answered["reserveFactorMantissa"],
                updated=answered[clock.accrual],
                bad_debt_raw=answered.get("badDebt", 0),
                isolated=where["isolated"],
            ),
            model=rates,
            periods=periods,
            roughly=roughly,
            shares=answered["balanceOf"],
            first_rate=answered["exchangeRateStored"],
            quoted=answered[clock.supply_rate],
            balance_raw=abi("erc20").one("balanceOf", balance.data),
            status=status,
            cap_raw=most if most and most < UNLIMITED_RAW else None,
            fee=_optional("treasuryPercent", fee.data) or 0,
            pays_rewards=bool(_optional("rewardDistributor", rewards.data)),
        )

    def capacity_raw(self, totals: CTokenTotals) -> int | None:
        """What the comptroller still accepts: supply stays below the cap, against which an hour of interest counts."""
        if self.cap_raw is None:
            return None
        hour = self.model.borrow(totals.utilisation) * self.periods * HEADROOM_SECONDS // SECONDS_PER_YEAR
        return max(0, self.cap_raw - 1 - totals.supplied_raw - hour * totals.borrows_raw // MANTISSA)

    def doubts(self, token: Token, rate: int, computed: int) -> tuple[str, ...]:
        """Readings that contradict each other, and further reasons against new money."""
        stored, found = self.totals, []
        if not stored.shares:
            found.append("no share of it is out: whoever is first can be robbed by a gift to it")
        elif rate * COARSE > token.one * MANTISSA:
            found.append(f"the least share is worth {token.amount(share_value_raw(rate))}: a gift moves its price")
        owed = redeem_value_raw(stored.shares, self.first_rate)
        found += backed(owed, stored.cash_raw, max(0, stored.borrows_raw - stored.reserves_raw), token)
        found += in_vault(stored.cash_raw, self.balance_raw, token)
        if abs(self.quoted - computed) > computed // AGREE + 2:
            found.append(f"it says that it pays {self.quoted} a period, its rate model's terms say {computed}")
        if stored.bad_debt_raw * FULL > stored.supplied_raw:
            found.append(f"{token.amount(stored.bad_debt_raw)} of what it says suppliers own are bad debt")
        if self.fee:
            found.append(f"{self.fee / MANTISSA:z.4%} of what is redeemed is kept")
        return tuple(found)


def _optional(function: str, answer: bytes) -> Any:
    """An answer that may be missing; None if it is, and for the zero address."""
    if len(answer) < 32:
        return None
    value = abi("compound_v2").one(function, answer)
    return None if isinstance(value, str) and not int(value, 16) else value


ADAPTER = CompoundV2()
