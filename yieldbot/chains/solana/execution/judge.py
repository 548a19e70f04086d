"""The signer's policy on Solana, for the instructions decoded from a message's final bytes: default deny.

Allowed: the compute budget, opening and closing our token accounts for the leg's tokens, wrapping SOL for the leg, and
the adapter's instructions as they were rehearsed. Everything else is Declined with a stable code. Pure.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.solana.execution.account import SYSTEM, Account, LegWork
from yieldbot.chains.solana.execution.balances import TOKEN_PROGRAMS
from yieldbot.chains.solana.execution.build import (
    ATA_PROGRAM,
    CLOSE_ACCOUNT,
    COMPUTE_BUDGET,
    CREATE_IDEMPOTENT,
    MOST_UNITS,
    SET_UNIT_LIMIT,
    SET_UNIT_PRICE,
    SYNC_NATIVE,
    SYSTEM_TRANSFER,
    Bid,
    LookupTable,
    budget,
    meaning_of,
    own_accounts,
    revocation,
    without,
    written_out,
)
from yieldbot.chains.solana.execution.roles import role_fault
from yieldbot.chains.solana.execution.swaps import swap_fault
from yieldbot.execution.approvals import NEVER, Approval, in_time
from yieldbot.execution.deltas import change_of
from yieldbot.execution.planned import leg_in_plan
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Declined, LegKind
from yieldbot.model.settings import SvmLimits
from yieldbot.model.solana_tx import SvmApproved, SvmSimulated, SvmUnsigned
from yieldbot.model.tx import SvmInstruction, SvmMeta


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits on every transaction of an account, whatever the plan."""

    chain: ChainId
    """The only cluster allowed."""
    owner: Address
    """The only signer allowed."""
    limits: SvmLimits
    """The cluster's ceilings for fees and prices."""

    @classmethod
    def of(cls, account: Account) -> Rules:
        """The rules of an account."""
        return cls(account.settings.chain, account.owner, account.bounds)


def judge(
    rules: Rules,
    approval: Approval,
    work: LegWork,
    simulated: SvmSimulated,
    now: int,
    tables: Sequence[LookupTable] = (),
) -> SvmApproved | Declined:
    """Judge one simulated transaction of an approved plan: it must belong to the leg, contain the adapter's
    instructions as rehearsed, and have done on the fork what the leg says. now: unix seconds of the chain. tables:
    lookup tables that its message may use."""
    tx = simulated.tx
    decoded = decode(tx.message, rules.owner, without(tables, written_out(work, rules.owner)))
    if isinstance(decoded, Declined):
        return Declined(decoded.code, f"{tx.description}: {decoded.reason}")
    refused = (
        in_time(approval, now)
        or _in_plan(rules, approval, work, tx)
        or _each(rules, work, decoded)
        or swap_fault(rules.owner, work, decoded)
        or budget_fault(rules, tx, decoded)
        or _effect(work, simulated)
        or as_built(tx)
    )
    if refused is not None:
        return Declined(refused.code, f"{tx.description}: {refused.reason}")
    ends = approval.expires_at if work.expires_at is None else min(approval.expires_at, work.expires_at)
    if now >= ends:
        return Declined("EXPIRED", f"{tx.description}: its time is over: a swap does not wait longer for a block")
    return SvmApproved(simulated, hashlib.sha256(tx.message).digest(), approval.approver, ends)


def decode(raw: bytes, owner: Address, tables: Sequence[LookupTable] = ()) -> tuple[SvmInstruction, ...] | Declined:
    """The instructions of a version 0 message that only ``owner`` signs and pays for; Declined for any other bytes.

    Addresses in lookup tables are resolved with ``tables``; a message that uses another table is refused.
    """
    from solders.message import MessageV0, from_bytes_versioned, to_bytes_versioned

    try:
        message: Any = from_bytes_versioned(raw)
        same = bytes(to_bytes_versioned(message)) == raw
    except BaseException as unreadable:  # solders' own errors, and panics of its Rust code for some bytes
        if isinstance(unreadable, KeyboardInterrupt | SystemExit):
            raise
        return Declined("MESSAGE_MALFORMED", "the bytes are no message")
    if not same or not isinstance(message, MessageV0):
        return Declined("MESSAGE_MALFORMED", "the bytes are no version 0 message in its only form")
    header = message.header
    if header.num_required_signatures != 1 or header.num_readonly_signed_accounts != 0:
        return Declined("SIGNER_NOT_SELF", "the transaction wants other signatures than ours alone")
    keys = [Address(str(key)) for key in message.account_keys]
    if not keys or keys[0] != owner:
        return Declined("SIGNER_NOT_SELF", f"the transaction is {keys[0] if keys else 'nobody'}'s, not ours")
    metas = [SvmMeta(key, i == 0, bool(message.is_maybe_writable(i))) for i, key in enumerate(keys)]
    known = {table.address: table.addresses for table in tables}
    late: tuple[list[SvmMeta], list[SvmMeta]] = ([], [])
    for lookup in message.address_table_lookups:
        held = known.get(Address(str(lookup.account_key)))
        if held is None:
            return Declined("TABLE_NOT_ALLOWED", f"lookup table {lookup.account_key} is not configured")
        for position, wanted in enumerate((list(lookup.writable_indexes), list(lookup.readonly_indexes))):
            if any(index >= len(held) for index in wanted):
                return Declined("MESSAGE_MALFORMED", "the message names an address that its lookup table lacks")
            late[position].extend(SvmMeta(held[index], False, position == 0) for index in wanted)
    metas += [*late[0], *late[1]]
    found = []
    for instruction in message.instructions:
        indexes = [instruction.program_id_index, *instruction.accounts]
        if any(index >= len(metas) for index in indexes):
            return Declined("MESSAGE_MALFORMED", "an instruction names an account that is not there")
        program, *accounts = (metas[index] for index in indexes)
        found.append(SvmInstruction(program.address, tuple(accounts), bytes(instruction.data), ""))
    return tuple(found)


def _in_plan(rules: Rules, approval: Approval, work: LegWork, tx: SvmUnsigned) -> Declined | None:
    plan = approval.plan
    if tx.chain != rules.chain or plan.block.chain != rules.chain:
        return Declined("CHAIN_NOT_ALLOWED", f"the transaction is for {tx.chain}, the account is on {rules.chain}")
    if tx.plan_id != plan.id or tx.leg != work.index or plan.owner != tx.payer or tx.payer != rules.owner:
        return Declined("NOT_IN_PLAN", "belongs to another plan, leg or owner")
    return leg_in_plan(plan, work)


def _each(rules: Rules, work: LegWork, decoded: Sequence[SvmInstruction]) -> Declined | None:
    """Why an instruction is not allowed; None if all are. Either all of the adapter's instructions must be there, in
    order, or (in a transaction that only prepares or cleans up) none of them. An account may be writable only if an
    instruction needs it."""
    theirs = [instruction for instruction in decoded if instruction.program in work.tags]
    for instruction in decoded:
        if (refused := _one(rules, work, instruction)) is not None:
            return refused
    wanted = [_bare(call) for call in work.calls]
    if theirs and [_bare(instruction) for instruction in theirs] != wanted:
        return Declined("NOT_THE_CALL", "the market's instructions are not those that were rehearsed, in their order")
    allowed = {m.address for call in work.calls for m in call.accounts if m.writable}
    allowed |= {rules.owner, *own_accounts(work, rules.owner).values()}
    for instruction in decoded:
        for meta in instruction.accounts:
            if meta.writable and meta.address not in allowed:
                return Declined("ACCOUNT_NOT_ALLOWED", f"{meta.address} could be written, which no call needs")
    return None


def _one(rules: Rules, work: LegWork, instruction: SvmInstruction) -> Declined | None:
    program, data = instruction.program, instruction.data
    if program == COMPUTE_BUDGET:
        return None if not instruction.accounts else Declined("MESSAGE_MALFORMED", "the budget takes no accounts")
    if program == ATA_PROGRAM:
        return _opens(rules, work, instruction)
    if program == SYSTEM:
        return _wraps(rules, work, instruction)
    if program in TOKEN_PROGRAMS:
        return _own_token_account(rules, work, instruction)
    tags = work.tags.get(program)
    if tags is None:
        return Declined("PROGRAM_NOT_ALLOWED", f"{program} is no program of {work.market.name}")
    if not any(tag and data.startswith(tag) for tag in tags):
        return Declined("TAG_NOT_ALLOWED", f"{data[:8].hex()} of {program} is no instruction of {work.market.name}")
    return None if work.leg.kind is LegKind.SWAP else role_fault(rules.owner, work, instruction)  # ``swap_fault``


def _opens(rules: Rules, work: LegWork, instruction: SvmInstruction) -> Declined | None:
    programs = work.programs
    for token, account in own_accounts(work, rules.owner).items():
        wanted = (rules.owner, account, rules.owner, token.address, SYSTEM, programs[token])
        if instruction.data == CREATE_IDEMPOTENT and _names(instruction) == wanted:
            return None
    return Declined("RECIPIENT_NOT_SELF", "opens a token account that is not ours, or not of this leg's tokens")


def _wraps(rules: Rules, work: LegWork, instruction: SvmInstruction) -> Declined | None:
    data, account = instruction.data, own_accounts(work, rules.owner)[work.asset]
    gives = work.leg.kind in (LegKind.DEPOSIT, LegKind.SWAP) and work.asset.address == WRAPPED_SOL and not work.native
    if not gives or len(data) != 12 or data[:4] != SYSTEM_TRANSFER:
        return Declined("TAG_NOT_ALLOWED", "calls the system program for something else than wrapping SOL")
    if _names(instruction) != (rules.owner, account):
        return Declined("RECIPIENT_NOT_SELF", "sends SOL to an account that is not ours")
    (lamports,) = struct.unpack_from("<Q", data, 4)
    if lamports > work.leg.amount.raw:
        return Declined("AMOUNT_ABOVE_PLAN", f"wraps {lamports} lamports, the leg moves {work.leg.amount.raw}")
    return None


def _own_token_account(rules: Rules, work: LegWork, instruction: SvmInstruction) -> Declined | None:
    mine, names = own_accounts(work, rules.owner), _names(instruction)
    programs = work.programs
    for token, account in mine.items():
        if instruction.program != programs[token]:
            continue
        if instruction.data == CLOSE_ACCOUNT and names == (account, rules.owner, rules.owner):
            return None
        if instruction.data == SYNC_NATIVE and names == (account,) and token.address == WRAPPED_SOL:
            return None
    return Declined("TAG_NOT_ALLOWED", "calls the token program for something else than closing an account of ours")


def budget_fault(rules: Rules, tx: SvmUnsigned, decoded: Sequence[SvmInstruction]) -> Declined | None:
    """Why a transaction's compute budget is refused; None if limit and price are each set once, are below the ceilings,
    and give the fee that the transaction was built with."""
    units = price = None
    for instruction in decoded:
        if instruction.program != COMPUTE_BUDGET:
            continue
        data = instruction.data
        if len(data) == 5 and data[0] == SET_UNIT_LIMIT and units is None:
            (units,) = struct.unpack_from("<I", data, 1)
        elif len(data) == 9 and data[0] == SET_UNIT_PRICE and price is None:
            (price,) = struct.unpack_from("<Q", data, 1)
        else:
            return Declined("TAG_NOT_ALLOWED", "sets another budget than compute units and their price, once each")
    if units is None or price is None or not 0 < units <= MOST_UNITS:
        return Declined("GAS_ABOVE_LIMIT", f"asks for {units} compute units at {price}")
    if price > rules.limits.max_unit_price_micro_lamports:
        most = rules.limits.max_unit_price_micro_lamports
        return Declined("FEE_ABOVE_CEILING", f"bids {price} micro-lamports a unit, allowed are {most}")
    if (fee := Bid(units, price).fee_lamports) > rules.limits.max_fee_lamports or fee != tx.fee_lamports:
        return Declined("FEE_ABOVE_CEILING", f"costs {fee} lamports, allowed are {rules.limits.max_fee_lamports}")
    return None


def _effect(work: LegWork, simulated: SvmSimulated) -> Declined | None:
    """Why the transaction's effect on the fork is not the leg's: more of the asset left than the leg says, a deposit
    took shares, or a swap brought less than its minimum."""
    leg, asset = work.leg, work.asset
    least = -leg.amount.raw if leg.kind in (LegKind.DEPOSIT, LegKind.SWAP) else 0
    if change_of(simulated.deltas, asset) < least:
        return Declined("DELTA_NOT_PLANNED", f"takes more {asset.symbol} than was approved")
    if work.share_token and leg.kind is LegKind.DEPOSIT and change_of(simulated.deltas, work.share_token) < 0:
        return Declined("DELTA_NOT_PLANNED", "a deposit takes shares away")
    if leg.gets is not None and change_of(simulated.deltas, asset) < 0:
        brought = change_of(simulated.deltas, leg.gets.token)
        if brought < leg.gets.raw:
            return Declined("BELOW_LEAST", f"brings {Amount(leg.gets.token, brought)}, the least is {leg.gets}")
    return None


def as_built(tx: SvmUnsigned) -> Declined | None:
    """The refusal of bytes that (apart from their blockhash) are not those built from the rehearsed instructions."""
    from solders.message import from_bytes_versioned

    message: Any = from_bytes_versioned(tx.message)
    if meaning_of(tx.message, str(message.recent_blockhash)) != tx.meaning:
        return Declined("NOT_THE_CALL", "the bytes are not those that were built")
    return None


def _names(instruction: SvmInstruction) -> tuple[Address, ...]:
    return tuple(meta.address for meta in instruction.accounts)


def _bare(instruction: SvmInstruction) -> tuple[Address, tuple[Address, ...], bytes]:
    """Program, accounts and data of an instruction. Its flags (signer, writable) are left out: a message keeps them for
    each account, not for each instruction."""
    return instruction.program, _names(instruction), instruction.data


def judge_revocation(rules: Rules, given: GrantedAllowance, simulated: SvmSimulated) -> SvmApproved | Declined:
    """Judge a revocation: the compute budget and exactly the one instruction, which moved nothing of ours on the fork.
    It needs no valid approval: it can do no harm. Pure."""
    tx = simulated.tx
    decoded = decode(tx.message, rules.owner)
    if isinstance(decoded, Declined):
        return Declined(decoded.code, f"{tx.description}: {decoded.reason}")
    wanted = revocation(given, rules.owner)
    calls = [one for one in decoded if one not in _budget_of(decoded)]
    same = [(one.program, [m.address for m in one.accounts], one.data) for one in calls]
    if same != [(wanted.program, [m.address for m in wanted.accounts], wanted.data)] or tx.chain != rules.chain:
        return Declined("NOT_A_REVOCATION", f"{tx.description}: is not exactly that")
    if any(delta.raw for delta in simulated.deltas[:-1]):
        return Declined("DELTA_NOT_PLANNED", f"{tx.description}: moves {given.token.symbol}")
    if (refused := budget_fault(rules, tx, decoded) or as_built(tx)) is not None:
        return Declined(refused.code, f"{tx.description}: {refused.reason}")
    return SvmApproved(simulated, hashlib.sha256(tx.message).digest(), "revocation", NEVER)


def _budget_of(decoded: Sequence[SvmInstruction]) -> list[SvmInstruction]:
    """The instructions for the compute budget program."""
    program = budget(Bid(MOST_UNITS, 0))[0].program
    return [one for one in decoded if one.program == program]
