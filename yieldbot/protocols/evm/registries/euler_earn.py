"""Euler Earn: every vault of its factory.

Source: euler-earn (EulerEarnFactory.sol, getVaultListSlice, isVault).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.registries.base import NoEvents, Table, sliced_list, vault


class Params(Table):
    """Keys of the table."""

    factory: str
    """The EulerEarnFactory."""


class EulerEarnVaults(NoEvents):
    """Vaults of Euler Earn, which lend to several Euler vaults; anybody may have one made."""

    kind: ClassVar[str] = "euler_earn"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        return (yield from sliced_list(registry, "getVaultListLength", "getVaultListSlice"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, "isVault", "curator"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="euler_earn", name="Euler Earn", same={}, listed_in="vaults", value=found.key)


REGISTRY = EulerEarnVaults()
