"""What a landed Solana transaction says of our balances, and the entries that are made of it."""

from __future__ import annotations

import random

from yieldbot.books.entries import Entry, EntryKind
from yieldbot.chains.solana.account_history import _with_gaps, balances_in
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.tx import Delta

CHAIN, OWNER = (
    ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    Address("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"),
)
NATIVE = Token(CHAIN, Address("1" * 32), "SOL", 9)
MINTS = [Token(CHAIN, Address(letter * 43), f"T{letter}", 6) for letter in "ABCDEFGHJK"]


def test_opening_balances_come_in_one_order_whatever_order_the_node_gave_them_in() -> None:
    def openings(tokens: list[Token]) -> list[Delta]:
        rows = [{"owner": OWNER, "mint": token.address, "uiTokenAmount": {"amount": "5"}} for token in tokens]
        meta = {"preBalances": [7], "postBalances": [6], "preTokenBalances": rows, "postTokenBalances": rows}
        around = balances_in({"meta": meta}, OWNER, NATIVE)
        ours = Entry(
            account=(CHAIN, OWNER), kind=EntryKind.GAS, at=1, height=1, description="a transaction", hash="sig"
        )
        now = dict.fromkeys([NATIVE, *MINTS], 0)
        entries, known = _with_gaps((CHAIN, OWNER), [ours], {"sig": around}, now, NATIVE)
        assert known == {NATIVE, *MINTS}
        assert [entry.kind for entry in entries] == [EntryKind.OPENING, EntryKind.GAS]
        return list(entries[0].changes)

    draw = random.Random(1)
    found = [openings(draw.sample(MINTS, len(MINTS))) for _ in range(5)]
    assert found == [[Delta(NATIVE, 7), *(Delta(token, 5) for token in MINTS)]] * 5
