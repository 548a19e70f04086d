"""Where a protocol is deployed on one chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yieldbot.model.amounts import Token
from yieldbot.model.ids import ChainId


@dataclass(frozen=True, slots=True)
class Deployment:
    """One protocol on one chain as chains/<chain>.toml names it: input of an adapter's discovery.

    ``name``: the market's display name, as "Aave v3". ``params``: the TOML table's other keys, already validated by the
    adapter's own ``params_schema`` (pydantic model) into a plain mapping; ``assets``: chain tokens that may be held.
    """

    protocol: str
    chain: ChainId
    name: str
    params: Mapping[str, Any]
    assets: tuple[Token, ...]
