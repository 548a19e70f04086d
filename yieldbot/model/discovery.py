"""Registries, and the markets that they list. What a registry lists is a claim of strangers: it is shown, and no rule
of the signer reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId


@dataclass(frozen=True, slots=True)
class Registry:
    """A contract or program that lists markets, as a [[registries]] table of chains/*.toml names it."""

    kind: str
    """Name of its reader (``protocols/<family>/registries``)."""
    chain: ChainId
    """The chain."""
    name: str
    """Its name in tables, as "Morpho Blue"."""
    params: Mapping[str, Any]
    """The table's other keys, validated by the reader's pydantic model."""
    address: Address
    """The contract or program."""
    from_block: int | None = None
    """The block from which its events are read; None: its list is read from the contract."""

    @property
    def id(self) -> str:
        """Chain, kind and address, under which its entries are stored."""
        return f"{self.chain}/{self.kind}/{self.address}"


@dataclass(frozen=True, slots=True)
class Listed:
    """One market as a registry lists it, before it is confirmed by reads of its contract."""

    key: str
    """A market id or an address, as tables of chains/*.toml list it."""
    asset: str = ""
    """The asset that the event names; empty: it names none."""
    block: int | None = None
    """Block of the event; None: the list was read from the contract."""
    tx: str = ""
    """Hash of the event's transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMarket:
    """One market as its own contract describes it."""

    key: str
    """As ``Listed.key``."""
    asset: str = ""
    """Address of the asset; empty where the contract does not say."""
    name: str = ""
    """The name that its contract states, which anybody may have chosen."""
    supplied_raw: int = 0
    """What is supplied to it, in base units of the asset."""
    collateral: str = ""
    """Address of the only collateral; empty: none, or several."""
    collateral_symbol: str = ""
    """The symbol that the collateral's contract states."""
    collateral_limit: float | None = None
    """Loan to value at which positions are liquidated (1: 100 %); None: it is not known."""
    curator: str = ""
    """Who may change where the market's money lies; empty: nobody, or it is not known."""
    expiry: int | None = None
    """Unix seconds from which its principal token is redeemed; None: it has none."""
    fixed_rate: float | None = None
    """Simple yearly rate that buying its principal token for a hundredth of its pool fixes until ``expiry``, after the
    purchase's own price impact and fee; None: not known, or there is none."""
    exit_cost: float | None = None
    """Fraction of that purchase which is lost if it is sold again at once; None as ``fixed_rate``."""
    limits: tuple[str, ...] = ()
    """What its contracts do not allow, as phrases."""
    fault: str = ""
    """Why it is no market that can be pinned; empty: it is one."""
    denied: bool = False
    """Whether its contract denies that it exists: then it was never there, or is there no longer."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What ``pinned`` of the registry's reader needs besides, by key of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedRow:
    """Where a found market is written in a chain's file."""

    protocol: str
    """Adapter of the [[protocols]] table."""
    name: str
    """The table's name, if a new one is made."""
    same: Mapping[str, str]
    """Keys that the table must have with these values; a new one gets them."""
    listed_in: str | None
    """Key of the table's list that gets ``value``; None: the market is the table itself."""
    value: str
    """The value in that list."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of a new table."""
    own_table: bool = False
    """Whether the market gets a table of its own even if one fits."""
