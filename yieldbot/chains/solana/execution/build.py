"""Builds unsigned version 0 messages from an adapter's instructions. Pure.

Added are: opening and closing our token accounts, wrapping and unwrapping SOL, and the compute budget. What does not
fit into one transaction is split.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.chains.solana.execution.account import SYSTEM, LegWork
from yieldbot.chains.solana.execution.balances import token_account
from yieldbot.chains.solana.node.answers import AccountImage, Blockhash
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Declined, LegKind
from yieldbot.model.solana_tx import SvmUnsigned
from yieldbot.model.tx import SvmInstruction, SvmMeta

if TYPE_CHECKING:
    from solders.message import MessageV0

    from yieldbot.chains.allowances import GrantedAllowance

COMPUTE_BUDGET = Address("ComputeBudget111111111111111111111111111111")
ATA_PROGRAM = Address("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SET_UNIT_LIMIT, SET_UNIT_PRICE = 2, 3
CREATE_IDEMPOTENT = b"\x01"
SYSTEM_TRANSFER = struct.pack("<I", 2)
SYNC_NATIVE, CLOSE_ACCOUNT = b"\x11", b"\x09"

LARGEST_TRANSACTION_BYTES = 1232
SIGNATURE_BYTES = 65
"""Bytes of one signature and of their count."""
MOST_UNITS = 1_400_000
"""Most compute units of one transaction (Agave, MAX_COMPUTE_UNIT_LIMIT)."""
LAMPORTS_PER_SIGNATURE = 5000
"""The base fee."""
UNITS_MARGIN_PERCENT = 15
"""Requested in addition to the compute units that the simulation used."""
SPARE_UNITS = 120_000
"""Compute units requested in addition to the margin: a reserve's refresh takes more the more slots have passed."""
NO_BLOCKHASH = "11111111111111111111111111111111"
"""A blockhash of zeros, for messages that are only measured or run on a fork."""


REVOKE = b"\x05"
"""SPL Token's Revoke (spl-token instruction.rs)."""
CLOSE_AUTHORITY_TO_NONE = b"\x06\x03\x00"
"""SPL Token's SetAuthority of kind CloseAccount to no new authority."""


@dataclass(frozen=True, slots=True)
class TxStep:
    """The instructions of one transaction."""

    instructions: tuple[SvmInstruction, ...]
    """The instructions, in order, without those for the compute budget."""
    about: Address
    """The program that the transaction is about: the market's, or the exchange's."""

    @property
    def description(self) -> str:
        """What it does, for the person who approves: the descriptions of its instructions, in order."""
        return "; ".join(instruction.description for instruction in self.instructions if instruction.description)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """An address lookup table."""

    address: Address
    """The table's own address."""
    addresses: tuple[Address, ...]
    """The addresses that it contains, by index."""


@dataclass(frozen=True, slots=True)
class Bid:
    """A transaction's compute budget."""

    units: int
    """The limit of compute units."""
    micro_lamports: int
    """The price of one compute unit (priority fee)."""

    @property
    def fee_lamports(self) -> int:
        """The whole fee in lamports: for one signature, and the priority fee rounded up, as the runtime does."""
        return LAMPORTS_PER_SIGNATURE + -(-self.units * self.micro_lamports // 1_000_000)


@dataclass(frozen=True, slots=True)
class TxContext:
    """What a transaction needs beyond its instructions."""

    chain: ChainId
    """Where it is sent."""
    payer: Address
    """Our account, which signs alone."""
    plan_id: str
    """The plan that it belongs to."""
    leg: int
    """The leg's place in its plan, from 0."""
    market_id: MarketId
    """The leg's market."""
    written_out: frozenset[Address] = frozenset()
    """Addresses that the message must contain in full, and not by a lookup table (see ``written_out`` below)."""


def associated(owner: Address, mint: Address, token_program: Address) -> Address:
    """The address of the owner's associated token account for a mint."""
    from solders.pubkey import Pubkey

    key = Pubkey.from_string
    seeds = [bytes(key(owner)), bytes(key(token_program)), bytes(key(mint))]
    return Address(str(Pubkey.find_program_address(seeds, key(ATA_PROGRAM))[0]))


def own_accounts(work: LegWork, owner: Address) -> dict[Token, Address]:
    """Our associated token accounts for the tokens that the leg moves."""
    return {token: associated(owner, token.address, program) for token, program in work.programs.items()}


def written_out(work: LegWork, owner: Address) -> frozenset[Address]:
    """Addresses that a leg's message must contain in full: our token accounts, the market, and the pools of a swap.

    The content of lookup tables is only known from a node; with a false one we would sign for somebody else's account.
    """
    pools = {pool.address for terms in work.swaps for pool in terms.pools}
    return frozenset({*own_accounts(work, owner).values(), work.market.address, *pools})


def without(tables: Sequence[LookupTable], kept: Collection[Address]) -> tuple[LookupTable, ...]:
    """The tables with each address of ``kept`` replaced by the table's own address, which no instruction names: so the
    compiler never uses a table for them."""
    return tuple(LookupTable(t.address, tuple(t.address if a in kept else a for a in t.addresses)) for t in tables)


def steps(
    work: LegWork, owner: Address, present: Mapping[Address, AccountImage | None], tables: Sequence[LookupTable] = ()
) -> tuple[TxStep, ...]:
    """The leg as one transaction; if that is too long, as up to three: preparation, the adapter's instructions, and
    clean-up.

    present: our token accounts (``own_accounts``) as they are now.
    """
    before, after = _around(work, owner, present)
    whole = TxStep((*before, *work.calls, *after), work.about)
    if _fits(whole.instructions, owner, tables):
        return (whole,)
    parts = [TxStep(tuple(part), work.about) for part in (before, work.calls, after)]
    return tuple(part for part in parts if part.instructions)


def _around(
    work: LegWork, owner: Address, present: Mapping[Address, AccountImage | None]
) -> tuple[list[SvmInstruction], list[SvmInstruction]]:
    """The instructions before and after the adapter's."""
    mine = own_accounts(work, owner)
    asset_account, programs = mine[work.asset], work.programs
    before: list[SvmInstruction] = []
    after: list[SvmInstruction] = []
    is_sol = work.asset.address == WRAPPED_SOL
    wrapped = token_account(present.get(asset_account))
    gives = work.leg.kind in (LegKind.DEPOSIT, LegKind.SWAP)  # the account must hold what the leg gives
    for token, account in mine.items():
        if token == work.asset and (work.native or (gives and not is_sol)):
            continue  # the program takes lamports, or the account exists since it holds the deposit
        if present.get(account) is None:
            before.append(create_account(owner, token, account, programs[token]))
    if is_sol and work.native and wrapped is not None:
        before.append(close_account(owner, asset_account, work.token_program, "unwrap what SOL lies wrapped"))
    if is_sol and not work.native:
        if gives:
            missing = work.leg.amount.raw - (wrapped.amount if wrapped else 0)
            if missing > 0:
                before += wrap(owner, asset_account, Amount(work.asset, missing), work.token_program)
        after.append(close_account(owner, asset_account, work.token_program, "unwrap SOL"))
    if work.wanted is not None and work.wanted.address == WRAPPED_SOL:
        after.append(close_account(owner, mine[work.wanted], programs[work.wanted], "unwrap SOL"))
    if not gives and work.leg.all and work.share_token is not None:
        share = mine[work.share_token]
        after.append(close_account(owner, share, work.share_program, f"close our {work.share_token.symbol} account"))
    return before, after


def create_account(owner: Address, token: Token, account: Address, token_program: Address) -> SvmInstruction:
    """The associated token program's ``CreateIdempotent``."""
    metas = (
        SvmMeta(owner, signer=True, writable=True),
        SvmMeta(account, writable=True),
        SvmMeta(owner),
        SvmMeta(token.address),
        SvmMeta(SYSTEM),
        SvmMeta(token_program),
    )
    return SvmInstruction(ATA_PROGRAM, metas, CREATE_IDEMPOTENT, f"open an account for {token.symbol}")


def close_account(owner: Address, account: Address, token_program: Address, description: str) -> SvmInstruction:
    """SPL Token's ``CloseAccount``: its SOL, rent and wrapped SOL alike, goes to our wallet."""
    metas = (SvmMeta(account, writable=True), SvmMeta(owner, writable=True), SvmMeta(owner, signer=True))
    return SvmInstruction(token_program, metas, CLOSE_ACCOUNT, description)


def wrap(owner: Address, account: Address, sol: Amount, token_program: Address) -> list[SvmInstruction]:
    """Instructions that move SOL into our wrapped SOL account: a transfer, then ``SyncNative``, by which the account's
    balance counts it."""
    metas = (SvmMeta(owner, signer=True, writable=True), SvmMeta(account, writable=True))
    transfer = SvmInstruction(SYSTEM, metas, SYSTEM_TRANSFER + struct.pack("<Q", sol.raw), f"wrap {sol}")
    return [transfer, SvmInstruction(token_program, (SvmMeta(account, writable=True),), SYNC_NATIVE, "")]


def revocation(given: GrantedAllowance, authority: Address) -> SvmInstruction:
    """The instruction that revokes a right: ``Revoke`` for the account's delegate, or ``SetAuthority`` of its close
    authority to none. authority: its signer."""
    assert given.account is not None and given.program is not None  # rights on Solana have both
    metas = (SvmMeta(given.account, writable=True), SvmMeta(authority, signer=True))
    who = given.name or given.spender
    if given.right:
        description = f"take back that {who} may close {given.account}"
        return SvmInstruction(given.program, metas, CLOSE_AUTHORITY_TO_NONE, description)
    description = f"take back that {who} may take {given.token.symbol} out of {given.account}"
    return SvmInstruction(given.program, metas, REVOKE, description)


def bid_for(units: int, recent_micro_lamports: Sequence[int], ceiling_micro_lamports: int) -> Bid:
    """The compute budget of a transaction that used ``units`` on the fork: UNITS_MARGIN_PERCENT and SPARE_UNITS more,
    at the third quartile of the prices paid recently for the same accounts, at most the ceiling.

    recent_micro_lamports, ceiling_micro_lamports: prices of a compute unit.
    """
    paid = sorted(recent_micro_lamports)
    price = paid[(3 * (len(paid) - 1)) // 4] if paid else 0
    requested = units + units * UNITS_MARGIN_PERCENT // 100 + SPARE_UNITS
    return Bid(min(MOST_UNITS, requested), min(price, ceiling_micro_lamports))


def budget(bid: Bid) -> tuple[SvmInstruction, ...]:
    """The compute budget program's instructions that set limit and price."""
    limit = SvmInstruction(COMPUTE_BUDGET, (), struct.pack("<BI", SET_UNIT_LIMIT, bid.units), "")
    price = SvmInstruction(COMPUTE_BUDGET, (), struct.pack("<BQ", SET_UNIT_PRICE, bid.micro_lamports), "")
    return limit, price


def unsigned(
    step: TxStep, context: TxContext, bid: Bid, blockhash: Blockhash, tables: Sequence[LookupTable] = ()
) -> SvmUnsigned | Declined:
    """The unsigned transaction of one step; Declined TOO_LARGE if it is longer than a packet."""
    instructions = (*budget(bid), *step.instructions)
    message = compiled(instructions, context.payer, blockhash.hash, tables)
    raw = message_bytes(message)
    if len(raw) + SIGNATURE_BYTES > LARGEST_TRANSACTION_BYTES:
        return _declined(step, len(raw) + SIGNATURE_BYTES)
    return SvmUnsigned(
        chain=context.chain,
        payer=context.payer,
        message=raw,
        last_valid_height=blockhash.last_valid_height,
        instructions=instructions,
        meaning=meaning_of(raw, blockhash.hash),
        fee_lamports=bid.fee_lamports,
        description=step.description,
        plan_id=context.plan_id,
        leg=context.leg,
        market_id=context.market_id,
    )


def compiled(
    instructions: Sequence[SvmInstruction], payer: Address, blockhash: str, tables: Sequence[LookupTable] = ()
) -> MessageV0:
    """The version 0 message of these instructions, paid for by ``payer``."""
    from solders.address_lookup_table_account import AddressLookupTableAccount
    from solders.hash import Hash
    from solders.instruction import AccountMeta, Instruction
    from solders.message import MessageV0
    from solders.pubkey import Pubkey

    key = Pubkey.from_string
    made = [
        Instruction(key(i.program), i.data, [AccountMeta(key(m.address), m.signer, m.writable) for m in i.accounts])
        for i in instructions
    ]
    known = [AddressLookupTableAccount(key(t.address), [key(a) for a in t.addresses]) for t in tables]
    return MessageV0.try_compile(key(payer), made, known, Hash.from_string(blockhash))


def message_bytes(message: Any) -> bytes:
    """The bytes that are signed: the version byte and the message."""
    from solders.message import to_bytes_versioned

    return bytes(to_bytes_versioned(message))


def meaning_of(raw: bytes, blockhash: str) -> bytes:
    """sha256 of a message with its blockhash replaced by zeros: equal for messages that do the same."""
    from solders.hash import Hash

    return hashlib.sha256(raw.replace(bytes(Hash.from_string(blockhash)), bytes(32), 1)).digest()


def too_large(step: TxStep, payer: Address, tables: Sequence[LookupTable] = ()) -> Declined | None:
    """The refusal (TOO_LARGE) of a step that does not fit into any transaction; None if it does."""
    size = _size(step.instructions, payer, tables)
    return None if size <= LARGEST_TRANSACTION_BYTES else _declined(step, size)


def _declined(step: TxStep, size: int) -> Declined:
    return Declined("TOO_LARGE", f"{step.description}: {size} bytes, a transaction holds {LARGEST_TRANSACTION_BYTES}")


def _fits(instructions: Sequence[SvmInstruction], payer: Address, tables: Sequence[LookupTable]) -> bool:
    return _size(instructions, payer, tables) <= LARGEST_TRANSACTION_BYTES


def _size(instructions: Sequence[SvmInstruction], payer: Address, tables: Sequence[LookupTable]) -> int:
    whole = compiled((*budget(Bid(MOST_UNITS, 0)), *instructions), payer, NO_BLOCKHASH, tables)
    return len(message_bytes(whole)) + SIGNATURE_BYTES
