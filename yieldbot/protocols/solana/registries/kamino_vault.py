"""Kamino vaults: every vault of a mint."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.solana.registries.base import AccountFilter, ProgramTable, account_of, filter_of, row_of

BITS = 60
"""Fractions of base units are counted in 2^-60."""


class Params(ProgramTable):
    """Keys of the table."""

    klend_program: str | None = None
    """The lending program that its vaults lend through; None: Kamino's own."""


class KaminoVaults:
    """Kamino vaults; anybody may open one."""

    kind: ClassVar[str] = "kamino_vault"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "program"

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        return filter_of(registry, mint, ("VaultState", "token_mint", ""))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        vault = yield from account_of(registry, key, "VaultState")
        if isinstance(vault, FoundMarket):
            return vault
        return FoundMarket(
            key=key,
            asset=vault["token_mint"],
            name=f"managed by {vault['admin'][:8]}",
            supplied_raw=vault["prev_aum_sf"] >> BITS,
            curator=vault["admin"],
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return row_of(registry, found, "pools")


REGISTRY = KaminoVaults()
