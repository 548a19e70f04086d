"""Aave v4: the tokenization spokes of every asset of a hub.

Source: aave-v4 (Hub.sol, getAssetCount, getSpokeCount, getSpokeAddress, isSpokeListed, getAddedAssets;
TokenizationSpoke.sol, hub, assetId).
"""

from __future__ import annotations

from itertools import islice
from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import (
    MOST_LISTED,
    MOST_SUPPLIED,
    NoEvents,
    Table,
    addresses,
    denied,
    text_of,
)
from yieldbot.protocols.reads import Reads


class Params(Table):
    """Keys of the table."""

    hub: str
    """The hub."""


class TokenizationSpokes(NoEvents):
    """Tokenization spokes, which the hub's governance lists among all spokes: those that name the hub as theirs."""

    kind: ClassVar[str] = "aave_v4"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "hub"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        hub, at = abi("aave_v4"), registry.address
        (answer,) = yield [hub.read(at, "getAssetCount")]
        assets = range(min(hub.one("getAssetCount", answer), MOST_LISTED))
        counts = (yield [hub.read(at, "getSpokeCount", one) for one in assets]) if assets else []
        sizes = [min(hub.one("getSpokeCount", count), MOST_LISTED) for count in counts]
        places = list(islice(((one, place) for one in assets for place in range(sizes[one])), MOST_LISTED))
        found = (yield [hub.read(at, "getSpokeAddress", *one) for one in places]) if places else []
        listed = addresses([hub.one("getSpokeAddress", one) for one in found])
        homes = (yield [hub.read(checksum(one.key), "hub", optional=True) for one in listed]) if listed else []
        return tuple(
            one
            for one, home in zip(listed, homes, strict=True)
            if len(home) == 32 and not any(home[:12]) and hub.one("hub", home) == at
        )

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        hub, of, at = abi("aave_v4"), abi("registries"), checksum(key)
        reads = Reads()
        place = reads.add(hub.read(at, "assetId", optional=True))
        asset = reads.add(of.read(at, "asset", optional=True))
        name = reads.add(of.read(at, "name", optional=True))
        yield from reads.made()
        if len(place.data) != 32 or not asset.data:
            return FoundMarket(key=at, fault="it does not answer as a tokenization spoke does")
        number = hub.one("assetId", place.data)
        reads = Reads()
        there = reads.add(hub.read(registry.address, "isSpokeListed", number, at))
        supplied = reads.add(hub.read(registry.address, "getAddedAssets", number, optional=True))
        yield from reads.made()
        if not hub.one("isSpokeListed", there.data):
            return denied(registry, key)
        total = hub.one("getAddedAssets", supplied.data) if len(supplied.data) == 32 else 0
        return FoundMarket(
            key=at,
            asset=of.one("asset", asset.data),
            name=text_of(name.data),
            supplied_raw=total if total < MOST_SUPPLIED else 0,
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(
            protocol="aave_v4", name=registry.name, same={}, listed_in="tokenization_spokes", value=found.key
        )


REGISTRY = TokenizationSpokes()
