"""Instructions that may hand something over, and how they are read."""

from __future__ import annotations

import struct

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, to_bytes_versioned
from solders.pubkey import Pubkey
from spl.token import instructions as token
from spl.token import models

from tests.kit.solana.gate import MINT, SOL, USDC
from yieldbot.chains.solana.execution.clear import DecodedTx, InstructionReading, KnownNames, read
from yieldbot.chains.solana.execution.clear_call import LOADER, SOLANAS, STAKE
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM

ME, THIEF, OTHER = (Keypair.from_seed(bytes([n] * 32)) for n in (7, 9, 21))
OWNER, HIS = ME.pubkey(), THIEF.pubkey()
MARKET = Keypair.from_seed(bytes([22] * 32)).pubkey()
BOOK = KnownNames(SOLANAS, {Address(str(MARKET)): "Market"}, {USDC.address: USDC, SOL.address: SOL}, {})
TOKENS, TOKENS_22, KEY = (Pubkey.from_string(p) for p in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MINT))
OURS = token.get_associated_token_address(OWNER, KEY)

STAKES, LOADERS = (Pubkey.from_string(p) for p in (STAKE, LOADER))
CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
RENT = Pubkey.from_string("SysvarRent111111111111111111111111111111111")

PLACE = Keypair.from_seed(bytes([31] * 32))
AT = PLACE.pubkey()


def reading(*calls: Instruction, payer: Pubkey = OWNER) -> DecodedTx:
    found = read(to_bytes_versioned(Message(list(calls), payer)), BOOK)
    assert found is not None and found.dangerous == any(one.dangers for one in found.instructions)
    return found


def said(call: Instruction) -> InstructionReading:
    (one,) = reading(call).instructions
    return one


def u32(tag: int) -> bytes:
    return struct.pack("<I", tag)


def call(program: Pubkey, data: bytes, *accounts: Pubkey) -> Instruction:
    return Instruction(program, data, [AccountMeta(a, a == OWNER, True) for a in accounts])


def grant(amount: int, spender: Pubkey = HIS) -> Instruction:
    return token.approve(models.ApproveParams(
        program_id=TOKENS, source=OURS, delegate=spender, owner=OWNER, amount=amount, signers=[]))  # fmt: skip


def hand(kind: models.AuthorityType, who: Pubkey | None, place: Pubkey = OURS) -> Instruction:
    return token.set_authority(models.SetAuthorityParams(
        program_id=TOKENS, account=place, authority=kind, current_authority=OWNER, new_authority=who, signers=[],
    ))  # fmt: skip


KINDS = models.AuthorityType


def stake(tag: int, data: bytes, *accounts: Pubkey) -> Instruction:
    return call(STAKES, u32(tag) + data, AT, *accounts)


def text(seed: str) -> bytes:
    return struct.pack("<Q", len(seed)) + seed.encode()
