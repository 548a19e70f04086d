"""Exchanges and price oracles of the Solana sandbox: every module here with a ``SANDBOX`` is on it, as a double of its
program or as accounts of its pools. Nobody trades there, so prices are constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.sandbox.solana.images import Images

Published = Mapping[Address, Callable[[int], AccountImage]]
"""Accounts that are rewritten at every slot, made from the time in unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two tokens that are traded on the sandbox, with their price."""

    one: Token
    """The token that is priced."""
    other: Token
    """The token in which it is priced."""
    price: float
    """Whole tokens of ``other`` for one of ``one``."""
    depth: float
    """Liquidity on each side of the price, in whole tokens of ``other``."""
    fee_pips: int
    """Fee in hundredths of a bp."""
    spacing: int
    """Tick spacing."""
    rated: bool = False
    """Whether another module of the sandbox provides its price oracle; then no pool's TWAP is made for it."""

    @property
    def name(self) -> str:
        """Its symbols, as used in names of the sandbox's addresses."""
        return f"{self.one.symbol}_{self.other.symbol}".lower()

    @property
    def ordered(self) -> tuple[Token, Token]:
        """Its tokens in a pool's order."""
        a, b = sorted((self.one, self.other), key=lambda token: key_bytes(token.address))
        return a, b

    @property
    def tick(self) -> int:
        """The tick nearest to its price."""
        a, b = self.ordered
        return round(math.log((self.price if a == self.one else 1.0 / self.price) * b.one / a.one) / math.log(1.0001))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeListing:
    """What an exchange adds to the sandbox."""

    exchanges: tuple[Mapping[str, object], ...] = ()
    """Rows of [[exchanges]]."""
    oracles: tuple[Mapping[str, object], ...] = ()
    """Rows of [[witnesses]]: price oracles."""
    images: Images = field(default_factory=dict)
    """The accounts of these exchanges and oracles."""
    published: Published = field(default_factory=dict)
    """Accounts that are rewritten at every slot."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Addresses by name: ``PAIR_pool``, and ``PAIR_mean`` for the observations of its TWAP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExchange:
    """How an exchange is put on the sandbox."""

    protocol: str
    """The adapter's name."""
    place: Callable[[Sequence[Pair]], ExchangeListing]
    """Makes its program's double and a pool for each pair."""


@cache
def found() -> tuple[SandboxExchange, ...]:
    """All exchanges here, by name."""
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    known = [module.SANDBOX for module in modules if hasattr(module, "SANDBOX")]
    return tuple(sorted(known, key=lambda one: str(one.protocol)))
