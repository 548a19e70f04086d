"""Euler v2: every vault of the EVK's factory.

Source: euler-vault-kit (GenericFactory.sol, getProxyListSlice, isProxy; Governance.sol, governorAdmin).
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
    """The GenericFactory of EVK vaults."""


class EulerVaults(NoEvents):
    """Vaults of the Euler Vault Kit; anybody may have one made."""

    kind: ClassVar[str] = "euler_v2"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        return (yield from sliced_list(registry, "getProxyListLength", "getProxyListSlice"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, "isProxy", "governorAdmin"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="euler", name="Euler v2", same={}, listed_in="vaults", value=found.key)


REGISTRY = EulerVaults()
