"""The interface (typing.Protocol) of readers of Solana registries: programs whose accounts are markets."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.discovery import FoundMarket, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.solana.layout import layout


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts of a program are markets of one mint."""

    size: int
    """Bytes of the account."""
    at: tuple[tuple[int, Address], ...]
    """(offset, public key) that the account must have."""


class SvmRegistryReader(Protocol):
    """Reads one kind of registry. Pure: flows yield reads."""

    kind: ClassVar[str]
    """Its name, as [[registries]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of a [[registries]] table."""
    address_key: ClassVar[str]
    """The key that names the program."""

    def accounts(self, registry: Registry, mint: Address) -> AccountFilter:
        """The filter by which the program's accounts for a mint are listed."""

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        """What an account states; the program must own it."""

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        """The row of a chain's file that names the market; None: no adapter reads it."""


class LendingTable(BaseModel):
    """Keys of a lending program's [[registries]] table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    program: str
    """The program."""
    market: str | None = None
    """Only reserves of this lending market (or banks of this group); None: of all, which anybody may open."""


class ProgramTable(BaseModel):
    """Keys of another program's [[registries]] table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    program: str
    """The program."""


def filter_of(registry: Registry, mint: Address, names: tuple[str, str, str]) -> AccountFilter:
    """The filter of a program whose layout is known. names: of the account, of its field with the mint, and of the one
    with the lending market (empty: it has none)."""
    account, mint_field, market_field = names
    fields = layout(registry.kind).fields(account)
    market = registry.params.get("market")
    at = [(fields[mint_field], mint)] + ([(fields[market_field], Address(market))] if market else [])
    return AccountFilter(layout(registry.kind).size(account), tuple(at))


def account_of(registry: Registry, key: str, account: str) -> Flow[dict[str, Any] | FoundMarket]:
    """The fields of an account; a denied market where there is none, or it is of another kind."""
    codec = layout(registry.kind)
    (data,) = yield [codec.read(Address(key), registry.address, optional=True)]
    if not data:
        return denied(registry, key)
    try:
        return codec.decode(account, data)
    except MarketError:
        return denied(registry, key)


def denied(registry: Registry, key: str) -> FoundMarket:
    """An account that is no market of the program."""
    return FoundMarket(key=key, fault=f"it is no account of {registry.name}", denied=True)


def row_of(registry: Registry, found: FoundMarket, listed_in: str) -> PinnedRow:
    """The row of a market: a table of its own, since a table's markets are of one lending market. Programs beside the
    registry's own that its table names are those of the row."""
    beside = {key: value for key, value in registry.params.items() if key.endswith("_program") and value}
    return PinnedRow(
        protocol=registry.kind,
        name=f"{registry.name} {found.key[:4]}",
        same={"program": str(registry.address)},
        listed_in=listed_in,
        value=found.key,
        extra=beside,
        own_table=True,
    )
