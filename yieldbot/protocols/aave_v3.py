"""Aave v3 (3.3 and later): supplying one asset to one pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Apr, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Deployment, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols._abi import MAX_UINT256, abi, explain, short

RAY = 10**27
BPS = 10_000
CAP_MARGIN_SECONDS = 3600
"""The cap counts interest too: headroom shrinks while a plan waits, so an hour's interest is kept back."""


class AaveParams(BaseModel):
    """The deployment's addresses; all are in Aave's address book."""

    model_config = ConfigDict(extra="forbid")
    pool: str
    data_provider: str
    oracle: str | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve at one block, in raw units and rays. income_index_ray: the liquidity index accrued to the block."""

    supplied_raw: int
    debt_raw: int
    cash_raw: int
    deficit_raw: int
    treasury_raw: int
    income_index_ray: int
    liquidity_rate_ray: int
    reserve_factor_bps: int
    supply_cap: int
    points: tuple[tuple[float, float], ...]
    status: Status

    def curve(self, token: Token, held_raw: int) -> KinkedCurve:
        """Income of our holding. The pool's liquidity and debt, both at this block, make up what is lent."""
        return KinkedCurve(
            others=(self.cash_raw + self.debt_raw - held_raw) / token.one,
            borrowed=self.debt_raw / token.one,
            points=self.points,
            keep=1 - self.reserve_factor_bps / BPS,
            deficit=self.deficit_raw / token.one,
        )

    def capacity_raw(self, token: Token) -> int | None:
        """Room below the supply cap (ValidationLogic.validateSupply counts the treasury too); None without a cap."""
        if self.supply_cap == 0:
            return None
        counted = self.supplied_raw + self.treasury_raw
        margin = counted * self.liquidity_rate_ray * CAP_MARGIN_SECONDS // (RAY * SECONDS_PER_YEAR) + 2
        return max(0, self.supply_cap * token.one - counted - margin)

    def flags(self, token: Token) -> tuple[str, ...]:
        """Risk flags of the reserve, for people."""
        found = []
        if self.debt_raw > self.points[1][0] * (self.cash_raw + self.debt_raw):
            found.append("above-kink")
        capacity = self.capacity_raw(token)
        if capacity is not None and capacity < self.supplied_raw // BPS:
            found.append("at-cap")
        if self.status is not Status.ACTIVE:
            found.append(str(self.status))
        if self.cash_raw * 20 < self.supplied_raw:
            found.append("thin-liquidity")
        if self.deficit_raw:
            found.append("deficit")
        return tuple(found)


def reserve_reads(pool: Address, provider: Address, strategy: Address, asset: Address) -> list[EthCall]:
    """The reads that ``reserve`` decodes, in its order."""
    aave = abi("aave_v3")
    return [
        aave.read(provider, "getReserveData", asset),
        aave.read(provider, "getReserveConfigurationData", asset),
        aave.read(provider, "getReserveCaps", asset),
        aave.read(provider, "getPaused", asset),
        aave.read(provider, "getVirtualUnderlyingBalance", asset),
        aave.read(provider, "getReserveDeficit", asset, optional=True),
        aave.read(strategy, "getInterestRateDataBps", asset),
        aave.read(pool, "getReserveNormalizedIncome", asset),
    ]


def reserve(answers: Sequence[bytes]) -> Reserve:
    """A Reserve from the answers to ``reserve_reads``."""
    aave = abi("aave_v3")
    data = aave.decode("getReserveData", answers[0])
    config = aave.decode("getReserveConfigurationData", answers[1])
    _, supply_cap = aave.decode("getReserveCaps", answers[2])
    kink_bps, base_bps, slope1_bps, slope2_bps = aave.one("getInterestRateDataBps", answers[6])
    index_ray = aave.one("getReserveNormalizedIncome", answers[7])
    active, frozen, paused = config[8], config[9], aave.one("getPaused", answers[3])
    return Reserve(
        supplied_raw=data[2],
        debt_raw=data[4],
        cash_raw=aave.one("getVirtualUnderlyingBalance", answers[4]),
        deficit_raw=aave.one("getReserveDeficit", answers[5]) if answers[5] else 0,
        treasury_raw=data[1] * index_ray // RAY,
        income_index_ray=index_ray,
        liquidity_rate_ray=data[5],
        reserve_factor_bps=config[4],
        supply_cap=supply_cap,
        points=(
            (0.0, base_bps / BPS),
            (kink_bps / BPS, (base_bps + slope1_bps) / BPS),
            (1.0, (base_bps + slope1_bps + slope2_bps) / BPS),
        ),
        status=Status.PAUSED if paused or not active else Status.FROZEN if frozen else Status.ACTIVE,
    )


def tokens_of(provider: Address, asset: Address) -> list[EthCall]:
    """The reads that tell a reserve's aToken and rate strategy."""
    aave = abi("aave_v3")
    return [
        aave.read(provider, "getReserveTokensAddresses", asset),
        aave.read(provider, "getInterestRateStrategyAddress", asset),
    ]


class AaveV3:
    """Supply to an Aave v3 pool; the position is its aToken."""

    protocol: ClassVar[str] = "aave_v3"
    params: ClassVar[type[BaseModel]] = AaveParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        aave, where = abi("aave_v3"), deployment.params
        provider = Address(where["data_provider"])
        answers = yield [read for token in deployment.assets for read in tokens_of(provider, token.address)]
        number = evm_number(deployment.chain)
        return tuple(
            Market(
                id=MarketId(f"aave_v3/{number}/{where['pool'].lower()}/{token.address.lower()}"),
                protocol=self.protocol,
                kind=Kind.LENDING,
                chain=deployment.chain,
                name=deployment.name,
                asset=token,
                address=Address(where["pool"]),
                params={
                    "pool": where["pool"],
                    "data_provider": where["data_provider"],
                    "a_token": aave.one("getReserveTokensAddresses", answers[2 * i]),
                    "strategy": aave.one("getInterestRateStrategyAddress", answers[2 * i + 1]),
                },
            )
            for i, token in enumerate(deployment.assets)
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token = market.params, market.asset
        balance, *answers = yield [
            abi("erc20").read(where["a_token"], "balanceOf", owner),
            *reserve_reads(market.address, where["data_provider"], where["strategy"], token.address),
        ]
        found = reserve(answers)
        held_raw = abi("erc20").one("balanceOf", balance)
        capacity_raw = found.capacity_raw(token)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held_raw),
            shares=held_raw,
            share_token=Token(token.chain, where["a_token"], f"a{token.symbol}", token.decimals),
            liquidity=Amount(token, found.cash_raw),
            capacity=None if capacity_raw is None else Amount(token, capacity_raw),
            supplied=Amount(token, found.cash_raw + found.debt_raw),
            borrowed=Amount(token, found.debt_raw),
            status=found.status,
            curve=found.curve(token, held_raw),
            quoted=Apr(found.liquidity_rate_ray / RAY),
            pools=frozenset({market.id}),
            gas_deposit=260_000,
            gas_withdraw=220_000,
            flags=found.flags(token),
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("aave_v3").encode("supply", market.asset.address, amount.raw, owner, 0),
                value=0,
                words=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        raw, what = (MAX_UINT256, f"all ({state.held})") if amount is None else (amount.raw, str(amount))
        data = abi("aave_v3").encode("withdraw", market.asset.address, raw, owner)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def explain_revert(self, data: bytes) -> str | None:
        return explain("aave_v3", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        aave = abi("aave_v3")
        return {market.address: frozenset({aave.selector("supply"), aave.selector("withdraw")})}


ADAPTER = AaveV3()
