"""Jupiter Lend: the lending account of each mint."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols.solana.registries.base import AccountFilter, ProgramTable, account_of, filter_of, row_of

PRICE_ONE = 10**12
"""Exchange prices are scaled by this."""
SUPPLY = slice(36, 44)
"""Where a mint's account has its supply."""


class Params(ProgramTable):
    """Keys of the table."""

    liquidity_program: str | None = None
    """The liquidity program; None: Jupiter's own."""
    rewards_program: str | None = None
    """The rewards program; None: Jupiter's own."""


class JupiterLendings:
    """Lending accounts of Jupiter Lend, which its governance opens."""

    kind: ClassVar[str] = "jupiter_lend"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "program"

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        return filter_of(registry, mint, ("Lending", "mint", ""))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        lending = yield from account_of(registry, key, "Lending")
        if isinstance(lending, FoundMarket):
            return lending
        (mint,) = yield [SvmAccount(Address(lending["f_token_mint"]), TOKEN_PROGRAM, optional=True)]
        issued = int.from_bytes(mint[SUPPLY], "little")
        return FoundMarket(
            key=key,
            asset=lending["mint"],
            supplied_raw=lending["token_exchange_price"] * issued // PRICE_ONE,
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return row_of(registry, found, "reserves")


REGISTRY = JupiterLendings()
