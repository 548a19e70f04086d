"""Aave v4: adding one asset to a hub through its tokenization spoke.

A hub keeps the money of all its spokes. Borrowers draw through other spokes; whoever adds through any of them earns the
same. A tokenization spoke only adds: its EIP-4626 shares are no collateral, no debt and no oracle touch them, and what
binds them is what binds every supplier of the hub: its cash, and the spoke's cap and switches there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.aave_v4 import NO_CAP, RAY, HubAsset, RateTerms
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS
from yieldbot.protocols.doubts import backed, in_vault
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.share_calls import HEAD, ShareCalls, answers, share_market
from yieldbot.protocols.evm.view_words import address
from yieldbot.protocols.reads import ReadHandle, Reads

THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
MOST_SPOKES = 24
"""Most spokes of one asset of a hub of which it is read whether they lend against collateral."""
CAP_MARGIN_SECONDS = 3600
"""A cap counts interest too: an hour of interest is kept free, since headroom shrinks while a plan waits."""
ASSET_PLACES = {
    "liquidity_raw": 0,
    "fees_raw": 1,
    "added_shares": 3,
    "swept_raw": 4,
    "premium_offset_ray": 5,
    "drawn_shares": 6,
    "premium_shares": 7,
    "fee_bps": 8,
    "index_ray": 9,
    "rate_ray": 10,
    "updated": 11,
    "deficit_ray": 16,
}
"""Places of a HubAsset's fields in IHub.Asset."""
UNDERLYING, STRATEGY = 12, 13
"""Places of two addresses in it."""
ADDED, ADD_CAP, ACTIVE, HALTED = 3, 4, 7, 8
"""Places in IHub.SpokeData."""


class AaveV4Params(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    tokenization_spokes: list[str] = Field(min_length=1)
    """Addresses of tokenization spokes, all of them in Aave's address book."""


class AaveV4(ShareCalls):
    """Deposit to a tokenization spoke; the position is its shares."""

    protocol: ClassVar[str] = "aave_v4"
    params: ClassVar[type[BaseModel]] = AaveV4Params

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        vault, hub = abi("erc4626"), abi("aave_v4")
        listed = [checksum(text) for text in deployment.params["tokenization_spokes"]]
        reads = Reads()
        heads = {at: {name: reads.add(vault.read(at, name, optional=True)) for name in HEAD} for at in listed}
        own = {at: {name: reads.add(hub.read(at, name, optional=True)) for name in ("hub", "assetId")} for at in listed}
        yield from reads.made()
        places = {
            at: (hub.one("hub", mine["hub"].data), hub.one("assetId", mine["assetId"].data))
            for at, mine in own.items()
            if answers(*(one.data for one in (*mine.values(), *heads[at].values())))
        }
        asks = {at: (home, "getAsset", place) for at, (home, place) in places.items()}
        reads = Reads()
        chiefs = {at: reads.add(hub.read(home, "authority", optional=True)) for at, (home, _) in places.items()}
        records = {at: reads.add(hub.read(*one, optional=True)) for at, one in asks.items()}
        spokes = {
            one: [reads.add(hub.read(one[0], "getSpokeAddress", one[1], n, optional=True)) for n in range(MOST_SPOKES)]
            for one in dict.fromkeys(places.values())
        }
        yield from reads.made()
        named = {one: _addresses(there) for one, there in spokes.items()}
        reads = Reads()
        oracles = {
            spoke: reads.add(hub.read(spoke, "ORACLE", optional=True))
            for spoke in dict.fromkeys(spoke for there in named.values() for spoke in there)
        }
        yield from reads.made()
        found = []
        for at in listed:
            head, mine = {name: one.data for name, one in heads[at].items()}, None
            if at in places and answers(records[at].data):
                record = hub.one("getAsset", records[at].data)
                if checksum(record[UNDERLYING]) == vault.one("asset", head["asset"]):
                    drawers = {one: _addresses([oracles[one]]) for one in named[places[at]]}
                    mine = partial(_parts, *places[at], record, chiefs[at].data, drawers)
            fault = f"{at} does not answer as a tokenization spoke of Aave v4 does"
            found.append(share_market(self.protocol, Kind.LENDING, deployment, at, head, mine, fault))
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, hub, vault = market.params, market.asset, abi("aave_v4"), abi("erc4626")
        if "unfit" in where:
            raise MarketError(where["unfit"])
        home, place, at = Address(where["hub"]), where["asset_id"], market.address
        reads = Reads()
        record = reads.add(hub.read(home, "getAsset", place))
        terms_read = reads.add(hub.read(Address(where["strategy"]), "getInterestRateData", place))
        spoke_read = reads.add(hub.read(home, "getSpoke", place, at))
        views = {name: reads.add(hub.read(home, name, place)) for name in ("getAddedAssets", "getAssetDrawnRate")}
        issued = reads.add(vault.read(at, "totalSupply"))
        ours = reads.add(vault.read(at, "balanceOf", owner))
        balance = reads.add(abi("erc20").read(token.address, "balanceOf", home))
        yield from reads.made()
        raw = hub.one("getAsset", record.data)
        if checksum(raw[STRATEGY]) != where["strategy"]:
            raise MarketError(f"{market.name}: its rate strategy has just been exchanged for another")
        terms = RateTerms(*hub.one("getInterestRateData", terms_read.data))
        spoke = hub.one("getSpoke", spoke_read.data)
        try:
            asset = asset_of(raw).accrued(block.timestamp)
            total_raw, drawn_raw, borrowed_raw = asset.total_raw, asset.drawn_raw, asset.borrowed_raw
            room_raw = _room(asset, spoke, token, block.timestamp)
        except OverflowError as odd:
            raise MarketError(f"{market.name}: {odd}") from None
        shares, all_shares = vault.one("balanceOf", ours.data), vault.one("totalSupply", issued.data)
        held = Amount(token, asset.worth_raw(shares))
        lies_raw = abi("erc20").one("balanceOf", balance.data)
        cash = Amount(token, min(asset.liquidity_raw, lies_raw))
        if not spoke[ACTIVE] or spoke[HALTED]:
            status = Status.PAUSED
        else:
            status = Status.FROZEN if spoke[ADD_CAP] == 0 else Status.ACTIVE
        says = {name: hub.one(name, one.data) for name, one in views.items()}
        doubts = [
            *backed(total_raw, asset.liquidity_raw + asset.swept_raw, borrowed_raw, token),
            *in_vault(asset.liquidity_raw, lies_raw, token),
        ]
        if says["getAddedAssets"] != total_raw:
            stated = Amount(token, says["getAddedAssets"])
            doubts.append(f"it says that {stated} were added, its record makes {Amount(token, total_raw)}")
        computed = asset.drawn_rate_ray(terms)
        if says["getAssetDrawnRate"] != computed:
            says_rate, makes = (one / RAY for one in (says["getAssetDrawnRate"], computed))
            doubts.append(f"its rate strategy says {says_rate:z.6%} a year, its terms make {makes:z.6%}")
        if all_shares > spoke[ADDED]:
            doubts.append(f"{all_shares} shares of it are out, the hub counts {spoke[ADDED]} as its own")
        pool_raw = asset.liquidity_raw + drawn_raw + asset.swept_raw
        flags = {
            "above-kink": drawn_raw * BPS > terms.optimal_bps * pool_raw,
            "at-cap": status is Status.ACTIVE and room_raw is not None and room_raw < total_raw // BPS,
            "thin-liquidity": cash.raw * THIN < total_raw,
            "deficit": asset.deficit_ray > 0,
            "reinvested": asset.swept_raw > 0,
            str(status): status is not Status.ACTIVE,
        }
        gas = leg_gas(self.protocol)
        return MarketState(
            market=market,
            block=block,
            held=held,
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=cash,
            capacity=None if room_raw is None else Amount(token, room_raw),
            supplied=Amount(token, total_raw),
            borrowed=Amount(token, borrowed_raw),
            status=status,
            curve=asset.curve(terms, held.raw, token.one),
            quoted=Apr(asset.quoted()),
            pools=frozenset({market.id, hub_key(market)}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=cash),
            index=asset.price,
        )


def asset_of(record: tuple[Any, ...]) -> HubAsset:
    """The hub's record of one asset, as IHub.getAsset answers it."""
    return HubAsset(**{name: record[place] for name, place in ASSET_PLACES.items()})


def _room(asset: HubAsset, spoke: tuple[Any, ...], token: Token, now: int) -> int | None:
    """Room below the spoke's cap at the hub an hour from now (Hub._validateAdd), in base units; None: no cap."""
    if spoke[ADD_CAP] == NO_CAP:
        return None
    later = asset.accrued(now + CAP_MARGIN_SECONDS)
    cap_raw = int(spoke[ADD_CAP]) * token.one
    return max(0, cap_raw - later.counted_raw(spoke[ADDED]))


def _addresses(handles: Sequence[ReadHandle]) -> tuple[Address, ...]:
    """The addresses that were answered."""
    return tuple(found for one in handles if (found := address(one.data)) is not None)


def _parts(
    home: Address,
    place: int,
    record: tuple[Any, ...],
    chief: bytes,
    drawers: Mapping[Address, tuple[Address, ...]],
    asset: Address,
) -> Mapping[str, Any]:
    """What a market keeps of its spoke and of its hub. drawers: by spoke, its oracle, if it has one."""
    kept = {"hub": home, "asset_id": place, "strategy": checksum(record[STRATEGY])}
    kept["drawers"] = tuple((spoke, oracle) for spoke, named in drawers.items() for oracle in named)
    return kept | ({"authority": abi("aave_v4").one("authority", chief)} if answers(chief) else {})


def hub_key(market: Market) -> str:
    """The key of a hub's asset, common to all tokenization spokes of it."""
    return f"aave_v4/{market.params['hub'].lower()}/{market.params['asset_id']}"


ADAPTER = AaveV4()
