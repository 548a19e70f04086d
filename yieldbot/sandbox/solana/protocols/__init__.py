"""Protocols of the Solana sandbox: every module here with a ``SANDBOX`` is on it, as a double of its program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.solana.cluster import Cluster
from yieldbot.sandbox.solana.images import Images

Row = Mapping[str, object]
"""A row of chains/*.toml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The sandbox at its first slot."""

    slot: int
    """The first slot of the sandbox."""
    timestamp: int
    """Time of that slot, in unix seconds."""
    tokens: Mapping[str, Token]
    """The sandbox's tokens by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What a protocol adds to the sandbox."""

    rows: tuple[Row, ...]
    """Rows of [[protocols]]; one without assets is for USDC."""
    images: Images
    """The program's account and those of its markets."""
    oracles: tuple[Row, ...] = ()
    """Rows of [[witnesses]]: price oracles."""
    each_epoch: tuple[Callable[[Cluster], None], ...] = field(default=())
    """Called when an epoch begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProtocol:
    """How a protocol is put on the sandbox."""

    protocol: str
    """The adapter's name."""
    place: Callable[[Setting], Placed]
    """Makes the program's double and its markets."""


@cache
def found() -> tuple[SandboxProtocol, ...]:
    """All protocols here, by name."""
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    known = [module.SANDBOX for module in modules if hasattr(module, "SANDBOX")]
    return tuple(sorted(known, key=lambda one: str(one.protocol)))
