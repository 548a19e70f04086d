"""Morpho Vault V2: every vault that a factory made.

Source: vault-v2 (IVaultV2Factory.sol, CreateVaultV2, isVaultV2; VaultV2.sol, curator).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.registries.base import NoList, Table, address_of, topic, vault

CREATED = topic("CreateVaultV2(address,address,bytes32,address)")


class Params(Table):
    """Keys of the table."""

    factory: str
    """The VaultV2Factory."""
    morpho: str
    """Address of the Morpho Blue that the vaults lend to."""
    irm: str
    """The AdaptiveCurveIrm."""


class MorphoVaultsV2(NoList):
    """Morpho Vault V2 vaults; anybody may have one made."""

    kind: ClassVar[str] = "morpho_vault_v2"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 4:
            raise ValueError("the event lacks topics")
        return (Listed(address_of(log.topics[3]), address_of(log.topics[2]), log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, "isVaultV2", "curator"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        same = {key: str(checksum(registry.params[key])) for key in ("morpho", "irm")}
        return PinnedRow(
            protocol="morpho_vault_v2", name="Morpho Vault V2", same=same, listed_in="vaults", value=found.key
        )


REGISTRY = MorphoVaultsV2()
