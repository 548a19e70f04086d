"""Save (Solend): every reserve of a mint, of one lending market or of all."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.solana.registries.base import AccountFilter, LendingTable, account_of, filter_of, row_of


class SaveReserves:
    """Reserves of Save; anybody may open a lending market."""

    kind: ClassVar[str] = "save"
    params: ClassVar[type[BaseModel]] = LendingTable
    address_key: ClassVar[str] = "program"

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        return filter_of(registry, mint, ("Reserve", "liquidity_mint", "lending_market"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        reserve = yield from account_of(registry, key, "Reserve")
        if isinstance(reserve, FoundMarket):
            return reserve
        return FoundMarket(
            key=key,
            asset=reserve["liquidity_mint"],
            name=f"market {reserve['lending_market'][:8]}",
            supplied_raw=reserve["available_amount"] + reserve["borrowed_amount_wads"] // WAD,
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return row_of(registry, found, "reserves")


REGISTRY = SaveReserves()
