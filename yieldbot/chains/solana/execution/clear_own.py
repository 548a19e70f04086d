"""Clear signing of Solana's own programs: System, SPL Token and Token-2022, Stake, the upgradeable loader. Pure.

Layouts: SystemInstruction, StakeInstruction and UpgradeableLoaderInstruction (bincode: a tag of four bytes),
TokenInstruction of spl-token, token-2022 and p-token (a tag of one byte). All these programs ignore bytes after the
arguments: dangers are still shown, but the instruction does not count as known. Data that is too short, or a missing
account, fails on the chain and hands nothing over.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.chains.solana.execution.account import SYSTEM
from yieldbot.chains.solana.execution.build import ATA_PROGRAM, COMPUTE_BUDGET
from yieldbot.chains.solana.execution.clear_call import (
    LOADER,
    MEMO,
    STAKE,
    Bytes,
    OwnCall,
    Reader,
    Recognised,
    by,
    control,
    giver_of,
    money,
    sol,
    to_whom,
)
from yieldbot.chains.solana.execution.clear_tokens import read_token_instruction
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM


def recognise(call: OwnCall) -> Recognised | None:
    """What an instruction of one of Solana's own programs does; None if it is not known here."""
    if (reader := _READERS.get(call.program)) is None:
        return None
    return by(reader, call)


def _budget(call: OwnCall, data: Bytes) -> Recognised | None:
    match data.number(1):
        case 2:
            return Recognised(f"use at most {data.number(4):,} compute units")
        case 3:
            return Recognised(f"bid {data.number(8):,} micro-lamports a compute unit")
    return None


def _opened(call: OwnCall, data: Bytes) -> Recognised | None:
    if call.data and data.number(1) > 1:
        return None
    token = call.tokens.get(Address(call.account(3)))
    return Recognised(f"open {call.account(2)}'s account of {token.symbol if token else 'mint ' + call.account(3)}")


def _memo(call: OwnCall, data: Bytes) -> Recognised | None:
    return Recognised(f"note {data.take(len(call.data))[:200].decode('utf-8', 'replace')!r}")


# -- the system program


def _system(call: OwnCall, data: Bytes) -> Recognised | None:
    tag = data.number(4)
    match tag:
        case 0 | 3:
            if tag == 3:
                data.key()
                data.seed()
            lamports, space, program = data.number(8), data.number(8), data.key()
            new = call.account(1)
            description = (
                f"open {new} with {sol(lamports)} of {call.account(0)}, {space:,} bytes under {_program(call, program)}"
            )
            return Recognised(
                description, () if program in call.programs else (f"{program} alone rules {new} from then on",)
            )
        case 1 | 10:
            place, giver = call.account(0), call.account(0 if tag == 1 else 1)
            if tag == 10:
                data.key()
                data.seed()
            return _assigned(call, place, data.key(), place == giver)
        case 13:  # the account may hold SOL already, and be the payer's own
            data.take(16)
            return _assigned(call, call.account(0), data.key(), False)
        case 2:
            return Recognised(f"send {sol(data.number(8))} from {call.account(0)} to {to_whom(call, call.account(1))}")
        case 4 | 5 | 6 | 7:
            return _nonce(call, data, tag)
        case 8:
            return Recognised(f"make {call.account(0)} {data.number(8):,} bytes long")
        case 11:
            lamports = data.number(8)
            data.seed()
            data.key()
            return Recognised(f"send {sol(lamports)} from {call.account(0)} to {to_whom(call, call.account(2))}")
    return None


def _program(call: OwnCall, program: str) -> str:
    return call.programs.get(Address(program)) or f"program {program}"


def _assigned(call: OwnCall, place: str, program: str, signs: bool) -> Recognised:
    """An account assigned to a program, which from then on has sole control of its SOL and its bytes. An account that
    signs may be a person's own, which no program should get, known or not."""
    description = f"give {to_whom(call, place)} to {_program(call, program)}"
    if program == SYSTEM:
        return Recognised(description)
    does = f"rule {to_whom(call, place)}, with all the SOL in it, from then on"
    who = f"{'a known program' if program in call.programs else 'an unknown address'}: {_program(call, program)}"
    if program not in call.programs or place == call.payer or signs:
        return Recognised(description, (), (f"control handed to {who} alone may {does}",))
    return Recognised(description, (f"{_program(call, program)} alone may {does}",))


def _nonce(call: OwnCall, data: Bytes, tag: int) -> Recognised:
    """Instructions about durable nonces. Accounts, sysvars left out: the nonce, (the receiver,) the authority."""
    call = _without_sysvars(call)
    nonce = call.account(0)
    if tag == 4:
        by = call.account(1)
        description = f"advance the durable nonce {nonce}"
        if not call.first:
            return Recognised(description)
        until = f"until {to_whom(call, by)} advances the nonce {nonce} otherwise"
        never = "this transaction never expires: whoever holds it signed can send it at any later time"
        return Recognised(description, (), (f"a signature without end: {never}, {until}",))
    if tag == 5:
        lamports, to = data.number(8), call.account(1)
        description = f"take {sol(lamports)} out of the nonce {nonce} for {to_whom(call, to)}"
        return Recognised(description, (), money(call, to, giver_of(call, 2), f"{sol(lamports)} of the nonce {nonce}"))
    who = data.key()
    giver = call.payer if tag == 6 else giver_of(call, 1)
    does = f"advance, empty and hand on the durable nonce {nonce}"
    return Recognised(f"from now on {to_whom(call, who)} may {does}", (), control(call, who, giver, does))


def _without_sysvars(call: OwnCall) -> OwnCall:
    """The instruction without the sysvars among its accounts, which newer versions of a program no longer take."""
    return replace(call, accounts=tuple(one for one in call.accounts if not one.startswith("Sysvar")))


# -- Stake

_STAKE_RIGHTS = ("delegate and deactivate the stake", "take out the stake, and hand on every right,")


def _stake(call: OwnCall, data: Bytes) -> Recognised | None:
    call, tag = _without_sysvars(call), data.number(4)
    place = call.account(0)
    match tag:
        case 0 | 9:
            _, withdrawer = (data.key(), data.key()) if tag == 0 else (call.account(1), call.account(2))
            if tag == 0:
                data.take(48)  # lockup: a time, an epoch, who may lift it
            description = f"make {place} a stake that {to_whom(call, withdrawer)} may take out"
            return Recognised(description, (), control(call, withdrawer, call.payer, f"{_STAKE_RIGHTS[1]} of {place}"))
        case 1 | 8 | 10 | 11:
            giver = giver_of(call, 1)
            new = data.key() if tag in (1, 8) else call.account(2)
            if (kind := data.number(4)) > 1:
                return None
            if tag in (8, 11):
                data.seed()
                data.key()
            does = f"{_STAKE_RIGHTS[kind]} of {place}"
            return Recognised(f"from now on {to_whom(call, new)} may {does}", (), control(call, new, giver, does))
        case 2:
            return Recognised(f"delegate the stake {place} to the vote account {call.account(1)}")
        case 3:
            return Recognised(f"split {sol(data.number(8))} off the stake {place} into {call.account(1)}")
        case 4:
            lamports, to = data.number(8), call.account(1)
            description = f"take {sol(lamports)} out of the stake {place} for {to_whom(call, to)}"
            return Recognised(
                description, (), money(call, to, giver_of(call, 2), f"{sol(lamports)} of the stake {place}")
            )
        case 5:
            return Recognised(f"deactivate the stake {place}")
        case 6 | 12:
            until = [data.number(8) for _ in range(2) if data.option()]
            who = (data.key() if data.option() else None) if tag == 6 else (list(call.accounts) + [None] * 3)[2]
            giver = giver_of(call, 1)
            lock = f"a lock on the stake {place}" + (f", which {to_whom(call, who)} alone may lift" if who else "")
            kept = () if not any(until) and who in (None, giver) else (f"control handed over: {lock}",)
            return Recognised(f"set {lock}", (), kept)
        case 7:
            return Recognised(f"merge the stake {call.account(1)} into {place}")
    return None


# -- the upgradeable loader


def _loader(call: OwnCall, data: Bytes) -> Recognised | None:
    tag, call = data.number(4), _without_sysvars(call)
    place = call.account(0)
    match tag:
        case 3:
            program, buffer, spill, giver = (call.account(n) for n in (1, 2, 3, 4))
            description = f"run the code of {buffer} as the program {program}"
            code = f"control handed over: the code that lies in {buffer} is what {program} does from then on"
            return Recognised(description, (), (code, *money(call, spill, giver, f"the SOL of {buffer}")))
        case 4 if len(call.accounts) == 2:
            never = f"nobody may change the code of {place} any more"
            return Recognised(never, (never,))
        case 4 | 7:
            who, does = call.account(2), f"change the code of {place} and hand on that right"
            return Recognised(
                f"from now on {to_whom(call, who)} may {does}", (), control(call, who, call.account(1), does)
            )
        case 5:
            to = call.account(1)
            giver = call.accounts[2] if len(call.accounts) > 2 else to
            ended = (f"control handed over: the program {call.accounts[3]} is gone for ever",) if len(
                call.accounts
            ) > 3 else ()  # fmt: skip
            description = f"close {place}; its SOL goes to {to_whom(call, to)}"
            return Recognised(description, (), (*ended, *money(call, to, giver, f"the SOL of {place}")))
    return None


_READERS: dict[Address, Reader] = {
    COMPUTE_BUDGET: _budget,
    ATA_PROGRAM: _opened,
    MEMO: _memo,
    SYSTEM: _system,
    STAKE: _stake,
    LOADER: _loader,
    TOKEN_PROGRAM: read_token_instruction,
    TOKEN_2022_PROGRAM: read_token_instruction,
}
