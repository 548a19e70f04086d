"""Recordings that are known by their columns: what each row of them says."""

from __future__ import annotations

from yieldbot.history.importers.rows import ImportRow, amount, height_of, moment, number, text, truth
from yieldbot.history.importers.table import status
from yieldbot.history.networks import AAVE_V3_POOLS, ETHEREUM, ETHEREUM_TOKENS, is_dollar, network
from yieldbot.history.reading import MarketKey, Reading

READ_AT = 3600
"""Seconds after midnight UTC by which a row of the daily panel had been read (00:20 to 01:00)."""
OF_BORROW_CAP = 0.7
"""Total supply over the borrow cap where the supply is not recorded: a usable guess for the large stablecoin pools."""
GUESSED_BY_CAP = "supplied is a guess: 0.7 x the borrow cap"

PANEL = frozenset({"date", "network", "symbol", "asset", "supply_rate", "borrow_rate", "realised_supply_rate"})
"""Columns by which the daily panel of Aave v3 is known."""
FIRST_EDITION = frozenset({"observed_at", "network", "liquidity_rate", "liquidity_index", "supply_cap", "borrow_cap"})
"""Columns of the panel's first edition."""
WRONG_CAPS = (
    "its cap columns are wrong (bits 80-95 and 96-111 were read as caps) and are not read, so no supply is known: "
    "aave_v3_daily_panel, its cleaned edition, has them right"
)
GAS = frozenset({"date", "avg_gas_price_wei", "eth_usd"})
"""Columns of a series of gas prices, which holds no market."""
WHY_NOT_GAS = "holds daily gas prices and no market: give it to `yieldbot backtest` by --gas"
COMPOUND = frozenset({"market", "timestamp", "totalBorrowBalanceUSD", "totalValueLockedUSD", "depositRate"})
EVENTS = frozenset({"symbol", "block", "timestamp", "supplied", "utilisation", "supply_rate", "variable_borrow_rate"})
TOTALS = frozenset({"protocol", "timestamp", "borrowed_usd", "deposited_usd", "tvl_usd"})

COMPOUND_ASSETS = {
    "dai_1": "DAI",
    "dai_2": "SAI",
    "eth": "ETH",
    "usdc": "USDC",
    "usdt": "USDT",
    "wbtc_1": "WBTC",
    "wbtc_2": "WBTC",
}
"""dai_2 is the old dai, of a single collateral; ether has no contract."""


def aave_panel(row: ImportRow, now: int) -> Reading:
    """A market-day of Aave v3, under the id that the market has on the chain. ``mean_since`` is the time of the reading
    before, which ``since_before`` fills in."""
    cells = row.cells
    chain, asset = network(text(cells["network"])), text(cells["asset"]).lower()
    if not asset:
        raise ValueError("it names no asset")
    cap, utilisation = amount(cells["borrow_cap"], "borrow_cap"), number(cells["utilisation"], "utilisation")
    supplied = OF_BORROW_CAP * cap if cap else None
    return Reading(
        key=_key(chain, _aave_v3(chain, asset), "aave_v3", text(cells["symbol"]), asset),
        time=moment(cells["date"], now) + READ_AT,
        source="import:aave_v3_daily_panel",
        supply_rate=number(cells["supply_rate"], "supply_rate"),
        mean_rate=number(cells["realised_supply_rate"], "realised_supply_rate"),
        borrow_rate=number(cells["borrow_rate"], "borrow_rate"),
        utilisation=utilisation,
        supplied=supplied,
        reserve_factor=number(cells["reserve_factor"], "reserve_factor"),
        status=status(cells),
        flags=() if supplied is None else (GUESSED_BY_CAP,),
    )


def aave_daily(row: ImportRow, now: int) -> Reading:
    """A market-day of the panel's first edition: rates, index and status; its caps are not read (``WRONG_CAPS``). A
    market is known by its token's address, since some symbols name two tokens."""
    cells = row.cells
    chain, asset = network(text(cells["network"])), text(cells["asset"]).lower()
    if not asset:
        raise ValueError("it names no asset")
    names = ("liquidity_rate", "variable_borrow_rate", "reserve_factor")
    supply, borrow, kept = (number(cells.get(name), name) for name in names)
    lent = borrow * (1.0 - kept) if borrow is not None and kept is not None else 0.0
    return Reading(
        key=_key(chain, _aave_v3(chain, asset), "aave_v3", text(cells.get("symbol")), asset),
        time=moment(cells["observed_at"], now),
        source="import:aave_v3_daily",
        supply_rate=supply,
        borrow_rate=borrow,
        index=amount(cells["liquidity_index"], "liquidity_index"),
        utilisation=supply / lent if supply is not None and 0.0 < supply <= lent else None,
        reserve_factor=kept,
        status=status(cells) if truth(cells.get("active", "true"), "active") else "deprecated",
    )


def compound_v2(row: ImportRow, now: int) -> Reading:
    """A market-day of Compound v2 on Ethereum: dollars and percent. Its "total value locked" is what is supplied."""
    cells = row.cells
    market = text(cells["market"])
    asset = COMPOUND_ASSETS.get(market.lower())
    if asset is None:
        raise ValueError(f"market {market[:40]!r} is none of {', '.join(COMPOUND_ASSETS)}")
    borrowed, supplied = (amount(cells[name], name) for name in ("totalBorrowBalanceUSD", "totalValueLockedUSD"))
    tokens = is_dollar(asset)
    return Reading(
        key=_key(ETHEREUM, f"compound_v2/1/{market}", "compound_v2", asset, ETHEREUM_TOKENS.get(asset, "")),
        time=moment(cells["timestamp"], now),
        source="import:compound_v2_daily",
        supply_rate=_percent(cells["depositRate"], "depositRate"),
        borrow_rate=_percent(cells["borrowRate"], "borrowRate"),
        utilisation=borrowed / supplied if supplied and borrowed is not None else None,
        supplied=supplied if tokens else None,
        borrowed=borrowed if tokens else None,
    )


def aave_events(row: ImportRow, now: int) -> Reading:
    """One update of a reserve of Aave v2 on Ethereum."""
    cells = row.cells
    symbol = text(cells["symbol"])
    address = ETHEREUM_TOKENS.get(symbol.upper(), "")
    if not address:
        raise ValueError(f"symbol {symbol[:40]!r} is none of {', '.join(ETHEREUM_TOKENS)}")
    supplied, utilisation = amount(cells["supplied"], "supplied"), number(cells["utilisation"], "utilisation")
    known = supplied is not None and utilisation is not None
    return Reading(
        key=_key(ETHEREUM, f"aave_v2/1/{address}", "aave_v2", symbol, address),
        time=moment(cells["timestamp"], now),
        height=height_of(cells["block"], "block"),
        source="import:aave_v2_reserve_events",
        supply_rate=number(cells["supply_rate"], "supply_rate"),
        borrow_rate=number(cells["variable_borrow_rate"], "variable_borrow_rate"),
        utilisation=utilisation,
        supplied=supplied,
        borrowed=supplied * utilisation if known and supplied is not None and utilisation is not None else None,
    )


def totals(row: ImportRow, now: int) -> Reading:
    """A day of a whole protocol on Ethereum, in dollars: no rates, and no market that money could go to."""
    cells = row.cells
    protocol = text(cells["protocol"])
    if not protocol:
        raise ValueError("it names no protocol")
    borrowed, supplied = amount(cells["borrowed_usd"], "borrowed_usd"), amount(cells["deposited_usd"], "deposited_usd")
    return Reading(
        key=_key(ETHEREUM, f"totals/1/{protocol}", protocol, "USD", ""),
        time=moment(cells["timestamp"], now),
        source="import:protocol_totals_daily",
        utilisation=borrowed / supplied if supplied and borrowed is not None else None,
        supplied=supplied,
        borrowed=borrowed,
        price_usd=1.0,
    )


def _percent(cell: object, name: str) -> float | None:
    found = number(cell, name)
    return None if found is None else found / 100.0


def _aave_v3(chain: str, asset: str) -> str:
    """The id of a market of Aave v3's main pool; without the pool on chains that are not known here."""
    return "/".join(filter(None, ("aave_v3", chain.removeprefix("eip155:"), AAVE_V3_POOLS.get(chain), asset)))


def _key(chain: str, market: str, protocol: str, asset: str, address: str) -> MarketKey:
    return MarketKey(chain=chain, market=market, protocol=protocol, asset=asset, asset_address=address)
