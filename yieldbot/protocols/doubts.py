"""Two readings of one thing held against each other, on any chain: what lenders are owed against what is there, shares
that are counted against those that are out. A doubt stops new money and names both numbers."""

from __future__ import annotations

from yieldbot.model.amounts import Amount, Token

SHORT = 1000
"""Assets may fall short of what is owed by one part in this: interest accrues at other moments on both sides."""


def backed(owed_raw: int, cash_raw: int, lent_raw: int, token: Token) -> tuple[str, ...]:
    """The doubt where cash and debts are less than what suppliers are owed (base units); empty otherwise."""
    there_raw = cash_raw + lent_raw
    if owed_raw <= there_raw + owed_raw // SHORT + 2:
        return ()
    return (f"suppliers are owed {Amount(token, owed_raw)}, cash and debts are {Amount(token, there_raw)}",)


def in_vault(cash_raw: int, vault_raw: int, token: Token) -> tuple[str, ...]:
    """The doubt where a pool's account holds less than the cash that it counts (base units); empty otherwise."""
    if cash_raw <= vault_raw + cash_raw // SHORT + 2:
        return ()
    return (f"it counts {Amount(token, cash_raw)} of cash, its account holds {Amount(token, vault_raw)}",)


def minted(counted: int, mint: bytes) -> tuple[str, ...]:
    """The doubt where more shares of a Solana program exist than it divides by (spl-token state.rs: supply at 36).

    Fewer are no doubt: anybody may burn his own.
    """
    out = int.from_bytes(mint[36:44], "little")
    if out <= counted + counted // SHORT + 2:
        return ()
    return (f"it counts {counted} shares, its mint says that {out} are out",)
