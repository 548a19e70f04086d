"""Allowances and delegations that a wallet has given, on any chain."""

from __future__ import annotations

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address

UNLIMITED = 2**255
"""An allowance of at least this counts as unlimited; tokens that never reduce such an allowance use 2^256 - 1."""


@dataclass(frozen=True, slots=True)
class GrantedAllowance:
    """An allowance, or another right over our tokens, as it is on the chain now."""

    token: Token
    """The token that may be taken."""
    spender: Address
    """Who may spend the token."""
    raw: int
    """How much, in base units; 0 if ``right`` describes the right instead."""
    listed: bool
    """Whether chains/*.toml names the token."""
    name: str | None
    """The spender's name; None: not known."""
    at: int | None
    """Height of the last Approval event that named the spender; None: no such event was found."""
    right: str = ""
    """A right that is not an amount (Solana's close authority), in words; empty: the right is to ``raw``."""
    account: Address | None = None
    """Our token account that it is taken from (Solana); None: on EVM chains."""
    program: Address | None = None
    """The token program of ``account``; None: on EVM chains."""

    @property
    def words(self) -> str:
        """How much may be taken."""
        if self.right:
            return self.right
        return f"any amount of {self.token.symbol}" if self.unlimited else str(Amount(self.token, self.raw))

    @property
    def unlimited(self) -> bool:
        """Whether it counts as unlimited: above UNLIMITED, or the largest amount of SPL Token (64 bits)."""
        return self.raw >= UNLIMITED if self.account is None else self.raw == 2**64 - 1


@dataclass(frozen=True, slots=True)
class AllowanceList:
    """The allowances of one account at one block."""

    block: BlockRef
    """The block at which they were read."""
    since: int
    """Height from which on the list is complete."""
    given: tuple[GrantedAllowance, ...]
    """Every allowance that is not zero."""
    unread: tuple[tuple[Address, Address, str], ...] = ()
    """(token, spender, reason) of each allowance that could not be read."""
    cut: str | None = None
    """Why no events before ``since`` could be read; None: all requested events were read."""
