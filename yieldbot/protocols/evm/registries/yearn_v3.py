"""Yearn v3: every vault that a registry endorses.

Source: vault-periphery (Registry.sol, getAllEndorsedVaults).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.registries.base import NoEvents, Table, addresses, vault


class Params(Table):
    """Keys of the table."""

    registry: str
    """Yearn's Registry."""


class YearnVaults(NoEvents):
    """Vaults that Yearn's governance endorses."""

    kind: ClassVar[str] = "yearn_v3"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "registry"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        of = abi("registries")
        (answer,) = yield [of.read(registry.address, "getAllEndorsedVaults")]
        by_asset = of.decode("getAllEndorsedVaults", answer)[0]
        return addresses([one for some in by_asset for one in some])

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, None))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="yearn_v3", name="Yearn v3", same={}, listed_in="vaults", value=found.key)


REGISTRY = YearnVaults()
