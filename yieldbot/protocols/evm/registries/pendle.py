"""Pendle: every market that a factory made.

Each shows the rate that buying its principal token would fix, by the market's own arithmetic (``math/pendle.py``).
Source: pendle-core-v2-public (IPMarketFactoryV3.sol, CreateNewMarket, isValidMarket; IPMarket.sol, readTokens,
readState; IPYieldToken.sol, pyIndexCurrent; IStandardizedYield.sol, assetInfo, isValidTokenIn, isValidTokenOut).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.math.pendle import FixedRate, PendleError, PtMarket, fixed_rate
from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import WORD, NoList, Table, address_of, amount_of, denied, text_of, topic

CREATED = topic("CreateNewMarket(address,address,int256,int256,uint256)")

NO_ROUTER = Address("0x0000000000000000000000000000000000000000")
"""Whose fee is the market's own: a router's may be lower."""
PART = 100
"""A purchase of one part in this of the market's pool is looked at."""
LATEST = 86_400
"""Seconds before its expiry from which no rate is shown: base units of rounding would look like interest."""
ABSURD = 10.0
"""A yearly rate above this is not shown."""
LATEST_EXPIRY = 2**40
"""Unix seconds that no expiry is after."""
FIELDS = 9
"""Words of ``readState``'s answer."""


class Params(Table):
    """Keys of the table."""

    factory: str
    """PendleMarketFactoryV3, or a later one."""
    router: str
    """PendleRouterV4, through which principal tokens are bought and sold."""


class PendleMarkets(NoList):
    """Pendle markets, each for one principal token; anybody may create one."""

    kind: ClassVar[str] = "pendle"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 3:
            raise ValueError("the event lacks topics")
        return (Listed(address_of(log.topics[1]), "", log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        of, at = abi("registries"), checksum(key)
        known, tokens, expired = yield [
            of.read(registry.address, "isValidMarket", at),
            of.read(at, "readTokens", optional=True),
            of.read(at, "isExpired", optional=True),
        ]
        if not of.one("isValidMarket", known):
            return denied(registry, key)
        if not tokens:
            return FoundMarket(key=at, fault="it names no tokens")
        standardized, principal, yielding = (checksum(one) for one in of.decode("readTokens", tokens))
        info, name, supply, state, index, clock = yield [
            of.read(standardized, "assetInfo", optional=True),
            of.read(principal, "name", optional=True),
            of.read(principal, "totalSupply", optional=True),
            of.read(at, "readState", NO_ROUTER, optional=True),
            of.read(yielding, "pyIndexCurrent", optional=True),
            abi("erc4626").read(MULTICALL3, "getCurrentBlockTimestamp", optional=True),
        ]
        if not info:
            return FoundMarket(key=at, name=text_of(name), fault="its yield token names no asset")
        asset = checksum(of.decode("assetInfo", info)[1])
        takes, pays = yield [
            of.read(standardized, "isValidTokenIn", asset, optional=True),
            of.read(standardized, "isValidTokenOut", asset, optional=True),
        ]
        over = bool(expired and of.one("isExpired", expired))
        market = None if over else _market(state, index)
        fixed = None if market is None or not clock else _fixed(market, int.from_bytes(clock[:WORD], "big"))
        return FoundMarket(
            key=at,
            asset=asset,
            name=text_of(name),
            supplied_raw=amount_of(supply, "totalSupply"),
            expiry=None if market is None else market.expiry,
            fixed_rate=None if fixed is None else fixed.apr,
            exit_cost=None if fixed is None else fixed.exit_cost,
            limits=tuple(
                f"its yield token does not {word} the asset itself: that needs a swap"
                for word, answer, name in (("take", takes, "isValidTokenIn"), ("pay", pays, "isValidTokenOut"))
                if not answer or not of.one(name, answer)
            ),
            fault="it has expired" if over else "",
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        if found.limits:  # a principal token that only a swap reaches is shown, and cannot be bought
            return None
        same = {"router": registry.params["router"], "factory": registry.address}
        return PinnedRow(protocol="pendle", name=registry.name, same=same, listed_in="markets", value=found.key)


def _market(state: bytes, index: bytes) -> PtMarket | None:
    """The market by its own answers; None: they are none."""
    if len(state) < FIELDS * WORD or len(index) < WORD:
        return None
    pt, sy, _, _, scalar, expiry, fee, reserve, rate = abi("registries").decode("readState", state)[0]
    if expiry >= LATEST_EXPIRY:
        return None
    return PtMarket(pt, sy, scalar, expiry, fee, reserve, rate, int.from_bytes(index[:WORD], "big"))


def _fixed(market: PtMarket, now: int) -> FixedRate | None:
    """What a purchase fixes; None where the market cannot be traded, expires soon, or states what is absurd."""
    if market.expiry - now < LATEST:
        return None
    try:
        found = fixed_rate(market, market.total_sy // PART, now)
    except PendleError:
        return None
    return found if found is not None and -1.0 < found.apr < ABSURD else None


REGISTRY = PendleMarkets()
