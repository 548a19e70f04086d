"""Where a protocol is deployed on one chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId


@dataclass(frozen=True, slots=True)
class Deployment:
    """One protocol on one chain, as a table of chains/*.toml names it; the input of an adapter's discovery."""

    protocol: str
    """Name of the adapter."""
    chain: ChainId
    """The chain."""
    name: str
    """Name in tables, as "Aave v3"."""
    params: Mapping[str, Any]
    """The table's other keys, validated by the adapter's pydantic model."""
    assets: tuple[Token, ...]
    """Tokens of the chain that may be held."""
    entry: str = ""
    """The one address of the table's list, if this is the table with that address alone; empty: the whole table."""
