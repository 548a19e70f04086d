"""What pools and lending vaults rest on: every collateral that may be borrowed against, by its value; and what is known
before a look.

A collateral whose amount or value cannot be read is named, and counts as not known with the weight of the largest one
that was read, so that the fraction of the others is not overstated.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import field, replace

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.reads import EthCall
from yieldbot.protocols.backing import TOKEN
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.view_words import LARGEST, address, addresses, amount, call, number

MOST_LISTED = 128
"""Most reserves of one pool (Aave's own limit), or markets of one comptroller."""
MOST_ASSETS = 24
"""Most collaterals of one Comet (CometConfiguration.sol: MAX_ASSETS)."""

Reading = Generator[Sequence[EthCall], Sequence[bytes], HeldBy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before a look."""

    providers: Mapping[str, tuple[Address, Address]] = field(default_factory=dict)
    """By key of an Aave pool, its data provider and oracle, as the chain's table has them."""
    shares: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """By key of an asset, share tokens of its markets: a vault of unknown kind is asked what it holds of them."""
    leaves: Mapping[str, str] = field(default_factory=dict)
    """By key, symbols of tokens that are known to hold nothing, so that they are not looked through."""
    calls: tuple[EthCall, ...] = ()
    """The reads of the last look."""


def aave_key(pool: str) -> str:
    """The key of an Aave pool."""
    return f"aave:{checksum(pool)}"


def token_key(token: str) -> str:
    """The key of a token."""
    return f"{TOKEN}{checksum(token)}"


def oracle_key(oracle: str, collateral: str, asset: str) -> str:
    """The key of an oracle that prices one collateral in one asset (Morpho's IOracle)."""
    return f"oracle:{checksum(oracle)}/{checksum(collateral)}/{checksum(asset)}"


def one_price(at: Address, known: Known) -> Reading:
    """The price that an oracle gives for one collateral. Source: morpho-blue, IOracle.price: base units of the asset
    for one of the collateral, times 1e36. at: what follows the kind in ``oracle_key``."""
    oracle, collateral, asset = map(Address, at.split("/"))
    (answer,) = yield [call(oracle, "price()")]
    price = amount(answer)
    prices = ((token_key(collateral), price / 1e36), (token_key(asset), 1.0)) if price > 0.0 else ()
    return HeldBy(idle=1.0, prices=prices)


def aave(at: Address, known: Known) -> Reading:
    """Every reserve that may be collateral, by the value supplied, with its utilisation. Sources: Pool.getReservesList,
    AaveProtocolDataProvider.getReserveConfigurationData (word 2: liquidation threshold) and getReserveData (words 2 and
    4: aTokens and variable debt), AaveOracle.getAssetPrice."""
    listed, provider = yield [call(at, "getReservesList()"), call(at, "ADDRESSES_PROVIDER()")]
    reserves, book = addresses(listed, MOST_LISTED), address(provider)
    data, oracle = known.providers.get(f"aave:{at}", (None, None))
    if (data is None or oracle is None) and book is not None:
        one, two = yield [call(book, "getPoolDataProvider()"), call(book, "getPriceOracle()")]
        data, oracle = data or address(one), oracle or address(two)
    if not reserves or data is None or oracle is None:
        return HeldBy(unknown=1.0, why=f"reserves of the pool {at}")
    answers = yield [
        read
        for token in reserves
        for read in (
            call(data, "getReserveConfigurationData(address)", token),
            call(data, "getReserveData(address)", token),
            call(oracle, "getAssetPrice(address)", token),
        )
    ]
    children, used, unread = list[tuple[str, float]](), list[tuple[str, float]](), list[str]()
    prices = list[tuple[str, float]]()
    for index, token in enumerate(reserves):
        terms, totals, price = answers[3 * index : 3 * index + 3]
        if len(terms) >= 96 and amount(price) > 0.0:
            prices.append((token_key(token), amount(price) / 10 ** min(amount(terms), 36.0)))
        supplied, debt = amount(totals, 2), amount(totals, 3) + amount(totals, 4)
        if supplied > 0.0:
            used.append((token_key(token), min(1.0, debt / supplied)))
        if (len(terms) >= 96 and amount(terms, 2) <= 0.0) or (len(totals) >= 160 and supplied <= 0.0):
            continue
        if len(terms) < 96 or len(totals) < 160 or amount(price) <= 0.0:
            unread.append(token)
        else:
            children.append((token_key(token), supplied / 10 ** min(amount(terms), 36.0) * amount(price)))
    return replace(of_pool(children, used, unread, f"reserves of the pool {at}"), prices=tuple(prices))


def comptroller(at: Address, known: Known) -> Reading:
    """Every cToken that may be collateral. Sources: Comptroller.getAllMarkets, markets (word 1: collateral factor),
    PriceOracle.getUnderlyingPrice (36 less the token's decimals)."""
    listed, named = yield [call(at, "getAllMarkets()"), call(at, "oracle()")]
    markets, oracle = addresses(listed, MOST_LISTED), address(named)
    if not markets or oracle is None:
        return HeldBy(unknown=1.0, why=f"markets of the comptroller {at}")
    views = ("underlying()", "totalSupply()", "exchangeRateStored()", "totalBorrows()", "getCash()", "totalReserves()")
    answers = yield [
        read
        for one in markets
        for read in (
            call(at, "markets(address)", one),
            call(oracle, "getUnderlyingPrice(address)", one),
            *(call(one, view) for view in views),
        )
    ]
    children, used, unread = list[tuple[str, float]](), list[tuple[str, float]](), list[str]()
    prices = list[tuple[str, float]]()
    size = len(views) + 2
    for index, one in enumerate(markets):
        terms, price, under, shares, rate, debt, cash, kept = answers[size * index : size * (index + 1)]
        token = token_key(address(under) or one)  # a market of the chain's own coin names no token
        if amount(price) > 0.0:
            prices.append((token, amount(price) / 1e36))
        lent = amount(cash) + amount(debt) - amount(kept)
        if lent > 0.0:
            used.append((token, min(1.0, amount(debt) / lent)))
        if (len(terms) >= 64 and amount(terms, 1) <= 0.0) or (len(shares) >= 32 and amount(shares) <= 0.0):
            continue
        value = amount(shares) * amount(rate) / 1e18 * amount(price) / 1e36
        if len(terms) < 64 or value <= 0.0:  # its oracle answers 0 where it has no price
            unread.append(one)
        else:
            children.append((token, value))
    return replace(of_pool(children, used, unread, f"markets of the comptroller {at}"), prices=tuple(prices))


def comet(at: Address, known: Known) -> Reading:
    """Every collateral of a Comet by its value. Sources: CometCore.sol AssetInfo (words 1 to 3: asset, price feed,
    scale), totalsCollateral, getPrice; getReserves, which is negative if bad debt exceeds the reserves."""
    reserves, borrowed, base, scaled, own, *infos = yield [
        call(at, "getReserves()"),
        call(at, "totalBorrow()"),
        *(call(at, view) for view in ("baseToken()", "baseScale()", "baseTokenPriceFeed()")),
        *(call(at, "getAssetInfo(uint8)", place) for place in range(MOST_ASSETS)),
    ]
    signed = int.from_bytes(reserves[:32], "big", signed=True) if len(reserves) >= 32 else 0
    lost = float(-signed) if -LARGEST < signed < 0 else 0.0
    named = [(address(info, 1), address(info, 2), amount(info, 3)) for info in infos if len(info) >= 256]
    rows = [(asset, feed, scale) for asset, feed, scale in named if asset and feed and scale]
    if not rows:
        return HeldBy(unknown=1.0, why=f"collaterals of the Comet {at}", lost=lost)
    money, feed_of_it, one = address(base), address(own), amount(scaled)
    asked = [call(at, "getPrice(address)", feed_of_it)] if money and feed_of_it and one else []
    answers = yield [
        *(
            read
            for asset, feed, _ in rows
            for read in (call(at, "totalsCollateral(address)", asset), call(at, "getPrice(address)", feed))
        ),
        *asked,
    ]
    children, unread, empty = list[tuple[str, float]](), list[str](), 0
    prices = [
        (token_key(asset), amount(answers[2 * i + 1]) / scale)
        for i, (asset, _, scale) in enumerate(rows)
        if amount(answers[2 * i + 1]) > 0.0
    ]
    if asked and money and amount(answers[-1]) > 0.0:
        prices.append((token_key(money), amount(answers[-1]) / one))
    for i, (asset, _, scale) in enumerate(rows):
        total, price = answers[2 * i : 2 * i + 2]
        if len(total) >= 32 and amount(total) <= 0.0:
            empty += 1
        elif len(total) < 32 or amount(price) <= 0.0:  # its getPrice reverts where the feed has none
            unread.append(asset)
        else:
            children.append((token_key(asset), amount(total) / scale * amount(price)))
    if empty == len(rows) and number(borrowed) == 0:  # it lends to nobody
        return HeldBy(idle=1.0, lost=lost)
    found = of_pool(children, (), unread, f"collaterals of the Comet {at}")
    return replace(found, lost=lost, prices=tuple(prices))


def euler(at: Address, collaterals: Sequence[Address], asset: Address, symbol: str, total: float) -> Reading:
    """A vault of Euler v2: its cash, and what it lends by the value of its collaterals, which are vaults themselves:
    the asset of each, with the utilisation of its vault. Sources: EVault's LTVList, LTVLiquidation, oracle,
    unitOfAccount, cash; IPriceOracle.getQuote of all shares of a collateral."""
    views = ("asset()", "totalSupply()", "totalAssets()", "totalBorrows()")
    lies, named, unit, *answers = yield [
        *(call(at, view) for view in ("cash()", "oracle()", "unitOfAccount()")),
        *(
            read
            for one in collaterals
            for read in (call(at, "LTVLiquidation(address)", one), *(call(one, view) for view in views))
        ),
    ]
    rows = [(one, answers[5 * n : 5 * n + 5]) for n, one in enumerate(collaterals)]
    rows = [(one, row) for one, row in rows if len(row[0]) < 32 or (amount(row[0]) > 0.0 and number(row[2]) != 0)]
    oracle, money = address(named), address(unit)
    quotes: Sequence[bytes] = [b""] * len(rows)
    if oracle is not None and money is not None and rows:
        quotes = yield [
            call(oracle, "getQuote(uint256,address,address)", number(row[2]) or 0, one, money) for one, row in rows
        ]
    children, used, unread = list[tuple[str, float]](), list[tuple[str, float]](), list[str]()
    for (one, row), quote in zip(rows, quotes, strict=True):
        held, lent = amount(row[3]), amount(row[4])
        key = token_key(address(row[1]) or one)
        if held > 0.0 and len(row[4]) >= 32:
            used.append((key, min(1.0, lent / held)))
        if len(row[0]) < 32 or amount(quote) <= 0.0:
            unread.append(one)
        else:
            children.append((key, amount(quote)))
    idle = min(amount(lies), total)
    if idle >= total:  # it lends to nobody
        return HeldBy(idle=1.0, asset=token_key(asset), symbol=symbol)
    found = of_pool(children, used, unread, f"collaterals of {symbol or at}")
    whole = sum(value for _, value in found.children) + found.unknown
    part = (total - idle) / whole
    children = [(key, value * part) for key, value in found.children]
    return replace(
        found,
        children=tuple(children),
        unknown=found.unknown * part,
        idle=idle,
        asset=token_key(asset),
        symbol=symbol,
    )


def of_pool(
    children: Sequence[tuple[str, float]], used: Sequence[tuple[str, float]], unread: Sequence[str], what: str
) -> HeldBy:
    """A pool's holdings. unread: collaterals of which something could not be read, each taken to be as large as the
    largest that was read; what: what they are, for the reason."""
    largest = max((value for _, value in children), default=0.0)
    return HeldBy(
        children=tuple(children),
        used=tuple(used),
        unknown=largest * len(unread) if largest > 0.0 else 1.0,
        why=f"{len(unread)} {what}" if unread else "" if largest > 0.0 else what,
    )
