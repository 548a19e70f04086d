"""A transaction to be judged, and the work that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from solders.hash import Hash
from solders.pubkey import Pubkey

from tests.kit.solana.gate import CHAIN, OWNER, TOKEN_PROGRAM, USDC, held
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.build import (
    Bid,
    LookupTable,
    TxContext,
    TxStep,
    associated,
    unsigned,
)
from yieldbot.chains.solana.node.answers import AccountImage, Blockhash
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Kind, Market
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.solana_tx import SvmUnsigned
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.solana.layout import layout

SAVE, RESERVE, SUPPLY, MINT, LENDING = (Address(str(Pubkey.from_bytes(bytes([n] * 32)))) for n in range(31, 36))
TOKEN_2022 = Address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
SHARES = Token(CHAIN, MINT, "cUSDC", 6)

HASH = Blockhash(str(Hash.from_bytes(bytes([5] * 32))), 900, 880)
RAW = 5_000


def mine(token: Token, program: Address = TOKEN_PROGRAM) -> Address:
    return associated(OWNER, token.address, program)


def call_of(kind: LegKind, asset: Token, raw: int) -> SvmInstruction:
    names = dict.fromkeys(("reserve", "liquidity_supply", "collateral_mint"), RESERVE)
    names |= dict.fromkeys(("lending_market", "lending_market_authority"), LENDING)
    names |= {"owner": OWNER, "token_program": TOKEN_PROGRAM}
    if kind is LegKind.DEPOSIT:
        names |= {"source_liquidity": mine(asset), "destination_collateral": mine(SHARES)}
        return layout("save").build("deposit_reserve_liquidity", SAVE, names, raw, description="deposit")
    names |= {"source_collateral": mine(SHARES), "destination_liquidity": mine(asset)}
    return layout("save").build("redeem_reserve_collateral", SAVE, names, raw, description="redeem")


def work_of(kind: LegKind = LegKind.DEPOSIT, asset: Token = USDC, raw: int = RAW, **changes: Any) -> LegWork:
    market = Market(MarketId("save/1/usdc"), "save", Kind.LENDING, CHAIN, "Save", asset, RESERVE)
    fields: dict[str, Any] = {
        "index": 0,
        "leg": Leg(kind, market.id, Amount(asset, raw), all=changes.pop("all", False)),
        "market": market,
        "calls": (call_of(kind, asset, raw),),
        "share_token": SHARES,
        "tags": {SAVE: frozenset({b"\x03", b"\x04", b"\x05"})},
        "token_program": TOKEN_PROGRAM,
        "share_program": TOKEN_PROGRAM,
        "most_shares": raw,
    }
    return LegWork(**fields | changes)


Present = Mapping[Address, AccountImage | None]
OPEN: Present = {mine(USDC): held(OWNER, 9_000, 1), mine(SHARES): held(OWNER, 0, 1, MINT)}


def padded(size: int) -> LegWork:
    """A deposit whose one instruction has ``size`` bytes of data."""
    work = work_of()
    return replace(work, calls=(replace(work.calls[0], data=bytes(size)),))


BID = Bid(200_000, 10_000)


def tx_of(
    *instructions: SvmInstruction, tables: tuple[LookupTable, ...] = (), bid: Bid = BID, **changes: Any
) -> SvmUnsigned:
    context = TxContext(CHAIN, OWNER, "p1", 0, MarketId("save/1/usdc"))
    made = unsigned(TxStep(instructions, SAVE), context, bid, HASH, tables)
    assert isinstance(made, SvmUnsigned)
    return replace(made, **changes)
