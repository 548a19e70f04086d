"""Fluid's fTokens: ERC-4626 shares of what the lending protocol has supplied to Fluid's Liquidity layer, from which
vaults and exchanges borrow.

What may leave is bound by two things: the layer's cash, and a withdrawal limit on everything that one fToken has
supplied, which grows with time from its last use. The layer's words are read from its storage, as Fluid's own
resolvers do. Rewards raise the price of a share; they stand in the curve until their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.fluid import (
    PARTS,
    PRICES_SLOT,
    RATES_SLOT,
    SUPPLIES_SLOT,
    TOTALS_SLOT,
    Prices,
    Totals,
    earns_interest,
    paused,
    position,
    rate_points,
)
from yieldbot.math.jupiter_lend import PRICE_ONE, WholeBpCurve
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.protocols.doubts import backed
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.share_calls import ShareCalls, listed_markets
from yieldbot.protocols.reads import Reads

THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
UNFUNDED = 100
"""Shares may be worth more than the fToken has supplied, by one part in this: rewards are paid in afterwards."""
MOST_REWARDS = 2
"""Rewards are at most one part in this of all deposits a year."""
DAY = 86_400.0
ERRORS = {
    11002: "the layer has paused this fToken",
    11003: "the withdrawal limit of all deposits is reached; it grows with time",
    11005: "the amount is 0",
    11007: "the amount is too small to be counted",
    11017: "the amount is too large a part of all deposits",
    20001: "the deposit is too small for a share",
    20011: "the layer's exchange price fell",
}
"""What the layer's and the fToken's numbered errors mean (errorTypes.sol)."""


class FluidParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    f_tokens: list[str] = Field(min_length=1)
    """Addresses of fTokens of ERC-20 tokens."""


def slot_of(mapping: int | bytes, key: str) -> bytes:
    """The storage slot of a mapping's entry for an address."""
    place = mapping if isinstance(mapping, bytes) else mapping.to_bytes(32, "big")
    return keccak(bytes.fromhex(key[2:]).rjust(32, b"\0") + place)


def _parts(data: Mapping[str, bytes], asset: Address) -> dict[str, Address]:
    """The contracts that an fToken's ``getData`` names."""
    layer, factory, rewards = abi("fluid").decode("getData", data["getData"])[:3]
    return {"layer": checksum(layer), "factory": checksum(factory), "rewards": checksum(rewards)}


class Fluid(ShareCalls):
    """Deposit to an fToken; the position is its shares."""

    protocol: ClassVar[str] = "fluid"
    params: ClassVar[type[BaseModel]] = FluidParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        listed = deployment.params["f_tokens"]
        return listed_markets(
            self.protocol, Kind.LENDING, deployment, listed, ("getData",), _parts, "as an fToken does"
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, fluid, vault = market.params, market.asset, abi("fluid"), abi("erc4626")
        if "unfit" in where:
            raise MarketError(where["unfit"])
        layer, has_rewards = where["layer"], bool(int(where["rewards"], 16))
        mine = slot_of(slot_of(SUPPLIES_SLOT, market.address), token.address)
        slots = [*(slot_of(place, token.address) for place in (PRICES_SLOT, RATES_SLOT, TOTALS_SLOT)), mine]
        reads = Reads()
        words = [reads.add(fluid.read(layer, "readFromStorage", slot)) for slot in slots]
        data = reads.add(fluid.read(market.address, "getData"))
        issued = reads.add(vault.read(market.address, "totalSupply"))
        ours = reads.add(vault.read(market.address, "balanceOf", owner))
        balance = reads.add(abi("erc20").read(token.address, "balanceOf", layer))
        config = reads.add(fluid.read(where["rewards"], "getConfig", optional=True)) if has_rewards else None
        yield from reads.made()
        price_word, rate_word, total_word, supply_word = (fluid.one("readFromStorage", one.data) for one in words)
        said = fluid.decode("getData", data.data)
        if checksum(said[0]) != layer or checksum(said[2]) != where["rewards"]:
            raise MarketError("its liquidity layer or its rewards have just been exchanged for others")
        active, there_raw, layer_price, share_price = said[5:9]
        prices, totals, limits = Prices(price_word), Totals(total_word), position(supply_word)
        try:
            supply_price, borrow_price = prices.at(block.timestamp)
            points = rate_points(rate_word)
            must_stay = limits.must_stay(block.timestamp)
        except OverflowError as odd:
            raise MarketError(f"{market.name}: {odd}") from None
        if not earns_interest(supply_word):
            raise MarketError(f"{market.name}: its supply earns no interest")
        shares, all_shares = vault.one("balanceOf", ours.data), vault.one("totalSupply", issued.data)
        held, owed = (Amount(token, count * share_price // PRICE_ONE) for count in (shares, all_shares))
        earning_raw, borrowed_raw = totals.earning_raw(supply_price), totals.borrowed_raw(borrow_price)
        supplied_raw = earning_raw + totals.free_raw
        lies = abi("erc20").one("balanceOf", balance.data)
        cash = Amount(token, min(lies, max(0, supplied_raw - borrowed_raw)))  # what is beyond is the layer's revenue
        free_raw = max(0, limits.amount - must_stay) * supply_price // PRICE_ONE
        status = Status.PAUSED if paused(supply_word) else Status.ACTIVE
        liquidity = Amount(token, min(cash.raw, free_raw))
        pool = WholeBpCurve(
            others=max(0.0, (earning_raw - held.raw) / token.one),
            free=totals.free_raw / token.one,
            borrowed=borrowed_raw / token.one,
            points=points,
            keep=max(0.0, 1.0 - prices.fee_bps / BPS),
            paying=prices.paying / PARTS,
            price=1.0,
        )
        curve: YieldCurve = pool
        if active and config is not None and config.data:
            curve = _rewarded(pool, fluid.decode("getConfig", config.data), owed, held, block.timestamp)
        doubts = list(backed(supplied_raw, lies, borrowed_raw, token))
        if owed.raw > there_raw + owed.raw // UNFUNDED:
            doubts.append(f"its shares are worth {owed}, it has supplied {Amount(token, there_raw)}")
        if supply_price != layer_price:
            doubts.append(f"the layer's price of supply is {supply_price}, the fToken says {layer_price}")
        flags = {
            "above-kink": borrowed_raw * BPS > points[-2][0] * supplied_raw,
            "withdrawal-limit": free_raw < min(cash.raw, owed.raw),
            "thin-liquidity": liquidity.raw * THIN < owed.raw,
            str(status): status is not Status.ACTIVE,
            "rewards-in-rate": curve is not pool,
        }
        gas = leg_gas(self.protocol)
        return MarketState(
            market=market,
            block=block,
            held=held,
            shares=shares,
            share_token=Token(token.chain, market.address, where["symbol"], where["share_decimals"]),
            liquidity=liquidity,
            capacity=None,
            supplied=Amount(token, supplied_raw),
            borrowed=Amount(token, borrowed_raw),
            status=status,
            curve=curve,
            quoted=Apr(curve.apr(float(held), DAY)),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=liquidity, limit=_limit(limits.expand_bps, limits.expand_seconds) if limits.limit else ""),
            index=share_price / PRICE_ONE,
        )

    def explain_revert(self, data: bytes) -> str | None:
        said = super().explain_revert(data)
        if said is None or not said.startswith("Fluid") or len(data) < 36:
            return said
        number = int.from_bytes(data[4:36], "big")
        return f"Fluid's error {number}: {ERRORS[number]}" if number in ERRORS else said


def _limit(percent_bps: int, seconds: int) -> str:
    return f"{percent_bps / BPS:z.0%} of all deposits in {seconds / 3600:g} h"


def _rewarded(
    pool: WholeBpCurve, config: tuple[int, int, int, int, int, int, str], owed: Amount, held: Amount, now: int
) -> YieldCurve:
    """The curve with the rewards of the present period, which are divided among the fToken's own depositors."""
    duration, start, end, least, _, amount, _ = config
    if not start <= now < end or not duration or owed.raw < least or not owed.raw:
        return pool
    one = owed.token.one
    yearly = min(amount * SECONDS_PER_YEAR // duration, owed.raw // MOST_REWARDS)
    return RewardedCurve(pool, (RewardTerm(max(0.0, (owed - held).raw / one), yearly / one, float(end - now), 0.0),))


ADAPTER = Fluid()
