"""Fluid: every fToken of the lending factory.

Source: fluid-contracts-public (lendingFactory/main.sol, allTokens).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.registries.base import NoEvents, Table, vault, whole_list


class Params(Table):
    """Keys of the table."""

    factory: str
    """The LendingFactory."""


class FluidTokens(NoEvents):
    """fTokens, which Fluid's governance makes."""

    kind: ClassVar[str] = "fluid"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        return (yield from whole_list(registry, "allTokens"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, None))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="fluid", name="Fluid", same={}, listed_in="f_tokens", value=found.key)


REGISTRY = FluidTokens()
