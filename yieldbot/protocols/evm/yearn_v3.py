"""Yearn v3 vaults: profits that are reported already, the strategies that earn them, and the queue that pays exits.

How a vault's price grows until its locked profits are released is computed; what comes after that is assumed from the
prices of the strategies' shares and of its own. Every exit names the loss that it accepts: the function that names none
accepts any. Source: yearn/yearn-vaults-v3@104a2b2, VaultV3.vy (_convert_to_assets, _unlocked_shares, _max_deposit,
_max_withdraw, _redeem, _assess_share_of_unrealised_losses).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.unlocking import UnlockingCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.erc4626 import state_of
from yieldbot.protocols.evm.share_calls import ShareCalls, listed_markets
from yieldbot.protocols.evm.vaults import FINE, FULL, SAMPLES, SLACK, VaultView, rates_of
from yieldbot.protocols.reads import GroupHandle, ReadHandle, Reads

MOST_STRATEGIES = 10
"""A vault's own limit for its queue (MAX_QUEUE)."""
BPS = 10_000
THIN = 20
"""Cash below one part in this of the supply is flagged."""
INSTANT_SECONDS = 1.0
OWN = (
    "totalAssets",
    "totalSupply",
    "totalIdle",
    "fullProfitUnlockDate",
    "deposit_limit",
    "deposit_limit_module",
    "withdraw_limit_module",
    "isShutdown",
)


class YearnParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    vaults: list[str]
    """Addresses of the vaults."""
    lookback_blocks: int = Field(default=50_400, gt=0)
    """Blocks over which the strategies' and the vault's own growth are measured; default: a week of Ethereum."""
    max_loss_bps: int = Field(default=1, ge=0, le=100)
    """The largest loss, in bps, that a withdrawal accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strategy:
    """One strategy of a vault's queue, as it was read."""

    address: Address
    """The strategy."""
    debt_raw: int
    """What the vault has lent it, by the vault's books."""
    worth_raw: int
    """What the vault's shares of it convert to."""
    limit_raw: int
    """What it says that it could pay the vault now."""
    cash_raw: int
    """Its own balance of the asset."""
    rate: float
    """Annual rate at which its shares grew, in the least part of the lookback."""

    def loss(self, wanted_raw: int) -> int:
        """The part of a withdrawal that is lost, because the strategy has less than the vault's books say."""
        if self.worth_raw >= self.debt_raw or not self.debt_raw:
            return 0
        return (
            wanted_raw
            - wanted_raw * self.worth_raw // self.debt_raw
            + (wanted_raw * self.worth_raw % self.debt_raw != 0)
        )


class YearnV3(ShareCalls):
    """Deposit to a Yearn v3 vault; the position is its shares."""

    protocol: ClassVar[str] = "yearn_v3"
    params: ClassVar[type[BaseModel]] = YearnParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        def own(answers: Mapping[str, bytes], asset: Address) -> Mapping[str, Any]:
            (listed,) = abi(self.protocol).decode("get_default_queue", answers["get_default_queue"])
            return {**deployment.params, "strategies": tuple(checksum(one) for one in listed[:MOST_STRATEGIES])}

        listed, asks = deployment.params["vaults"], ("get_default_queue",)
        fault = "as a Yearn v3 vault does"
        return (yield from listed_markets(self.protocol, Kind.VAULT, deployment, listed, asks, own, fault, words=2))

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        if "unfit" in market.params:
            raise MarketError(market.params["unfit"])
        view, shares = yield from _look(market, owner, block)
        return state_of(market, block, view, shares)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, most = state.market, int(state.market.params["max_loss_bps"])
        function, raw = ("redeem", state.shares) if amount is None else ("withdraw", amount.raw)
        what = f"all ({state.held})" if amount is None else str(amount)
        said = f"withdraw {what} from {market.name} to {short(owner)}, with a loss of at most {most / 100:g} %"
        return (EvmCall(market.address, abi("yearn_v3").encode(function, raw, owner, owner, most), 0, said),)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        yearn = abi("yearn_v3")
        calls = {abi("erc4626").selector("deposit"), yearn.selector("withdraw"), yearn.selector("redeem")}
        return {market.address: frozenset(calls)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The reads of one strategy."""

    address: Address
    """The strategy."""
    own: GroupHandle
    """The vault's books of it, the vault's shares of it, and how many of these it would redeem."""
    priced: GroupHandle
    """What a number of its shares converted to, the oldest first, then now."""
    cash: ReadHandle
    """Its balance of the asset."""

    def strategy(self, probe: int, times: Sequence[int], name: str, lag: int) -> _Strategy:
        yearn = abi("yearn_v3")
        _, _, debt, _ = yearn.decode("strategies", self.own.data[0])
        shares, redeemable = (int.from_bytes(one[:32], "big") for one in self.own.data[1:])
        prices = [yearn.one("convertToAssets", one) for one in self.priced.data]
        rate = rates_of(list(zip(times, prices, strict=True)), name, lag)[1] if all(prices) else 0.0
        return _Strategy(
            address=self.address,
            debt_raw=debt,
            worth_raw=shares * prices[-1] // probe,
            limit_raw=min(shares, redeemable) * prices[-1] // probe,
            cash_raw=int.from_bytes(self.cash.data[:32], "big"),
            rate=rate,
        )


def _look(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[VaultView, int]]:
    yearn, erc20, where, at, token = abi("yearn_v3"), abi("erc20"), market.params, market.address, market.asset
    lag, probe = where["lookback_blocks"], FINE * 10 ** where["share_decimals"]
    lags = [max(1, lag * part // SAMPLES) for part in range(SAMPLES, 0, -1)]
    reads = Reads()
    own = {name: reads.add(yearn.read(at, name)) for name in OWN}
    ours, locked = (reads.add(yearn.read(at, "balanceOf", who)) for who in (owner, at))
    limits = [
        reads.add(yearn.read(at, "maxDeposit", owner, optional=True)),
        reads.add(yearn.read(at, "maxWithdraw", owner, where["max_loss_bps"], optional=True)),
    ]
    lies = reads.add(erc20.read(token.address, "balanceOf", at))
    past = [reads.add(yearn.read(MULTICALL3, "getCurrentBlockTimestamp", lag_blocks=back)) for back in lags]
    prices = reads.group([yearn.read(at, "convertToAssets", probe, lag_blocks=back) for back in (*lags, 0)])
    asked = [
        _Asked(
            address=one,
            own=reads.group(
                [
                    yearn.read(at, "strategies", one),
                    yearn.read(one, "balanceOf", at),
                    yearn.read(one, "maxRedeem", at, optional=True),
                ]
            ),
            priced=reads.group([yearn.read(one, "convertToAssets", probe, lag_blocks=back) for back in (*lags, 0)]),
            cash=reads.add(erc20.read(token.address, "balanceOf", one)),
        )
        for one in where["strategies"]
    ]
    yield from reads.made()
    times = [*(yearn.one("getCurrentBlockTimestamp", one.data) for one in past), block.timestamp]
    values = {name: yearn.one(name, handle.data) for name, handle in own.items()}
    shares = yearn.one("balanceOf", ours.data)
    trail = list(zip(times, (yearn.one("convertToAssets", one) for one in prices.data), strict=True))
    _, growth = rates_of(trail, market.name, lag)
    strategies = [one.strategy(probe, times, market.name, lag) for one in asked]
    stated = [int.from_bytes(one.data[:32], "big") if one.data else None for one in limits]
    locked_raw = yearn.one("balanceOf", locked.data)  # of its own shares it says what is still locked
    idle_raw = min(values["totalIdle"], erc20.one("balanceOf", lies.data))
    return _view(market, values, shares, locked_raw, idle_raw, strategies, growth, stated, block), shares


def _view(
    market: Market,
    values: dict[str, Any],
    shares: int,
    locked: int,
    idle_raw: int,
    strategies: Sequence[_Strategy],
    growth: float,
    stated: Sequence[int | None],
    block: BlockRef,
) -> VaultView:
    """locked: shares; growth: annual rate of the vault's own price; stated: its maxDeposit and maxWithdraw for us."""
    where, token, one = market.params, market.asset, market.asset.one
    total, supply = values["totalAssets"], values["totalSupply"]
    worth_raw = shares * total // supply if supply else 0
    paid_raw, offered_raw, lost_raw = _queue(worth_raw, idle_raw, strategies)
    cash_raw = min(total, idle_raw + sum(min(each.debt_raw, each.cash_raw) for each in strategies))
    # What is assumed after the locked profits: the lesser of what strategies earn and what the vault has paid.
    earned = sum(each.debt_raw / one * each.rate for each in strategies)
    income = max(0.0, min(earned, total / one * growth))
    left = max(0, values["fullProfitUnlockDate"] - block.timestamp)
    curve = UnlockingCurve(
        others=(total - worth_raw) / one,
        locked=locked * total / supply / one if left and supply else 0.0,
        seconds_left=float(left),
        income_per_year=income,
    )
    module, outs = int(values["deposit_limit_module"], 16), int(values["withdraw_limit_module"], 16)
    limit = (stated[0] or 0) if module else max(0, values["deposit_limit"] - total)
    endless = module == 0 and values["deposit_limit"] == MAX_UINT256
    capacity = None if endless or limit >= MAX_UINT256 // 2 else limit
    if outs:
        offered_raw = min(offered_raw, stated[1] or 0)
    doubts = [
        f"strategy {short(each.address)} has {token.amount(each.worth_raw)}, the vault counts "
        f"{token.amount(each.debt_raw)}"
        for each in strategies
        if each.debt_raw > each.worth_raw + each.debt_raw // SLACK + 2
    ]
    closed = bool(values["isShutdown"])
    too_dear = lost_raw * BPS > worth_raw * where["max_loss_bps"]
    flags = {
        "assumed-after-unlock": True,
        "no-profit-unlocking": curve.locked <= 0.0,
        "at-cap": capacity is not None and capacity < total // FULL,
        "thin-liquidity": cash_raw * THIN < total,
        "limit-by-a-module": bool(module or outs),
        "loss-beyond-the-accepted": too_dear,
        "frozen": closed,
    }
    cash = Amount(token, cash_raw) if cash_raw else None
    said = "the rest is paid by its strategies, in the order of its queue"
    return VaultView(
        held_raw=paid_raw,
        supplied_raw=total,
        borrowed_raw=None,
        liquidity_raw=cash_raw,
        exit=Exit(cash=cash, limit=said if cash_raw < total else ""),
        capacity_raw=capacity,
        curve=curve,
        quoted=Apr(curve.apr(worth_raw / one, INSTANT_SECONDS if left else SECONDS_PER_YEAR)),
        pools=frozenset(),
        flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
        status=Status.FROZEN if closed else Status.ACTIVE,
        opaque=True,
        offered_raw=0 if too_dear else offered_raw,
        doubts=tuple(doubts),
        index=total / supply if supply else 1.0,
    )


def _queue(worth_raw: int, idle_raw: int, strategies: Sequence[_Strategy]) -> tuple[int, int, int]:
    """(what leaving with everything would pay, what the queue says that it could pay now, what would be lost), in base
    units of the asset."""
    needed, lost, ready = max(0, worth_raw - idle_raw), 0, min(worth_raw, idle_raw)
    for each in strategies:
        part = min(needed, each.debt_raw)
        loss = each.loss(part)
        if loss and each.limit_raw < part - loss:  # no more of a loss than of what it pays
            loss = loss * each.limit_raw // (part - loss)
            part = each.limit_raw + loss
        part = min(part - loss, each.limit_raw)
        needed, lost, ready = needed - loss - part, lost + loss, ready + part
    return worth_raw - lost, ready, lost


ADAPTER = YearnV3()
