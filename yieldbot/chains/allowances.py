"""Allowances and delegations that a wallet has given, on any chain."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address

UNLIMITED = 2**255
"""From here on an allowance is as good as without limit; tokens that never count it down use 2^256 - 1."""


@dataclass(frozen=True, slots=True)
class Given:
    """An allowance as it stands. listed: whether chains/*.toml names the token. name: the spender's, where known.

    at: height of the last Approval event that named the spender, None where none was seen. right: what else than an
    amount may be taken; account: out of which account of ours, and its token program (Solana).
    """

    token: Token
    spender: Address
    raw: int
    listed: bool
    name: str | None
    at: int | None
    right: str = ""
    account: Address | None = None
    program: Address | None = None

    @property
    def words(self) -> str:
        """How much may be taken."""
        if self.right:
            return self.right
        return f"any amount of {self.token.symbol}" if self.unlimited else str(Amount(self.token, self.raw))

    @property
    def unlimited(self) -> bool:
        """Whether it is as good as without limit: SPL Token counts in 64 bits."""
        return self.raw >= UNLIMITED if self.account is None else self.raw == 2**64 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. since: the height from which it is complete; block: where the allowances were read.

    cut: why no events before ``since`` could be read, although they were asked for. unread: tokens whose allowance
    could not be read, with the spender and the reason.
    """

    block: BlockRef
    since: int
    given: tuple[Given, ...]
    unread: tuple[tuple[Address, Address, str], ...] = ()
    cut: str | None = None
