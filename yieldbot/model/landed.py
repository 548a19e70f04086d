"""Transactions that landed on a Solana cluster, and who holds most of a token: answers to reads of its past."""

from __future__ import annotations

import json
from dataclasses import dataclass

from yieldbot.model.ids import Address


@dataclass(frozen=True, slots=True)
class Signatures:
    """The answer to SvmSignatures."""

    rows: tuple[tuple[str, int], ...]
    """(signature, slot) of each transaction that succeeded, the oldest first."""
    more: bool
    """Whether older ones are missing."""

    def encoded(self) -> bytes:
        """The bytes that ``decoded`` reads."""
        return json.dumps([self.rows, self.more]).encode()

    @classmethod
    def decoded(cls, answer: bytes) -> Signatures:
        """Decodes an answer. Raises ValueError (or TypeError) if it is malformed."""
        rows, more = json.loads(answer)
        return cls(tuple((str(signature), int(slot)) for signature, slot in rows), bool(more))


@dataclass(frozen=True, slots=True)
class TokenChange:
    """The balance of one token account around a transaction."""

    account: Address
    """The token account."""
    mint: Address
    """Its mint."""
    owner: Address
    """Whose it is; empty where the node does not say."""
    before: int
    """Base units before it."""
    after: int
    """Base units after it."""


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One instruction, called by the transaction itself or by another instruction."""

    depth: int
    """1: by the transaction itself; n + 1: by the instruction of depth n before it."""
    program: Address
    """The program."""
    accounts: tuple[Address, ...]
    """Its accounts, in its order."""
    data: bytes
    """Its data."""


@dataclass(frozen=True, slots=True)
class Landing:
    """A transaction that landed and succeeded: the answer to SvmTransaction."""

    signature: str
    """Its signature."""
    slot: int
    """Its slot."""
    payer: Address
    """Who paid its fee."""
    writable: tuple[Address, ...]
    """Accounts that it could change."""
    lamports: tuple[tuple[Address, int, int], ...]
    """Accounts whose lamports changed, with those before and after."""
    tokens: tuple[TokenChange, ...]
    """Every token account that it names."""
    calls: tuple[ProgramCall, ...]
    """Its instructions, each followed by those that it called."""

    def encoded(self) -> bytes:
        """The bytes that ``decoded`` reads."""
        tokens = [[one.account, one.mint, one.owner, one.before, one.after] for one in self.tokens]
        calls = [[one.depth, one.program, one.accounts, one.data.hex()] for one in self.calls]
        return json.dumps([self.signature, self.slot, self.payer, self.writable, self.lamports, tokens, calls]).encode()

    @classmethod
    def decoded(cls, answer: bytes) -> Landing:
        """Decodes an answer. Raises ValueError (or TypeError) if it is malformed."""
        signature, slot, payer, writable, lamports, tokens, calls = json.loads(answer)
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
    """The answer to SvmLargest: token accounts with what is in each, in base units, the largest first. Raises
    ValueError (or TypeError) if it is malformed."""
    return tuple((Address(at), int(raw)) for at, raw in json.loads(answer))
