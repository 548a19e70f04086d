"""Clear signing of SPL Token and Token-2022: transfers, delegates, authorities, closed accounts, batches. Pure.

Layouts: TokenInstruction of spl-token, token-2022 and p-token, which ignore bytes after the arguments.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.chains.solana.execution.clear_call import (
    Bytes,
    OwnCall,
    Recognised,
    Short,
    by,
    control,
    listed,
    money,
    own_token,
    sol,
    to_whom,
)
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM

WITHOUT_LIMIT = 2**63 - 1
"""An allowance of at least this is without limit: no account holds that many base units."""
RIGHTS = {0: "mint more of", 1: "freeze accounts of", 2: "own", 3: "close"}
"""SPL Token's kinds of authority, each over an account or a mint (spl-token instruction.rs, AuthorityType)."""
MORE_RIGHTS = {
    4: "set the fee on transfers of",
    5: "take the fees withheld of",
    6: "close the mint",
    7: "set the interest of",
    8: "take and burn what anybody holds of",
    9: "rule the confidential transfers of",
    10: "set the program that every transfer runs of",
    11: "rule the confidential fees of",
    12: "say where the name stands of",
    13: "say where the group stands of",
    14: "say where the membership stands of",
    15: "set the scale that amounts are shown by of",
    16: "pause all of",
    17: "burn with the holder's signature",
}
"""Token-2022's further kinds of authority."""


def read_token_instruction(call: OwnCall, data: Bytes) -> Recognised | None:
    """What an instruction of either token program does; None for one that is not known here."""
    tag = data.number(1)
    match tag:
        case 3 | 12:
            raw = data.number(8)
            mint = call.account(1) if tag == 12 else None
            if tag == 12:
                data.take(1)
            source, to = call.account(0), call.account(1 if tag == 3 else 2)
            call.account(2 if tag == 3 else 3)
            return Recognised(f"send {_units(call, raw, mint, source)} from {source} to {to_whom(call, to)}")
        case 4 | 13:
            raw = data.number(8)
            mint = call.account(1) if tag == 13 else None
            if tag == 13:
                data.take(1)
            at = 1 if tag == 4 else 2
            return _allowed(call, raw, mint, call.account(at), call.account(at + 1))
        case 5:
            call.account(1)
            return Recognised(f"take back what was allowed on {call.account(0)}")
        case 6:
            return _authority(call, data)
        case 9:
            place, to, giver = (call.account(n) for n in range(3))
            rent = f"all the SOL in {place}"
            description = f"close {place}; its SOL goes to {to_whom(call, to)}"
            return Recognised(description, (), money(call, to, giver, rent))
        case 17:
            return Recognised(f"count the SOL that lies in {call.account(0)}")
        case 38 | 45:
            place, to, giver = (call.account(n) for n in range(3))
            some = sol(data.number(8)) if tag == 45 and data.option() else "the SOL"
            description = f"take {some} out of {place} for {to_whom(call, to)}"
            return Recognised(description, (), money(call, to, giver, f"{some} in {place}"))
        case 255:
            return _batch(call, data)
    return None


def _units(call: OwnCall, raw: int, mint: str | None, account: str) -> str:
    token = call.tokens.get(Address(mint)) if mint else own_token(call, account)
    return str(Amount(token, raw)) if token else f"{raw:,} base units of {mint or 'an unknown token'}"


def _allowed(call: OwnCall, raw: int, mint: str | None, spender: str, giver: str) -> Recognised:
    """An allowance: the delegate may take this amount out of the account at any later time, until it is revoked."""
    account = call.account(0)
    token = call.tokens.get(Address(mint)) if mint else own_token(call, account)
    of = token.symbol if token else mint or "an unknown token"
    units = f"any amount of {of}" if raw >= WITHOUT_LIMIT else _units(call, raw, mint, account)
    description = f"{spender} may take up to {units} out of {account}"
    why = ["without limit"] if raw >= WITHOUT_LIMIT else []
    if spender != giver and not listed(call, spender):
        why.append("to an unknown spender")
    much = f"{of} WITHOUT LIMIT ({raw})" if raw >= WITHOUT_LIMIT else f"{units}, or all that lies there if it is less,"
    ever = f"{call.named(spender)} may take {much} out of {account} at any later time, until it is taken back"
    wrong = (f"an allowance {' and '.join(why)}: {ever}",) if why and raw else ()
    return Recognised(f"allow that {description}", (description,), wrong)


def _authority(call: OwnCall, data: Bytes) -> Recognised | None:
    """SetAuthority, to a public key or to nobody."""
    kind, place, giver = data.number(1), call.account(0), call.account(1)
    right = RIGHTS.get(kind) or (MORE_RIGHTS.get(kind) if call.program == TOKEN_2022_PROGRAM else None)
    if right is None:
        return None
    if not data.option():
        if call.data[data.at :] == bytes(32):  # solana-py's and older builders' room for a key
            data.take(32)
        return Recognised(f"nobody may {right} {place} any more" + (" but its owner" if kind == 3 else ""))
    new = data.key()
    description = f"from now on {to_whom(call, new)} may {right} {place}"
    if new == giver:
        return Recognised(description)
    gone = f"all that lies in {place} is {new}'s from then on" if kind == 2 else description
    does = f"{right} {place}" + (", with all that lies in it, from then on" if kind == 2 else "")
    return Recognised(description, (gone,), control(call, new, giver, does))


def _batch(call: OwnCall, data: Bytes) -> Recognised | None:
    """p-token's Batch. Of each instruction: count of accounts (1 byte), count of bytes (1 byte), bytes."""
    found, at, known = list[Recognised](), 0, True
    while data.at < len(data.data):
        count, size = data.number(1), data.number(1)
        bytes_ = data.take(size)
        if at + count > len(call.accounts):
            raise Short
        one = None
        if bytes_[:1] != b"\xff":  # a batch contains no batch
            one = by(
                read_token_instruction, replace(call, accounts=call.accounts[at : at + count], data=bytes_, first=False)
            )
        at += count
        known = known and one is not None and not one.more
        found += [one] if one is not None else []
    warnings, dangers = (tuple(x for one in found for x in getattr(one, name)) for name in ("warnings", "dangers"))
    description = "; then ".join(one.description for one in found)
    return Recognised(description, warnings, dangers, 0 if known and found else 1)
