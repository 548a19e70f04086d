"""marginfi: every bank of a mint, of one group or of all."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.solana.registries.base import AccountFilter, LendingTable, account_of, filter_of, row_of

BITS = 96
"""Shares and their value are counted in 2^-48 each."""


class MarginfiBanks:
    """Banks of marginfi; anybody may open a group."""

    kind: ClassVar[str] = "marginfi"
    params: ClassVar[type[BaseModel]] = LendingTable
    address_key: ClassVar[str] = "program"

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        return filter_of(registry, mint, ("Bank", "mint", "group"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        bank = yield from account_of(registry, key, "Bank")
        if isinstance(bank, FoundMarket):
            return bank
        return FoundMarket(
            key=key,
            asset=bank["mint"],
            name=f"group {bank['group'][:8]}",
            supplied_raw=max(0, bank["asset_shares"] * bank["asset_share_value"] >> BITS),
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return row_of(registry, found, "banks")


REGISTRY = MarginfiBanks()
