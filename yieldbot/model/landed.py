"""Transactions that landed on a Solana cluster, and the largest accounts of a token: answers to reads of the cluster's
past."""

from __future__ import annotations

import json

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads


@dataclass(frozen=True, slots=True)
class Signatures:
    """The answer to the read SvmSignatures."""

    rows: tuple[tuple[str, int], ...]
    """(signature, slot) of each transaction that succeeded, the oldest first."""
    more: bool
    """Whether the list is cut off, so that older transactions are missing."""

    def encoded(self) -> bytes:
        """The bytes that ``decoded`` reads."""
        return json.dumps([self.rows, self.more]).encode()

    @classmethod
    def decoded(cls, answer: bytes) -> Signatures:
        """Decodes an answer. Raises ValueError (or TypeError) if it is malformed."""
        rows, more = loads(answer)
        return cls(tuple((str(signature), int(slot)) for signature, slot in rows), bool(more))


@dataclass(frozen=True, slots=True)
class TokenChange:
    """The balance of one token account around a transaction."""

    account: Address
    """The token account."""
    mint: Address
    """The account's mint."""
    owner: Address
    """The account's owner; empty where the node does not state it."""
    before: int
    """Base units before the transaction."""
    after: int
    """Base units after the transaction."""


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One instruction, called by the transaction itself or by another instruction."""

    depth: int
    """1: called by the transaction itself; n + 1: called by the preceding instruction of depth n."""
    program: Address
    """The program that executes the instruction."""
    accounts: tuple[Address, ...]
    """The instruction's accounts, in the instruction's order."""
    data: bytes
    """The instruction's data."""


@dataclass(frozen=True, slots=True)
class Landing:
    """A transaction that landed and succeeded: the answer to SvmTransaction."""

    signature: str
    """The transaction's signature."""
    slot: int
    """The transaction's slot."""
    payer: Address
    """The account that paid the fee."""
    writable: tuple[Address, ...]
    """The accounts that the transaction could change."""
    lamports: tuple[tuple[Address, int, int], ...]
    """(account, lamports before, lamports after) of each account whose lamports changed."""
    tokens: tuple[TokenChange, ...]
    """Every token account that the transaction names."""
    calls: tuple[ProgramCall, ...]
    """The transaction's instructions, each followed by those that it called."""

    def encoded(self) -> bytes:
        """The bytes that ``decoded`` reads."""
        tokens = [[one.account, one.mint, one.owner, one.before, one.after] for one in self.tokens]
        calls = [[one.depth, one.program, one.accounts, one.data.hex()] for one in self.calls]
        return json.dumps([self.signature, self.slot, self.payer, self.writable, self.lamports, tokens, calls]).encode()

    @classmethod
    def decoded(cls, answer: bytes) -> Landing:
        """Decodes an answer. Raises ValueError (or TypeError) if it is malformed."""
        signature, slot, payer, writable, lamports, tokens, calls = loads(answer)
        return cls(
            signature=str(signature),
            slot=int(slot),
            payer=Address(payer),
            writable=tuple(map(Address, writable)),
            lamports=tuple((Address(at), int(before), int(after)) for at, before, after in lamports),
            tokens=tuple(
                TokenChange(Address(at), Address(mint), Address(owner), int(before), int(after))
                for at, mint, owner, before, after in tokens
            ),
            calls=tuple(
                ProgramCall(int(depth), Address(program), tuple(map(Address, accounts)), bytes.fromhex(data))
                for depth, program, accounts, data in calls
            ),
        )


def largest_of(answer: bytes) -> tuple[tuple[Address, int], ...]:
    """The answer to SvmLargest: (token account, base units in it), the largest first. Raises ValueError (or TypeError)
    if it is malformed."""
    return tuple((Address(at), int(raw)) for at, raw in loads(answer))
