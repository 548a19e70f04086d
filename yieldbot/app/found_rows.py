"""Found markets as rows, from what the last ``discover`` stored: nothing is read from a chain."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import Field

from yieldbot.app.collections import NOTHING, Collection
from yieldbot.app.document import Part
from yieldbot.app.found_markets import place_of
from yieldbot.chains.discovered import values_of
from yieldbot.history.found_store import FoundStore

if TYPE_CHECKING:
    from yieldbot.history.found_store import Entry
    from yieldbot.model.amounts import Token
    from yieldbot.model.discovery import Registry
    from yieldbot.model.settings import ChainSettings, Settings


class FoundRow(Part):
    """One market that a registry lists, as the last `yieldbot discover` read it."""

    key: str = Field(description="the row's key: registry and market")
    chain: str = Field(description="the chain's name")
    registry: str = Field(description="name of the registry that lists it")
    market: str = Field(description="the market's id or address, which identifies it")
    name: str = Field(description="the name that its contract states: anybody may choose it")
    asset: str = Field(description="symbol of its asset in the chain's file")
    supplied: float = Field(description="what was supplied to it, in whole tokens")
    state: str = Field(description="listed (in the chain's file), found (not in it), or gone")
    collateral: str | None = Field(description="address of its only collateral")
    curator: str | None = Field(description="address that decides where its money lies")
    unfit: str | None = Field(description="why it cannot be pinned; null: it can")
    first_seen: int | None = Field(description="unix seconds at which it was first confirmed here")
    read_at: int | None = Field(description="unix seconds at which it was last read")


def found_rows(settings: Settings) -> Collection:
    """The found markets of every chain of the configuration. Raises ConfigError if the store cannot be used."""
    store = FoundStore(settings.data_dir)
    if not store.path.exists():
        return NOTHING
    rows, last = list[FoundRow](), 0
    for chain in settings.chains.values():
        tokens = {str(token.address): token for token in chain.tokens.values()}
        for registry in chain.registries:
            last = max(last, store.known(registry.id).last_run or 0)
            for entry in store.entries(registry.id):
                token = tokens.get(entry.listed.asset)
                if entry.first_time is not None and entry.found is not None and token is not None:
                    rows.append(_row(chain, registry, entry, token))
    plain = tuple(row.model_dump(mode="json") for row in rows)
    return Collection(plain, hashlib.sha256(repr(plain).encode()).hexdigest()[:16], last)


def _row(chain: ChainSettings, registry: Registry, entry: Entry, token: Token) -> FoundRow:
    found = entry.found
    assert found is not None
    row, unfit = place_of(registry, found)
    of_asset = [one for one in chain.deployments if token in one.assets]
    there = row is not None and found.key.lower() in {one.lower() for one in values_of(of_asset, row)}
    return FoundRow(
        key=f"{registry.id}/{found.key}".replace("/", "~"),
        chain=chain.name,
        registry=registry.name,
        market=found.key,
        name=found.name,
        asset=token.symbol,
        supplied=found.supplied_raw / token.one,
        state="gone" if entry.gone_time is not None else "listed" if there else "found",
        collateral=found.collateral or None,
        curator=found.curator or None,
        unfit=found.fault or unfit,
        first_seen=entry.first_time,
        read_at=entry.read_time,
    )
