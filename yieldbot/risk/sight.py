"""One look at a market as alarms see it: the same type for memory, recordings and the chain. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yieldbot.history.networks import is_dollar
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import Token
from yieldbot.model.backing import rests_on
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState, Snapshot

if TYPE_CHECKING:
    from yieldbot.history.recent import Row

MarketName = tuple[str, str]
"""(chain, market id): identifies a market, whatever else its readings say."""
ISOLATED = ("morpho", "compound_v3", "euler", "silo", "fraxlend", "erc4626")
"""Prefixes of protocols whose markets do not all share their collaterals: it is not lent on, or (a silo's, within its
pair; Euler's) in markets that only the look-through names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at one market. Amounts are whole tokens of its asset, rates simple annual fractions; None: not known."""

    time: int
    """Unix seconds of the look."""
    rate: float | None = None
    """Quoted supply rate."""
    utilisation: float | None = None
    """Borrowed over supplied, 0 to 1."""
    supplied: float | None = None
    """What all suppliers own."""
    cash: float | None = None
    """What all suppliers together could withdraw."""
    held: float = 0.0
    """Our own holding."""
    index: float | None = None
    """The market's index, or its share price."""
    bad_debt: float | None = None
    """Bad debt, as a fraction of what is supplied."""
    prices: tuple[float, ...] = ()
    """Dollars for one whole token of its asset, by independent sources."""
    token_supply: float | None = None
    """Total supply of its asset on the chain."""
    backing: tuple[tuple[str, float | None], ...] = ()
    """(token address, total supply in base units) of each collateral that it rests on; None: could not be read."""
    active: bool = True
    """Whether the market accepts deposits."""


_AMOUNTS = ("rate", "utilisation", "supplied", "cash", "held", "index", "bad_debt", "token_supply")


def sane(sight: Sight) -> Sight:
    """The look with every negative, infinite or NaN number replaced by None."""
    one = sight
    amounts = (one.rate, one.utilisation, one.supplied, one.cash, one.held, one.index, one.bad_debt, one.token_supply)
    for value in amounts:
        if value is not None and not 0.0 <= value < math.inf:
            break
    else:
        for _, raw in one.backing:
            if raw is not None and not 0.0 <= raw < math.inf:
                return replace(sane(replace(one, backing=())), backing=_sane(one.backing))
        for price in one.prices:
            if not 0.0 < price < math.inf:
                break
        else:
            return one
    changes: dict[str, Any] = {
        name: 0.0 if name == "held" else None
        for name, value in zip(_AMOUNTS, amounts, strict=True)
        if value is not None and not 0.0 <= value < math.inf
    }
    prices = tuple(price for price in one.prices if 0.0 < price < math.inf)
    return replace(one, **changes, prices=prices, backing=_sane(one.backing))


def _sane(backing: tuple[tuple[str, float | None], ...]) -> tuple[tuple[str, float | None], ...]:
    return tuple((token, raw if raw is not None and 0.0 <= raw < math.inf else None) for token, raw in backing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The constant facts about a watched market."""

    protocol: str
    """Its adapter, with its version: ``aave_v3``."""
    asset: str
    """Symbol of its asset."""
    pegged: bool
    """Whether the asset is pegged to the dollar."""
    through: tuple[str, ...] = ()
    """Protocols of the pools that its money is finally lent in, including its own, if their markets share
    collateral."""
    off: tuple[str, ...] = ()
    """Alarm codes that are disabled for it."""


def subject_of(key: MarketKey) -> Subject:
    """The subject of a recorded market."""
    return Subject(
        protocol=key.protocol, asset=key.asset, pegged=is_dollar(key.asset), through=_shared((key.protocol,))
    )


def subject_of_state(snapshot: Snapshot, state: MarketState, off: tuple[str, ...] = ()) -> Subject:
    """The subject of an observed market; a vault is looked through to the pools that its money is lent in."""
    market = state.market
    protocol = str(market.params.get("flavour") or market.protocol)
    return Subject(
        protocol=protocol,
        asset=market.asset.symbol,
        pegged=market.asset in snapshot.pegs or is_dollar(market.asset.symbol),
        through=_shared((protocol, market.protocol, *(pool.partition("/")[0] for pool in sorted(state.pools)))),
        off=off,
    )


def _shared(protocols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in protocols if one and not one.startswith(ISOLATED)))


def sight_of(reading: Reading | Row) -> Sight:
    """The look in a reading of memory or of a recording.

    Cash that is missing is what is supplied less what is borrowed. Utilisation that is missing follows from those two,
    or from the rates: supply rate / (borrow rate * (1 - reserve factor)).
    """
    use, supplied, cash = reading.utilisation, reading.supplied, reading.cash
    borrowed = reading.borrowed
    if use is None and supplied and borrowed is not None:
        use = borrowed / supplied
    if use is None and reading.supply_rate is not None and reading.borrow_rate and reading.reserve_factor is not None:
        kept = 1.0 - reading.reserve_factor
        use = reading.supply_rate / (reading.borrow_rate * kept) if kept > 0.0 else None
    if use is None and supplied and cash is not None and reading.source.startswith("import"):
        use = max(0.0, 1.0 - cash / supplied)  # read from the chain: no borrowers, so no utilisation
    if cash is None and supplied is not None:
        lent = borrowed if borrowed is not None else None if use is None else use * supplied
        cash = None if lent is None else max(0.0, supplied - lent)
    return Sight(
        time=reading.time,
        rate=reading.supply_rate,
        utilisation=use,
        supplied=supplied,
        cash=cash,
        held=reading.held or 0.0,
        index=reading.index,
        bad_debt=None if use is None or borrowed is None else max(0.0, use - 1.0),
        prices=tuple(one for one in (reading.price_usd, reading.traded_usd) if one is not None),
        token_supply=reading.token_supply,
        backing=reading.backing,
        active=reading.status == "active",
    )


def sight_of_state(snapshot: Snapshot, state: MarketState, prices: tuple[float, ...] | None = None) -> Sight:
    """The look in a snapshot's market. prices: result of ``prices_of``, if already computed."""
    cash, use, supplied = state.cash, state.utilisation, float(state.supplied)
    raw = snapshot.supplies.get(state.market.asset.address)
    lost = state.curve.bad_debt / supplied if isinstance(state.curve, KinkedCurve) and supplied else 0.0
    return Sight(
        time=state.block.timestamp,
        rate=state.quoted.value,
        utilisation=use,
        supplied=supplied,
        cash=None if cash is None else float(cash),
        held=float(state.held),
        index=state.index,
        bad_debt=max(lost, 0.0 if use is None else use - 1.0),
        prices=prices_of(snapshot, state.market.asset) if prices is None else prices,
        token_supply=None if raw is None else raw / state.market.asset.one,
        backing=tuple((token, _units(snapshot, token)) for token in rests_on(state, snapshot.states)),
        active=state.status.value == "active",
    )


def _units(snapshot: Snapshot, token: Address) -> float | None:
    """Total supply of a token, in base units."""
    raw = snapshot.supplies.get(token)
    return None if raw is None else float(raw)


def prices_of(snapshot: Snapshot, token: Token) -> tuple[float, ...]:
    """Dollars for one whole token by independent sources: its feed, and its price in all pools together
    (``pool_prices.py``)."""
    found = list[float]()
    peg = snapshot.pegs.get(token)
    if peg is not None:
        found.append(peg.usd)
    elif snapshot.exchange is not None and token in snapshot.exchange.usd:
        found.append(snapshot.exchange.usd[token].usd)
    elif snapshot.exchange is None and snapshot.asset_usd is not None and token in snapshot.assets[:1]:
        found.append(snapshot.asset_usd)  # rounded as it is stored, so that both compare equal
    if peg is not None and peg.traded is not None:
        found.append(peg.traded)
    return tuple(found)
