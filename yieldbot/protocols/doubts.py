"""Compares two readings of one thing, on any chain: what suppliers are owed with what is there, counted shares with
existing ones. A doubt stops new money and states both numbers."""

from __future__ import annotations

from yieldbot.model.amounts import Amount, Token

SHORT = 1000
"""Assets may fall short of what is owed by one part in this, since interest accrues at different moments on the two
sides."""


def backed(owed_raw: int, cash_raw: int, lent_raw: int, token: Token) -> tuple[str, ...]:
    """The doubt if cash and debts are less than suppliers are owed (base units); empty: no doubt."""
    there_raw = cash_raw + lent_raw
    if owed_raw <= there_raw + owed_raw // SHORT + 2:
        return ()
    return (f"suppliers are owed {Amount(token, owed_raw)}, cash and debts are {Amount(token, there_raw)}",)


def in_vault(cash_raw: int, vault_raw: int, token: Token) -> tuple[str, ...]:
    """The doubt if a pool's account holds less than the cash that the pool counts (base units); empty: no doubt."""
    if cash_raw <= vault_raw + cash_raw // SHORT + 2:
        return ()
    return (f"it counts {Amount(token, cash_raw)} of cash, its account holds {Amount(token, vault_raw)}",)


def minted(counted: int, mint: bytes) -> tuple[str, ...]:
    """The doubt if more shares of a Solana program exist than it divides by (spl-token state.rs: supply at 36); empty:
    no doubt. Fewer shares are no doubt: anybody may burn their own."""
    out = int.from_bytes(mint[36:44], "little")
    if out <= counted + counted // SHORT + 2:
        return ()
    return (f"it counts {counted} shares, its mint says that {out} are out",)
