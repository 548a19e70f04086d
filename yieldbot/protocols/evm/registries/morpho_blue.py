"""Morpho Blue: every market that was created.

Source: morpho-blue (EventsLib.sol, CreateMarket; MarketParamsLib.sol, id).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthLog, Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import NoList, Table, address_of, denied, topic, word

CREATED = topic("CreateMarket(bytes32,(address,address,address,address,uint256))")
TERMS = 5


class Params(Table):
    """Keys of the table."""

    morpho: str
    """Morpho Blue's address."""
    irm: str
    """The AdaptiveCurveIrm: markets with another rate model are not read."""


class MorphoBlueMarkets(NoList):
    """Markets of Morpho Blue; anybody may create one."""

    kind: ClassVar[str] = "morpho_blue"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "morpho"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 2 or len(log.data) != TERMS * 32 or keccak(log.data) != log.topics[1]:
            raise ValueError("the id is not the hash of the market's terms")
        key = f"0x{log.topics[1].hex()}"
        return (Listed(key, address_of(word(log, 0)), log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        blue, at = abi("morpho_blue"), registry.address
        market = bytes.fromhex(key.removeprefix("0x"))
        terms, totals = yield [blue.read(at, "idToMarketParams", market), blue.read(at, "market", market)]
        loan, collateral, _, irm = (checksum(one) for one in blue.decode("idToMarketParams", terms)[:4])
        limit = blue.decode("idToMarketParams", terms)[4]
        if int(loan, 16) == 0:
            return denied(registry, key)
        other = irm != checksum(registry.params["irm"])
        return FoundMarket(
            key=key,
            asset=loan,
            supplied_raw=blue.decode("market", totals)[0],
            collateral=collateral if int(collateral, 16) else "",
            collateral_limit=limit / WAD,
            fault=f"its rate model is {irm}" if other else "",
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        same = {"morpho": registry.address, "irm": checksum(registry.params["irm"])}
        return PinnedRow(protocol="morpho_blue", name="Morpho Blue", same=same, listed_in="markets", value=found.key)


REGISTRY = MorphoBlueMarkets()
