"""A cluster's past for tests of flows: transactions in one reserve of Kamino's, answered as ``node/beside`` answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from solders.pubkey import Pubkey

from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.landed import Landing, ProgramCall, Signatures, TokenChange
from yieldbot.model.reads import Flow, Read, SvmImage, SvmLargest, SvmSignatures, SvmTransaction
from yieldbot.protocols.solana.flow_events import Listening
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.sandbox.solana.images import account_data

T = TypeVar("T")
ONE = 10**6


def key(number: int) -> Address:
    """A fixed address for each number."""
    return Address(str(Pubkey.from_bytes(number.to_bytes(32, "big"))))


PROGRAM, RESERVE, LENDING, SHARES, CASH, PLEDGED, ASSET = (key(n) for n in range(101, 108))
VAULT_AUTHORITY, ME = key(108), key(109)
MARKET = MarketId("kamino_lend/test/reserve")


def listening(supplied: int = 1_000_000, own: int = 0) -> Listening:
    """The reserve, with an exchange rate of one token for a share."""
    return Listening(
        market=MARKET,
        protocol="kamino_lend",
        program=PROGRAM,
        address=RESERVE,
        root=LENDING,
        listed=SHARES,
        shares=SHARES,
        share_program=Address(TOKEN_PROGRAM),
        cash=CASH,
        asset=ASSET,
        aside=Address(""),
        one=ONE,
        symbol="USDC",
        supplied_raw=supplied * ONE,
        own_shares=own * ONE,
    )


def reserve_image(shares: int) -> bytes:
    """Data of the reserve's account with this total of shares."""
    fields = {
        "lending_market": LENDING,
        "collateral_mint": SHARES,
        "collateral_mint_total_supply": shares,
        "collateral_vault": PLEDGED,
    }
    return key_bytes(PROGRAM) + account_data("kamino_lend", "Reserve", fields)


def obligation_image(owner: Address, shares: int, lending: Address = LENDING) -> bytes:
    """Data of a position's account with shares of the reserve as its second deposit."""
    data = bytearray(3344)
    data[:8] = bytes.fromhex("a8ce8d6a584caca7")
    data[32:64], data[64:96] = key_bytes(lending), key_bytes(owner)
    data[96 + 136 : 96 + 168] = key_bytes(RESERVE)
    data[96 + 168 : 96 + 176] = shares.to_bytes(8, "little")
    return key_bytes(PROGRAM) + bytes(data)


def wallet_image(owner: Address, mint: Address = SHARES) -> bytes:
    """Data of a token account."""
    return key_bytes(Address(TOKEN_PROGRAM)) + key_bytes(mint) + key_bytes(owner) + bytes(101)


@dataclass(slots=True)
class Past:
    """The cluster's past: transactions, in order, and accounts."""

    cash: int = 300_000 * ONE
    """The reserve's cash now."""
    shares: int = 1_000_000 * ONE
    """The total of the reserve's shares now."""
    slot: int = 1_000_000
    """The slot of the next transaction."""
    landed: list[tuple[Landing, tuple[Address, ...]]] = field(default_factory=list)
    """Each transaction with the accounts in whose lists it appears."""
    images: dict[Address, bytes] = field(default_factory=dict)
    """Other accounts."""
    largest: list[tuple[Address, int]] = field(default_factory=list)
    """(account, balance) of token accounts of shares."""
    refuses: tuple[type, ...] = ()
    """Kinds of reads that are not served."""
    asked: list[Read] = field(default_factory=list)
    """Every read that was made."""

    def move(self, who: Address, whole: float, *, position: Address | None = None, lent: float = 0.0) -> Landing:
        """A deposit (negative: a withdrawal) by ``who``; into ``position`` if one is given. lent: whole tokens that the
        same transaction borrows as well."""
        raw, before = round(whole * ONE), self.cash
        self.cash += raw - round(lent * ONE)
        self.shares += raw
        holder, owner = (PLEDGED, VAULT_AUTHORITY) if position else (key(int.from_bytes(key_bytes(who)) + 500), who)
        had = 50_000_000 * ONE
        tokens = [
            TokenChange(CASH, ASSET, VAULT_AUTHORITY, before, self.cash),
            TokenChange(holder, SHARES, owner, had, had + raw),
            TokenChange(key(int.from_bytes(key_bytes(who)) + 900), ASSET, who, had, had - raw),
        ]
        writable = (who, RESERVE, CASH, SHARES, *((position,) if position else ()))
        return self.add(who, tokens if raw else tokens[:1], writable, (SHARES, who) if raw else (RESERVE, who))

    def add(
        self,
        payer: Address,
        tokens: Sequence[TokenChange],
        writable: tuple[Address, ...] = (),
        named: tuple[Address, ...] = (SHARES,),
        calls: tuple[ProgramCall, ...] = (),
        lamports: tuple[tuple[Address, int, int], ...] = (),
    ) -> Landing:
        """Add any transaction."""
        self.slot += 1
        landing = Landing(f"tx{self.slot}", self.slot, payer, writable, lamports, tuple(tokens), calls)
        self.landed.append((landing, named))
        return landing

    def run(self, flow: Flow[T]) -> T:
        """Answer a flow's reads until it ends; returns its result."""
        try:
            reads = next(flow)
            while True:
                self.asked += reads
                reads = flow.send([self.answer(read) for read in reads])
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def answer(self, read: Read) -> bytes:
        if isinstance(read, self.refuses):
            return b""
        if isinstance(read, SvmSignatures):
            rows = [
                (one.signature, one.slot)
                for one, named in self.landed
                if read.address in named and read.since <= one.slot <= read.last
            ]
            names = [signature for signature, _ in rows]
            rows = rows[names.index(read.until) + 1 :] if read.until in names else rows
            return Signatures(tuple(rows[-read.most :]), len(rows) > read.most).encoded()
        if isinstance(read, SvmTransaction):
            return next(one for one, _ in self.landed if one.signature == read.signature).encoded()
        if isinstance(read, SvmLargest):
            return json.dumps(self.largest).encode()
        assert isinstance(read, SvmImage)
        return reserve_image(self.shares) if read.address == RESERVE else self.images.get(read.address, b"")
