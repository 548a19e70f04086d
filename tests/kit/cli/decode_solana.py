"""Solana messages to be decoded."""

from __future__ import annotations

from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.solana.layout import ata, layout

OWNER = Address("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin")
STRANGER = Address("4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T")
USDC = Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")

BANK = Address("2s37akK2eyBbp8DZgCm7RtsaEz8eJP3Nxd4urLHQv7yB")
MARGINFI = Address("MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA")
GROUP = Address("4qp6Fx6tnZkY5Wropq9wUYgtFxXKwE6viZxFHg3rdAG8")


def deposit(raw: int = 1_000 * 10**6) -> SvmInstruction:
    accounts = {
        "group": GROUP,
        "account": STRANGER,
        "owner": OWNER,
        "bank": BANK,
        "user_liquidity": ata(OWNER, USDC),
        "liquidity_vault": STRANGER,
        "token_program": TOKEN_PROGRAM,
    }
    return layout("marginfi").build("lending_account_deposit", MARGINFI, accounts, raw, 0)
