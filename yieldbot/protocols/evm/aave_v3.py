"""Aave v3 (3.3 and later, and 3.0 as used by Spark): supplying one asset to one pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.aave import RAY, ReserveIndices
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import BPS, MAX_UINT256
from yieldbot.protocols.doubts import backed
from yieldbot.protocols.evm.aave_v30 import named, old_parts, old_points, old_reads, strategy_rates, strategy_reads
from yieldbot.protocols.evm.abi import abi, checksum, explain, short
from yieldbot.protocols.evm.reward_controllers import aave_claim, aave_listed, aave_listing, aave_reads, aave_rewards
from yieldbot.protocols.reads import Reads

RATES = "getInterestRateDataBps"
CAP_MARGIN_SECONDS = 3600
"""The supply cap counts interest too: an hour of interest is kept free, since headroom shrinks while a plan waits."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""


class AaveParams(BaseModel):
    """A deployment's addresses, all of them in Aave's address book."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    pool: str
    """Pool's address."""
    data_provider: str
    """ProtocolDataProvider's address."""
    oracle: str | None = None
    """AaveOracle's address."""
    addresses_provider: str | None = None
    """PoolAddressesProvider's address."""
    rewards_controller: str | None = None
    """RewardsController's address (DEFAULT_INCENTIVES_CONTROLLER); None: rewards are not read."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve, accrued to a block. Amounts in base units."""

    indices: ReserveIndices
    """Rates, indices and totals."""
    cash_raw: int
    """The pool's cash that can be withdrawn, in base units."""
    deficit_raw: int
    """The reserve's bad debt, in base units (``getReserveDeficit``)."""
    supply_cap: int
    """Supply cap in whole tokens; 0: none."""
    points: tuple[tuple[float, float], ...]
    """(utilisation, annual borrow rate): the rate strategy's three points."""
    status: Status
    """Whether deposits and withdrawals are allowed."""
    unbacked_raw: int = 0
    """aTokens that a bridge minted without backing, which share in the interest (v3.0)."""

    @property
    def lent_raw(self) -> int:
        """Cash plus debt, which suppliers share."""
        return self.cash_raw + self.indices.debt_raw

    @property
    def quoted(self) -> Apr:
        """The supply rate that the reserve has stored."""
        return Apr(self.indices.liquidity_rate_ray / RAY)

    def curve(self, token: Token, held_raw: int) -> KinkedCurve:
        """The reserve's rate as a function of our whole holding, of which ``held_raw`` is in it already."""
        return KinkedCurve(
            others=(self.lent_raw - held_raw) / token.one,
            borrowed=self.indices.debt_raw / token.one,
            points=self.points,
            keep=1 - self.indices.reserve_factor_bps / BPS,
            deficit=(self.deficit_raw + self.unbacked_raw) / token.one,
        )

    def capacity_raw(self, token: Token) -> int | None:
        """Room below the supply cap an hour from now (ValidationLogic.validateSupply), in base units; None: no cap."""
        if self.supply_cap == 0:
            return None
        later = self.indices.accrued(self.indices.updated + CAP_MARGIN_SECONDS)
        return max(0, self.supply_cap * token.one - later.counted_raw - 1)

    def flags(self, token: Token) -> tuple[str, ...]:
        """What is unusual about the reserve, as phrases."""
        capacity_raw, supplied_raw = self.capacity_raw(token), self.indices.supplied_raw
        found = {
            "above-kink": self.indices.debt_raw > self.points[1][0] * self.lent_raw,
            "at-cap": capacity_raw is not None and capacity_raw < supplied_raw // BPS,
            str(self.status): self.status is not Status.ACTIVE,
            "thin-liquidity": self.cash_raw * THIN < supplied_raw,
            "deficit": self.deficit_raw > 0,
            "unbacked": self.unbacked_raw > 0,
        }
        return tuple(flag for flag, is_set in found.items() if is_set)


def reserve_discovery(
    provider: Address, assets: Sequence[Token], beside: Reads | None = None, rewards: Address | None = None
) -> Flow[dict[Token, dict[str, object]]]:
    """The data about each asset's reserve that goes into Market.params: two rounds.

    beside: further reads of the caller, made in the first round. rewards: the controller that lists the aTokens' reward
    tokens. Raises MarketError (ReadReverted) if the pool has no such reserve.
    """
    aave = abi("aave_v3")
    first = Reads() if beside is None else beside
    asked = [
        (
            token,
            first.add(aave.read(provider, "getReserveTokensAddresses", token.address)),
            first.add(aave.read(provider, "getInterestRateStrategyAddress", token.address)),
        )
        for token in assets
    ]
    yield from first.made()
    reserves = [
        (
            token,
            [checksum(address) for address in aave.decode("getReserveTokensAddresses", addresses.data)],
            aave.one("getInterestRateStrategyAddress", strategy.data),
        )
        for token, addresses, strategy in asked
    ]
    second = Reads()
    listings = {token: second.add(aave_listing(rewards, a_token)) for token, (a_token, _, _), _ in reserves if rewards}
    # Where a reserve has a token for debt at stable rates, its strategy may be one of v3.0: asked either way.
    rates = {
        token: second.group(_rate_reads(strategy, token.address, has_stable=int(stable, 16) != 0))
        for token, (_, stable, _), strategy in reserves
    }
    yield from second.made()
    found: dict[Token, dict[str, object]] = {}
    for token, (a_token, stable, debt_token), strategy in reserves:
        if int(a_token, 16) == 0:
            raise MarketError(f"{provider} knows no reserve of {token.symbol} ({token.address})")
        found[token] = {"a_token": a_token, "debt_token": debt_token}
        now, *old = rates[token].data
        if now:
            found[token]["rates_bps"] = aave.one(RATES, now)
        else:
            found[token] |= {"stable_debt_token": stable, "rates_ray": strategy_rates(strategy, old)}
        if rewards is not None:
            found[token] |= {"rewards_controller": rewards, "rewards": aave_listed(listings[token].data)}
    return found


def _rate_reads(strategy: Address, asset: Address, *, has_stable: bool) -> list[EthCall]:
    """Reads of the reserve's rate strategy: one, and four more if the reserve may be of Aave v3.0."""
    now = abi("aave_v3").read(strategy, RATES, asset, optional=has_stable)
    return [now, *strategy_reads(strategy)] if has_stable else [now]


def reserve_reads(where: Mapping[str, Any], asset: Address) -> list[EthCall]:
    """The reads that ``reserve`` decodes, in the same order. ``where``: a market's params."""
    aave, pool = abi("aave_v3"), Address(where["pool"])
    return [
        aave.read(pool, "getReserveData", asset),
        aave.read(Address(where["a_token"]), "scaledTotalSupply"),
        aave.read(Address(where["debt_token"]), "scaledTotalSupply"),
        *(
            old_reads(where, asset)
            if is_old(where)
            else (
                aave.read(pool, "getVirtualUnderlyingBalance", asset),
                aave.read(pool, "getReserveDeficit", asset, optional=True),
            )
        ),
    ]


def is_old(where: Mapping[str, Any]) -> bool:
    """Whether a market's reserve is of Aave v3.0. where: the market's params."""
    return "rates_ray" in where


def reserve(where: Mapping[str, Any], answers: Sequence[bytes], now: int) -> Reserve:
    """A Reserve from the answers to ``reserve_reads``, at ``now`` (unix seconds).

    Source of the configuration's bits: aave-v3-origin ReserveConfiguration.sol.
    """
    aave = abi("aave_v3")
    data, supply, debt, *more = answers
    (bits,), index, rate, borrow_index, borrow_rate, _, updated, *rest = aave.one("getReserveData", data)
    active, frozen, paused = bits >> 56 & 1, bits >> 57 & 1, bits >> 60 & 1
    status = Status.PAUSED if paused or not active else Status.FROZEN if frozen else Status.ACTIVE
    supply_cap = bits >> 116 & (2**36 - 1)
    stored = ReserveIndices(
        liquidity_index_ray=index,
        borrow_index_ray=borrow_index,
        liquidity_rate_ray=rate,
        borrow_rate_ray=borrow_rate,
        updated=updated,
        scaled_supply_raw=aave.one("scaledTotalSupply", supply),
        scaled_debt_raw=aave.one("scaledTotalSupply", debt),
        scaled_treasury_raw=rest[5],
        reserve_factor_bps=bits >> 64 & 0xFFFF,
    )
    if is_old(where):
        parts = old_parts(stored, rest[6], more)
        indices = parts.indices.accrued(now)
        points = old_points(where["rates_ray"], indices)
        return Reserve(indices, parts.cash_raw, 0, supply_cap, points, status, parts.unbacked_raw)
    cash, deficit = more
    kink_bps, base_bps, slope1_bps, slope2_bps = where["rates_bps"]
    return Reserve(
        indices=stored.accrued(now),
        cash_raw=aave.one("getVirtualUnderlyingBalance", cash),
        deficit_raw=aave.one("getReserveDeficit", deficit) if deficit else 0,
        supply_cap=supply_cap,
        points=(
            (0.0, base_bps / BPS),
            (kink_bps / BPS, (base_bps + slope1_bps) / BPS),
            (1.0, (base_bps + slope1_bps + slope2_bps) / BPS),
        ),
        status=status,
    )


def pool_key(number: int, pool: str, asset: Address) -> str:
    """The key of a reserve, common to every market whose money ends up there."""
    return f"aave_v3/{number}/{pool.lower()}/{asset.lower()}"


class AaveV3:
    """Supply to an Aave v3 pool; the position is aTokens."""

    protocol: ClassVar[str] = "aave_v3"
    params: ClassVar[type[BaseModel]] = AaveParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        where, number = deployment.params, evm_number(deployment.chain)
        controller = Address(where["rewards_controller"]) if where.get("rewards_controller") else None
        provider = Address(where["data_provider"])
        reserves = yield from reserve_discovery(provider, deployment.assets, rewards=controller)
        return tuple(
            Market(
                id=MarketId(pool_key(number, where["pool"], token.address)),
                protocol=self.protocol,
                kind=Kind.LENDING,
                chain=deployment.chain,
                name=deployment.name,
                asset=token,
                address=Address(where["pool"]),
                params={"pool": where["pool"], **parts},
            )
            for token, parts in reserves.items()
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, erc20 = market.params, market.asset, abi("erc20")
        reads = Reads()
        balance = reads.add(erc20.read(where["a_token"], "balanceOf", owner))
        stored = reads.group(reserve_reads(where, token.address))
        paid = [reads.group(each) for each in aave_reads(where, owner)]
        yield from reads.made()
        found = reserve(where, stored.data, block.timestamp)
        held_raw = erc20.one("balanceOf", balance.data)
        capacity_raw, now = found.capacity_raw(token), found.indices
        supply_raw, index_ray = now.scaled_supply_raw, now.liquidity_index_ray
        doubts = backed(now.counted_raw, found.cash_raw, now.debt_raw + found.unbacked_raw, token)
        rewards, unread = aave_rewards(market, [one.data for one in paid], supply_raw, index_ray, held_raw)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held_raw),
            shares=held_raw,
            share_token=Token(token.chain, where["a_token"], f"a{token.symbol}", token.decimals),
            liquidity=Amount(token, found.cash_raw),
            capacity=None if capacity_raw is None else Amount(token, capacity_raw),
            supplied=Amount(token, found.lent_raw),
            borrowed=Amount(token, found.indices.debt_raw),
            status=found.status,
            curve=found.curve(token, held_raw),
            quoted=found.quoted,
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("aave_v3").deposit,
            gas_withdraw=leg_gas("aave_v3").withdraw,
            flags=(*found.flags(token), *unread, *doubts),
            doubts=doubts,
            rewards=rewards,
            exit=Exit(cash=Amount(token, found.cash_raw)),
            index=index_ray / RAY,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("aave_v3").encode("supply", market.asset.address, amount.raw, owner, 0),
                value=0,
                description=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        raw, what = (MAX_UINT256, f"all ({state.held})") if amount is None else (amount.raw, str(amount))
        data = abi("aave_v3").encode("withdraw", market.asset.address, raw, owner)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return aave_claim(state.market, reward, owner)

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        controller = market.params.get("rewards_controller")
        return {controller: frozenset({abi("aave_rewards").selector("claimRewardsToSelf")})} if controller else {}

    def explain_revert(self, data: bytes) -> str | None:
        return named(explain("aave_v3", data))

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        aave = abi("aave_v3")
        return {market.address: frozenset({aave.selector("supply"), aave.selector("withdraw")})}


ADAPTER = AaveV3()
