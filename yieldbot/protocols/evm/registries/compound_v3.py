"""Compound v3: every Comet of a Configurator.

Source: comet (Configurator.sol, SetFactory, CometDeployed, factory).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import (
    NoList,
    Table,
    address_of,
    amount_of,
    denied,
    text_of,
    topic,
)
from yieldbot.protocols.reads import Reads

SET = topic("SetFactory(address,address,address)")
DEPLOYED = topic("CometDeployed(address,address)")


class Params(Table):
    """Keys of the table."""

    configurator: str
    """The Configurator."""
    rewards: str | None = None
    """CometRewards, which a pinned Comet's table gets."""


class Comets(NoList):
    """Comets, which Compound's governance configures."""

    kind: ClassVar[str] = "compound_v3"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "configurator"
    topics: ClassVar[tuple[bytes, ...]] = (SET, DEPLOYED)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) < 2:
            raise ValueError("the event lacks topics")
        return (Listed(address_of(log.topics[1]), "", log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        of, at, reads = abi("registries"), checksum(key), Reads()
        made_by = reads.add(of.read(registry.address, "factory", at))
        base = reads.add(of.read(at, "baseToken", optional=True))
        name = reads.add(of.read(at, "name", optional=True))
        supplied = reads.add(of.read(at, "totalSupply", optional=True))
        yield from reads.made()
        if int(of.one("factory", made_by.data), 16) == 0:
            return denied(registry, key)
        if not base.data:
            return FoundMarket(key=at, fault="it names no base token")
        return FoundMarket(
            key=at,
            asset=of.one("baseToken", base.data),
            name=text_of(name.data),
            supplied_raw=amount_of(supplied.data, "totalSupply"),
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        rewards = registry.params["rewards"]
        extra = {"configurator": str(registry.address)} | ({"rewards": checksum(rewards)} if rewards else {})
        return PinnedRow(
            protocol="compound_v3",
            name=registry.name,
            same={"comet": found.key},
            listed_in=None,
            value=found.key,
            extra=extra,
        )


REGISTRY = Comets()
