"""Kamino Lend: every reserve of a mint, of one lending market or of all."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.solana.registries.base import AccountFilter, LendingTable, account_of, filter_of, row_of

BITS = 60
"""Fractions of base units are counted in 2^-60."""


class KaminoReserves:
    """Reserves of Kamino Lend; anybody may open a lending market."""

    kind: ClassVar[str] = "kamino_lend"
    params: ClassVar[type[BaseModel]] = LendingTable
    address_key: ClassVar[str] = "program"

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        return filter_of(registry, mint, ("Reserve", "liquidity_mint", "lending_market"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        reserve = yield from account_of(registry, key, "Reserve")
        if isinstance(reserve, FoundMarket):
            return reserve
        fees = reserve["protocol_fees_sf"] + reserve["referrer_fees_sf"] + reserve["pending_referrer_fees_sf"]
        return FoundMarket(
            key=key,
            asset=reserve["liquidity_mint"],
            name=f"market {reserve['lending_market'][:8]}",
            supplied_raw=max(0, reserve["available_amount"] + ((reserve["borrowed_amount_sf"] - fees) >> BITS)),
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return row_of(registry, found, "reserves")


REGISTRY = KaminoReserves()
