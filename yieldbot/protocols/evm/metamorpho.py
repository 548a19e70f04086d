"""MetaMorpho, looked through: each Morpho Blue market in its queues, and where a deposit would go or a withdrawal come
from. Sources: MetaMorpho (_supplyMorpho, _withdrawMorpho, _maxDeposit, _accruedFeeShares)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.math.curves import LookThroughCurve, VaultSlot
from yieldbot.math.morpho import TARGET_UTILISATION
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.market import Exit, Market
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.doubts import feed_reads, feeds_of, feeds_reads, oracle_read, unpriced
from yieldbot.protocols.evm.morpho_blue import blue_market, blue_reads
from yieldbot.protocols.evm.vaults import FULL, SLACK, VaultView
from yieldbot.protocols.reads import Reads

QUEUE_LENGTH = 30
"""MetaMorpho's own limit for its queues (ConstantsLib.MAX_QUEUE_LENGTH)."""
INSTANT_SECONDS = 1.0
CAP_MARGIN_SECONDS = 3600
"""Caps count interest: an hour of interest is kept free, since headroom shrinks while a plan waits."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
QUEUES = ("supply_queue", "withdraw_queue")
META = ("fee", "DECIMALS_OFFSET", "MORPHO")


def discovery_reads(vault: Address) -> list[EthCall]:
    """The reads that ``params_of`` decodes."""
    vault_abi = abi("erc4626")
    reads = [vault_abi.read(vault, name, optional=True) for name in META]
    for queue in ("supplyQueue", "withdrawQueue"):  # reading past the end reverts: that is how its length shows
        reads += [vault_abi.read(vault, queue, index, optional=True) for index in range(QUEUE_LENGTH)]
    return reads


def params_of(where: Mapping[str, Any], mine: Sequence[bytes]) -> dict[str, object]:
    """What goes into Market.params of a vault. where: its deployment's table; mine: the answers to
    ``discovery_reads``."""
    vault_abi, meta = abi("erc4626"), len(META)
    if not all(mine[:meta]) or vault_abi.one("MORPHO", mine[meta - 1]) != checksum(where["morpho"]):
        return {"unfit": f"not a MetaMorpho vault of Morpho {where['morpho']}"}
    queues = [answer.hex() for answer in mine[meta:]]
    return {
        "flavour": "metamorpho",
        "morpho": where["morpho"],
        "irm": where["irm"],
        "fee": vault_abi.one("fee", mine[0]),
        "offset": vault_abi.one("DECIMALS_OFFSET", mine[1]),
        "supply_queue": tuple(q for q in queues[:QUEUE_LENGTH] if q),
        "withdraw_queue": tuple(q for q in queues[QUEUE_LENGTH:] if q),
    }


def with_oracles(found: Sequence[Market], morpho: Address) -> Flow[list[Market]]:
    """The vaults, with the oracle and the collateral of those markets in their queues that have one."""
    blue = abi("morpho_blue")
    ids = dict.fromkeys(i for m in found for name in QUEUES for i in m.params.get(name, ()))
    terms = yield [blue.read(checksum(morpho), "idToMarketParams", bytes.fromhex(i)) for i in ids]
    decoded = zip(ids, (blue.decode("idToMarketParams", term) for term in terms), strict=True)
    terms_of = {i: term for i, term in decoded if int(term[1], 16)}
    oracles = {i: checksum(term[2]) for i, term in terms_of.items()}
    collaterals = {pool_key(found[0], i): checksum(term[1]) for i, term in terms_of.items()} if found else {}
    return [replace(one, params={**one.params, "oracles": oracles, "collaterals": collaterals}) for one in found]


def look_through(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[VaultView, int]]:
    """MetaMorpho: each market in its queues, and where our deposit would go or our withdrawal come from."""
    vault, blue, where, one = abi("erc4626"), abi("morpho_blue"), market.params, market.asset.one
    morpho, irm, at = checksum(where["morpho"]), checksum(where["irm"]), market.address
    ids = tuple(dict.fromkeys((*where["supply_queue"], *where["withdraw_queue"])))
    names = ("totalSupply", "totalAssets", "lastTotalAssets")
    oracles = {i: where["oracles"][i] for i in ids if i in where["oracles"]}
    reads = Reads()
    lost = reads.add(vault.read(at, "lostAssets", optional=True))
    totals = [(name, reads.add(vault.read(at, name))) for name in names]
    balance = reads.add(vault.read(at, "balanceOf", owner))
    slot_reads = [
        (
            market_id,
            reads.add(vault.read(at, "config", key)),
            reads.add(blue.read(morpho, "position", key, at)),
            reads.group(blue_reads(morpho, irm, key)),
        )
        for market_id, key in ((market_id, bytes.fromhex(market_id)) for market_id in ids)
    ]
    prices = {market_id: reads.add(oracle_read(oracle)) for market_id, oracle in oracles.items()}
    feeds = {market_id: reads.group(feeds_reads(oracle)) for market_id, oracle in oracles.items()}
    yield from reads.made()
    lost_raw = vault.one("lostAssets", lost.data) if lost.data else 0
    priced = [(i, oracle, prices[i].data, feeds_of(feeds[i].data)) for i, oracle in oracles.items()]
    unfit = yield from prices_missing(priced, block.timestamp)
    supply, assets, last_assets = (vault.one(name, one.data) for name, one in totals)
    shares, fee = vault.one("balanceOf", balance.data), where["fee"]
    # Fee shares on the interest since the last interaction (MetaMorpho._accruedFeeShares).
    fee_assets, virtual = max(0, assets - last_assets) * fee // WAD, 10 ** where["offset"]
    supply += fee_assets * (supply + virtual) // (assets - fee_assets + 1)
    held_raw = shares * (assets + 1) // (supply + virtual)
    slots, borrowed, cash, room_raw, lent_raw = [], 0, 0, 0, 0
    doubts: list[str] = []
    for market_id, config, position, stored in slot_reads:
        state = stored.data
        below, later = (blue_market(state, block.timestamp + wait) for wait in (0, CAP_MARGIN_SECONDS))
        if below.totals.borrow_assets and not blue.one("rateAtTarget", state[1]):
            raise MarketError(f"{market.name} lends in market 0x{market_id}, whose rate model is not {irm}")
        its_shares = blue.decode("position", position.data)[0]
        theirs = below.worth(its_shares)
        cap = vault.one("config", config.data) if market_id in where["supply_queue"] else 0
        # MetaMorpho._maxDeposit rounds up its holding. The slot has the room now; the headroom is an hour later's.
        room, room_later = (max(0, cap - then.worth_up(its_shares)) for then in (below, later))
        curve, cash_raw = below.curve(market.asset, theirs), below.liquidity_raw
        slots.append(VaultSlot(curve, theirs / one, room / one, cash_raw / one, pool_key(market, market_id)))
        room_raw += room_later
        if market_id in where["withdraw_queue"]:
            lent_raw += theirs
        if market_id in unfit and (room or theirs * FULL > assets):
            doubts.append(f"market {short('0x' + market_id)}: {unfit[market_id]}")
        cash += min(theirs, below.liquidity_raw)
        borrowed += int(theirs * below.utilisation)
    whole_curve = LookThroughCurve(
        others=(assets - held_raw) / one,
        ours=held_raw / one,
        fee=fee / WAD,
        slots=tuple(slots),
        withdraw_order=tuple(ids.index(i) for i in where["withdraw_queue"]),
    )
    if lost_raw or abs(lent_raw - assets) > assets // SLACK + len(ids) + 2:
        held, total, gone = (market.asset.amount(raw) for raw in (lent_raw, assets, lost_raw))
        doubts.insert(0, f"its markets hold {held}, totalAssets says {total}, of which {gone} are lost")
    flags = {
        "above-kink": borrowed * WAD > TARGET_UTILISATION * assets,
        "at-cap": room_raw < assets // FULL,
        "thin-liquidity": cash * THIN < assets,
    }
    return VaultView(
        held_raw=held_raw,
        supplied_raw=assets,
        borrowed_raw=borrowed,
        liquidity_raw=cash,
        exit=Exit(cash=Amount(market.asset, cash)),
        capacity_raw=room_raw,
        curve=whole_curve,
        quoted=Apr(whole_curve.apr(held_raw / one, INSTANT_SECONDS)),
        pools=frozenset(pool_key(market, i) for i in ids),
        flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
        doubts=tuple(doubts),
        index=(assets + 1) / (supply + virtual) * virtual,
    ), shares


def pool_key(market: Market, market_id: str) -> str:
    """The key of a Morpho Blue market on the chain of ``market``."""
    return f"morpho_blue/{evm_number(market.chain)}/0x{market_id}"


def prices_missing(priced: Sequence[tuple[str, Address, bytes, tuple[Address, ...]]], now: int) -> Flow[dict[str, str]]:
    """By market, why liquidations could not use a price of its collateral; needs one more round, for the feeds. priced:
    each market with its oracle, the oracle's answer and its feeds."""
    reads = Reads()
    rows = [(*row, reads.group(feed_reads(row[3]))) for row in priced]
    if reads.handles:
        yield from reads.made()
    found = {}
    for market_id, oracle, price, feeds, terms in rows:
        if why := unpriced(oracle, price, feeds, terms.data, now):
            found[market_id] = why
    return found
