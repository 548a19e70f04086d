"""What a hub of Aave v4 rests on: of each spoke that draws from it, the collaterals by their value there."""

from __future__ import annotations

from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.protocols.evm.aave_v4 import UNDERLYING, asset_of
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.backing_pools import MOST_LISTED, Known, Reading, of_pool, token_key
from yieldbot.protocols.evm.view_words import address, amount, call, number
from yieldbot.protocols.reads import side_by_side

MOST_SPOKES = 48
"""Most spokes of one asset of a hub."""


def hub(at: Address, known: Known) -> Reading:
    """One asset of a hub: what lies there is idle, what was drawn rests on the collaterals of the spokes that drew it,
    what was reinvested is not known. at: the hub's address and the asset's number. Sources: Hub.getAsset, getSpoke,
    getSpokeAddress; Spoke.getReserveCount, ORACLE, getReserve, getReserveSuppliedAssets, getDynamicReserveConfig (word
    0: collateral factor); AaveOracle.getReservePrice."""
    home, _, text = at.partition("/")
    place = int(text)
    record, *listed = yield [
        call(home, "getAsset(uint256)", place),
        *(call(home, "getSpokeAddress(uint256,uint256)", place, one) for one in range(MOST_SPOKES)),
    ]
    raw = abi("aave_v4").one("getAsset", record)
    asset, own = asset_of(raw), token_key(raw[UNDERLYING])
    lent = float(asset.borrowed_raw)
    spokes = [one for one in map(address, listed) if one is not None]
    answers = yield [
        read
        for spoke in spokes
        for read in (
            call(home, "getSpoke(uint256,address)", place, spoke),
            call(spoke, "getReserveCount()"),
            call(spoke, "ORACLE()"),
        )
    ]
    drew = [
        (spoke, amount(answers[3 * n]), int(amount(answers[3 * n + 1])), address(answers[3 * n + 2]))
        for n, spoke in enumerate(spokes)
        if amount(answers[3 * n]) > 0.0
    ]
    drew.sort(key=lambda one: -one[1])
    found, unread = dict[str, float](), max(0.0, asset.drawn_shares - sum(shares for _, shares, _, _ in drew))
    used, whys, prices = dict[str, float](), ["spokes"] if unread else [], dict[str, float]()
    held = yield from side_by_side([_spoke(at, min(count, MOST_LISTED), oracle) for at, _, count, oracle in drew])
    for (_, shares, _, _), holds in zip(drew, held, strict=True):
        whole = sum(value for _, value in holds.children) + holds.unknown
        for key, value in holds.children:
            found[key] = found.get(key, 0.0) + shares * value / whole
        unread += shares * holds.unknown / whole
        used |= {key: max(part, used.get(key, 0.0)) for key, part in holds.used}
        prices = prices or dict(holds.prices)  # of one oracle alone, that of the spoke that drew most
        whys += [holds.why] if holds.why else []
    one = lent / asset.drawn_shares if asset.drawn_shares else 0.0
    return HeldBy(
        children=tuple((key, part * one) for key, part in found.items()),
        idle=float(asset.liquidity_raw),
        unknown=unread * one + asset.swept_raw,
        asset=own,
        used=tuple(used.items()),
        why="; ".join([*whys, *(["what was reinvested"] if asset.swept_raw else [])]),
        lost=float(asset.lost_raw),
        prices=tuple(prices.items()),
    )


def _spoke(at: Address, count: int, oracle: Address | None) -> Reading:
    """The collaterals of one spoke by their value, at the terms of new loans; utilisation of each in its own hub."""
    if not count or oracle is None:
        return HeldBy(unknown=1.0, why=f"reserves of the spoke {at}")
    answers = yield [
        read
        for one in range(count)
        for read in (
            call(at, "getReserve(uint256)", one),
            call(at, "getReserveSuppliedAssets(uint256)", one),
            call(oracle, "getReservePrice(uint256)", one),
        )
    ]
    rows = [(one, answers[3 * one : 3 * one + 3]) for one in range(count)]
    more = yield [
        read
        for one, (terms, _, _) in rows
        for read in (
            call(at, "getDynamicReserveConfig(uint256,uint32)", one, number(terms, 6) or 0),
            call(address(terms, 1) or at, "getAssetTotalOwed(uint256)", number(terms, 2) or 0),
            call(address(terms, 1) or at, "getAddedAssets(uint256)", number(terms, 2) or 0),
        )
    ]
    children, used, unread = list[tuple[str, float]](), list[tuple[str, float]](), list[str]()
    prices = list[tuple[str, float]]()
    for one, (terms, supplied, price) in rows:
        factor, owed, added = more[3 * one : 3 * one + 3]
        token, unit = address(terms), 10 ** min(amount(terms, 3), 36.0)
        if token is not None and amount(price) > 0.0:
            prices.append((token_key(token), amount(price) / unit))
        if (len(factor) >= 32 and amount(factor) <= 0.0) or (len(supplied) >= 32 and amount(supplied) <= 0.0):
            continue
        if token is None or len(factor) < 32 or len(supplied) < 32 or amount(price) <= 0.0:
            unread.append(str(one))
            continue
        children.append((token_key(token), amount(supplied) / unit * amount(price)))
        if amount(added) > 0.0:
            used.append((token_key(token), min(1.0, amount(owed) / amount(added))))
    found = of_pool(children, used, unread, f"reserves of the spoke {at}")
    return HeldBy(children=found.children, used=found.used, unknown=found.unknown, why=found.why, prices=tuple(prices))
