"""Silo v2: both silos of every pair that a factory made.

Source: silo-contracts-v2 (ISiloFactory.sol, NewSilo, isSilo).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.registries.base import NoList, Table, address_of, topic, vault, word

CREATED = topic("NewSilo(address,address,address,address,address,address)")


class Params(Table):
    """Keys of the table."""

    factory: str
    """The SiloFactory."""


class Silos(NoList):
    """Silos, each of which lends one token against another; anybody may have a pair made."""

    kind: ClassVar[str] = "silo_v2"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 4:
            raise ValueError("the event lacks topics")
        return tuple(
            Listed(address_of(word(log, place)), address_of(log.topics[2 + place]), log.block, log.tx)
            for place in (0, 1)
        )

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, "isSilo"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return PinnedRow(protocol="silo", name=registry.name, same={}, listed_in="silos", value=found.key)


REGISTRY = Silos()
