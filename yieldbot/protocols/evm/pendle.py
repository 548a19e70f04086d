"""Pendle: principal tokens (PT), which fix a rate until their expiry. A PT is bought and sold in its market through the
router; from its expiry on it is redeemed for its asset.

Only PT are read whose standardized yield token (SY) takes and pays the asset itself, at its own rate without a fee.
Source: pendle-finance/pendle-core-v2-public@e8c2cca (PendleRouterV4, ActionSwapPTV3.sol, ActionMiscV3.sol,
MarketMathCore.sol, PendleYieldToken.sol).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curves import ConstantCurve
from yieldbot.math.pendle import ONE, YEAR, PendleError, PtMarket, exp_raw
from yieldbot.math.pt_prices import LEEWAY_SECONDS, PtPrices, fixed_term
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.durations import duration
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, ExitKind, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import BPS
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.reads import Reads

NOBODY = Address("0x0000000000000000000000000000000000000000")
NO_SWAP = (0, NOBODY, b"", False)
NO_LIMIT_ORDERS: tuple[Any, ...] = (NOBODY, 0, [], [], b"")
LOWEST, HIGHEST, ITERATIONS = 98, 102, 60
"""In percent of our own computation, what the router may look for; and how often it may try."""
SLACK = 10**6
"""The yield token must take and pay the asset at its rate, to one part in this, one unit of the rate (which has seven
digits where shares have 18 decimals and the asset six) and two base units."""
FULL = 1000
"""Of a market in which less than one part in this of all PT can be bought, none is."""
UNSEEN = 100
"""Where less than one part in this of what all PT are worth is seen as cash, the cash is not known."""
LATEST_EXPIRY = 2**40
"""Unix seconds that no expiry is after."""
CALLS = ("swapExactTokenForPt", "swapExactPtForToken", "redeemPyToToken")
LIMITS = ("Slippage: APPROX_EXHAUSTED", "MarketExchangeRateBelowOne", "MarketProportionTooHigh", "MarketInsufficientPt")


class PendleParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")
    router: str
    """PendleRouterV4."""
    factory: str
    """The market factory that must know each market."""
    markets: list[str] = Field(min_length=1)
    """Addresses of markets, one for each principal token."""


class Pendle:
    """Buys a PT with the asset; the position is the PT."""

    protocol: ClassVar[str] = "pendle"
    params: ClassVar[type[BaseModel]] = PendleParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        codec, given, reads = abi("pendle"), deployment.params, Reads()
        factory, router = checksum(given["factory"]), checksum(given["router"])
        heads = []
        for at in map(checksum, given["markets"]):
            known = reads.add(codec.read(factory, "isValidMarket", at, optional=True))
            heads.append((at, known, reads.add(codec.read(at, "readTokens", optional=True))))
        yield from reads.made()
        rows, reads = [], Reads()
        for at, known, tokens in heads:
            if len(known.data) < 32 or not codec.one("isValidMarket", known.data) or len(tokens.data) < 96:
                raise MarketError(f"{deployment.name}: its factory {factory} does not know the market {at}")
            sy, pt, yt = map(checksum, codec.decode("readTokens", tokens.data))
            of_sy = [reads.add(codec.read(sy, name, optional=True)) for name in ("assetInfo", "yieldToken")]
            of_pt = [reads.add(codec.read(pt, name, optional=True)) for name in ("symbol", "decimals")]
            rows.append((at, {"sy": sy, "pt": pt, "yt": yt, "router": router}, of_sy, of_pt))
        yield from reads.made()
        found = []
        for at, params, (info, inner), (symbol, decimals) in rows:
            if min(len(info.data), len(inner.data), len(decimals.data)) < 32:
                raise MarketError(f"{deployment.name}: the tokens of the market {at} do not answer as Pendle's do")
            asset = checksum(codec.decode("assetInfo", info.data)[1])
            token = next((one for one in deployment.assets if one.address == asset), None)
            if token is None:
                raise MarketError(
                    f"{deployment.name}: {at} pays {asset}, which is not among its assets in chains/*.toml"
                )
            if codec.one("decimals", decimals.data) != token.decimals:
                raise MarketError(f"{deployment.name}: the principal token of {at} does not count as its asset does")
            name = label(symbol.data) or short(at)
            own: dict[str, Any] = params | {"yield_token": codec.one("yieldToken", inner.data), "symbol": name}
            own |= {"share_decimals": codec.one("decimals", decimals.data)}
            found.append(
                Market(
                    id=MarketId(f"pendle/{evm_number(deployment.chain)}/{at.lower()}"),
                    protocol=self.protocol,
                    kind=Kind.VAULT,
                    chain=deployment.chain,
                    name=f"{deployment.name} {name}",
                    asset=token,
                    address=at,
                    params=own,
                )
            )
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        codec, erc20, where, token = abi("pendle"), abi("erc20"), market.params, market.asset
        sy, pt, reads = where["sy"], where["pt"], Reads()
        state = reads.add(codec.read(market.address, "readState", where["router"]))
        index, rate = reads.add(codec.read(where["yt"], "pyIndexCurrent")), reads.add(codec.read(sy, "exchangeRate"))
        ours, supply = reads.add(erc20.read(pt, "balanceOf", owner)), reads.add(codec.read(pt, "totalSupply"))
        pause = reads.add(codec.read(sy, "paused", optional=True))
        may = [reads.add(codec.read(sy, name, token.address)) for name in ("isValidTokenIn", "isValidTokenOut")]
        tried = [
            reads.add(codec.read(sy, name, token.address, probe, optional=True))
            for name, probe in (("previewDeposit", token.one), ("previewRedeem", 10 ** where["share_decimals"]))
        ]
        purses = {sy, where["yield_token"]} - {token.address}
        cash = [reads.add(erc20.read(token.address, "balanceOf", one)) for one in sorted(purses)]
        yield from reads.made()
        made = _market(codec.decode("readState", state.data)[0], codec.one("pyIndexCurrent", index.data), market.name)
        shares, asset_rate = erc20.one("balanceOf", ours.data), int(codec.one("exchangeRate", rate.data))
        if asset_rate <= 0:
            raise MarketError(f"{market.name}: its yield token states a rate of {asset_rate}")
        prices = PtPrices(made, block.timestamp, asset_rate, shares)
        paused = len(pause.data) >= 32 and bool(codec.one("paused", pause.data))
        status = Status.PAUSED if paused else Status.FROZEN if prices.expired else Status.ACTIVE
        doubts = list(_unlike(market, made.index, asset_rate, [one.data for one in tried]))
        if not prices.expired:
            doubts += [
                f"its yield token does not {word} {token.symbol} itself"
                for word, one, name in zip(("take", "pay"), may, ("isValidTokenIn", "isValidTokenOut"), strict=True)
                if not codec.one(name, one.data)
            ]
        try:
            curve: YieldCurve = ConstantCurve(0.0) if prices.expired else fixed_term(prices, token.one)
            left = max(0, made.expiry - block.timestamp)
            mid = 1.0 if prices.expired else ONE / exp_raw(made.last_ln_implied_rate * left // YEAR)
        except PendleError as refused:
            raise MarketError(f"{market.name}: {refused}") from None
        whole = int(codec.one("totalSupply", supply.data) * mid)
        payable = sum(erc20.one("balanceOf", one.data) for one in cash)
        saleable = prices.redeemed(whole) if prices.expired else prices.sold(prices.most_sold)
        unseen = payable < whole // UNSEEN  # it lies in vaults below
        liquidity, room = 0 if unseen else min(payable, saleable, whole), prices.room()
        seen = None if unseen else Amount(token, payable)
        room = room if room > whole // FULL else 0
        flags = {
            str(status): status is not Status.ACTIVE,
            "expired": prices.expired,
            f"fixed for {duration(left)}": not prices.expired,
            f"pays {Amount(token, prices.redeemed(shares))} on {_day(made.expiry)}": shares > 0 and not prices.expired,
            "at-cap": not prices.expired and not room,
        }
        gas, held = leg_gas(self.protocol), prices.worth()
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held),
            shares=shares,
            share_token=Token(token.chain, pt, where["symbol"], where["share_decimals"]),
            liquidity=Amount(token, liquidity),
            capacity=Amount(token, room),
            supplied=Amount(token, whole),
            borrowed=None,
            status=status,
            curve=curve,
            quoted=Apr(0.0 if prices.expired else (1.0 / mid - 1.0) * YEAR / left),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=seen) if prices.expired else _until(left, seen),
            opaque=unseen,
            offered=Amount(token, min(held, prices.sold(shares))),
            prices=prices,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market, prices, where = state.market, _prices(state), state.market.params
        guess = prices.bought(amount.raw, LEEWAY_SECONDS)
        least = max(prices.least_of(guess), prices.fewest(amount.raw))
        around = (guess * LOWEST // 100, guess * HIGHEST // 100, guess, ITERATIONS, prices.nearness(amount.raw))
        paid = (market.asset.address, amount.raw, market.asset.address, NOBODY, NO_SWAP)
        data = abi("pendle").encode(CALLS[0], owner, market.address, least, around, paid, NO_LIMIT_ORDERS)
        brings = Amount(_pt(state), least)
        words = f"buy {market.name} with {amount} for {short(owner)}, at least {brings}"
        return (EvmCall(where["router"], data, 0, words, Allowance(market.asset, where["router"], amount.raw), brings),)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, prices, where = state.market, _prices(state), state.market.params
        shares = state.shares if amount is None else prices.needed(amount.raw)
        if not shares:
            return ()
        brings = prices.sold(shares) if amount is None else amount.raw
        least = Amount(market.asset, prices.least_of(brings))
        out = (market.asset.address, least.raw, market.asset.address, NOBODY, NO_SWAP)
        if prices.expired:
            data = abi("pendle").encode(CALLS[2], owner, where["yt"], shares, out)
        else:
            data = abi("pendle").encode(CALLS[1], owner, market.address, shares, out, NO_LIMIT_ORDERS)
        given, what = Amount(_pt(state), shares), "all" if amount is None else str(amount)
        does = "redeem" if prices.expired else "sell"
        words = f"{does} {what} of {market.name} ({given}) for {short(owner)}, at least {least}"
        return (EvmCall(where["router"], data, 0, words, Allowance(given.token, where["router"], shares), least),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return {}

    def explain_revert(self, data: bytes) -> str | None:
        words = explain("pendle", data)
        return f"{words}: beyond the limit of what the pool trades" if words and words.startswith(LIMITS) else words

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.params["router"],)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        return {market.params["router"]: frozenset(map(abi("pendle").selector, CALLS))}


def _prices(state: MarketState) -> PtPrices:
    assert isinstance(state.prices, PtPrices)  # ``observe`` made the state
    return state.prices


def _pt(state: MarketState) -> Token:
    assert state.share_token is not None
    return state.share_token


def _day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def _until(seconds: int, cash: Amount | None) -> Exit:
    words = "sold to the market's pool at a price before its expiry"
    return Exit(kind=ExitKind.MATURITY, seconds=seconds, cash=cash, limit=words)


def _market(answer: tuple[Any, ...], index: int, name: str) -> PtMarket:
    pt, sy, _, _, scalar, expiry, fee, reserve, rate = answer
    if expiry >= LATEST_EXPIRY or index <= 0 or min(pt, sy, scalar) < 0:
        raise MarketError(f"{name}: it expires at {expiry}, with an index of {index}: this cannot be")
    return PtMarket(pt, sy, scalar, expiry, fee, reserve, rate, index)


def _unlike(market: Market, index: int, rate: int, tried: list[bytes]) -> list[str]:
    """Why a PT does not pay one unit of the asset, in doubts: the yield token lost value, or takes a fee."""
    codec, token, found = abi("pendle"), market.asset, []
    if rate < index - index // SLACK:
        part = f"{rate * BPS // index / 100:g} %"
        found.append(f"its yield token pays {part} of what it did: a PT is redeemed for less than one")
    one = 10 ** market.params["share_decimals"]
    for name, words, ours in (
        ("previewDeposit", "gives", token.one * ONE // rate),
        ("previewRedeem", "pays", one * rate // ONE),
    ):
        data = tried.pop(0)
        theirs = int(codec.one(name, data)) if len(data) >= 32 else None
        if theirs is None or abs(theirs - ours) > ours // SLACK + ours // rate + 2:  # a rate has few digits
            found.append(f"its yield token {words} {theirs} base units where its rate makes {ours}")
    return found


ADAPTER = Pendle()
