"""Fraxlend: every pair of its registry.

Source: fraxlend (FraxlendPairRegistry.sol, getAllPairAddresses).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.registries.base import NoEvents, Table, vault, whole_list


class Params(Table):
    """Keys of the table."""

    registry: str
    """The FraxlendPairRegistry."""


class FraxlendPairs(NoEvents):
    """Lending pairs of Fraxlend."""

    kind: ClassVar[str] = "fraxlend"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "registry"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        return (yield from whole_list(registry, "getAllPairAddresses"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, None, "owner"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="fraxlend", name="Fraxlend", same={}, listed_in="pairs", value=found.key)


REGISTRY = FraxlendPairs()
