"""MetaMorpho 1.0 and 1.1: every vault that a factory made.

Source: metamorpho-v1.1 (EventsLib.sol, CreateMetaMorpho; MetaMorphoV1_1Factory.sol, isMetaMorpho).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.registries.base import NoList, Table, address_of, topic, vault

CREATED = topic("CreateMetaMorpho(address,address,address,uint256,address,string,string,bytes32)")


class Params(Table):
    """Keys of the table."""

    factory: str
    """The factory's address."""
    morpho: str
    """Address of the Morpho Blue that the vaults lend to."""
    irm: str
    """The AdaptiveCurveIrm."""


class MetaMorphoVaults(NoList):
    """MetaMorpho vaults; anybody may have one made."""

    kind: ClassVar[str] = "metamorpho"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 4:
            raise ValueError("the event lacks topics")
        return (Listed(address_of(log.topics[1]), address_of(log.topics[3]), log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        return (yield from vault(registry, key, "isMetaMorpho", "curator"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        same = {
            "flavour": "metamorpho",
            "morpho": checksum(registry.params["morpho"]),
            "irm": checksum(registry.params["irm"]),
        }
        return PinnedRow(protocol="erc4626", name="MetaMorpho", same=same, listed_in="vaults", value=found.key)


REGISTRY = MetaMorphoVaults()
