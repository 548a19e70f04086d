"""Money and rates. Integers in base units for money; fractions a year for rates; mixing units raises."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.numbers import base_units
from yieldbot.model.units import SECONDS_PER_YEAR

MOST_EXPONENT = 700.0
"""e to the power of more is no float."""


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20, SPL or native token. Two are equal when chain and address are."""

    chain: ChainId
    """The chain that it is on."""
    address: Address
    """Contract or mint; for a native token the address that stands for it."""
    symbol: str
    """For display; it identifies nothing."""
    decimals: int
    """A base unit is 10^-decimals whole tokens."""

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Token) and self.address == other.address and self.chain == other.chain
        )

    def __hash__(self) -> int:
        return hash(self.address)  # a text keeps its hash; one address on two chains is rare

    @property
    def one(self) -> int:
        """Base units in one whole token."""
        return int(10**self.decimals)

    def amount(self, raw: int) -> Amount:
        """``raw`` base units of this token."""
        return Amount(self, raw)

    def parse(self, text: str) -> Amount:
        """Parses whole tokens as a plain number (digits, one optional point, at most the token's decimals). Raises
        ValueError with the right spelling."""
        return Amount(self, base_units(text, self.decimals, self.symbol))


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of one token; ``+``, ``-`` and comparisons raise TypeError for two tokens."""

    token: Token
    """The token."""
    raw: int
    """Base units."""

    def _same(self, other: Amount) -> None:
        if self.token != other.token:
            raise TypeError(f"cannot mix {self.token.symbol} and {other.token.symbol}")

    def __add__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.token, self.raw + other.raw)

    def __sub__(self, other: Amount) -> Amount:
        self._same(other)
        return Amount(self.token, self.raw - other.raw)

    def __lt__(self, other: Amount) -> bool:
        self._same(other)
        return self.raw < other.raw

    def __le__(self, other: Amount) -> bool:
        self._same(other)
        return self.raw <= other.raw

    def __bool__(self) -> bool:
        return self.raw != 0

    @property
    def decimal(self) -> Decimal:
        """Whole tokens, exact."""
        with localcontext() as context:
            context.prec = 100
            return Decimal(self.raw).scaleb(-self.token.decimals)

    def __float__(self) -> float:
        """Whole tokens as a float: for the allocator, curves and reports only."""
        return self.raw / self.token.one

    def __str__(self) -> str:
        text = f"{self.decimal:,f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return f"{text} {self.token.symbol}"


@dataclass(frozen=True, slots=True)
class Apr:
    """A simple annual rate. Not comparable with another: convert both to Apy first."""

    value: float
    """The rate as a fraction: 0.05 is 5 %."""

    def compounded(self, period_seconds: float = 1.0) -> Apy:
        """The Apy when growth at this rate is reinvested each ``period_seconds``: (1 + r*p/Y)^(Y/p) - 1; -1 where a
        period loses everything or more."""
        return Apy.from_growth(self.value * period_seconds / SECONDS_PER_YEAR, period_seconds)


@dataclass(frozen=True, slots=True, order=True)
class Apy:
    """An effective annual yield; the only rate that is compared."""

    value: float
    """The yield as a fraction: 0.05 is 5 %."""

    @classmethod
    def from_growth(cls, growth: float, seconds: float) -> Apy:
        """Annualise a fractional growth over ``seconds``: (1 + g)^(Y/t) - 1; -1 where everything or more is lost,
        infinity beyond what a float holds."""
        if growth <= -1.0:
            return cls(-1.0)
        exponent = math.log1p(growth) * SECONDS_PER_YEAR / seconds
        return cls(math.expm1(exponent) if exponent < MOST_EXPONENT else math.inf)

    def __str__(self) -> str:
        return f"{self.value * 100:z.4f} %"


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block (or Solana slot)."""

    chain: ChainId
    """The chain."""
    height: int
    """Block number or slot."""
    hash: str
    """The block's hash."""
    timestamp: int
    """The block's time, in unix seconds."""
