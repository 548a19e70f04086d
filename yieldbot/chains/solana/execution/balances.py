"""Our balance changes, from accounts before and after a transaction, and whether it did something that no leg may do.
Pure.

Our SOL is that of the wallet, of our token accounts (wrapped SOL and rent), and of accounts that the transaction
created or closed; the fee is not counted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_ACCOUNT_BYTES, WRAPPED_SOL
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Delta

TOKEN_PROGRAMS = frozenset(
    Address(a) for a in ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
)
ACCOUNT_TYPE_AT = 165
"""Offset of the kind of account in Token-2022 (2: a token account), after the fields of the older program."""

Images = Mapping[Address, AccountImage | None]


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account of SPL Token or Token-2022. Offsets (spl-token state.rs): mint 0, owner 32, amount 64, delegate
    72, delegated amount 121, close authority 129."""

    mint: Address
    """The token."""
    owner: Address
    """The account's owner."""
    amount: int
    """Balance of the account, in base units."""
    delegate: Address | None
    """Who may take ``delegated`` base units; None: nobody."""
    delegated: int
    """What ``delegate`` may take, in base units."""
    close_authority: Address | None
    """Who may close it besides its owner; None: nobody."""


def token_account(image: AccountImage | None) -> TokenAccount | None:
    """An account decoded as a token account; None if it is not one."""
    if image is None or image.program not in TOKEN_PROGRAMS or len(image.data) < TOKEN_ACCOUNT_BYTES:
        return None
    if len(image.data) > TOKEN_ACCOUNT_BYTES and image.data[ACCOUNT_TYPE_AT] != 2:
        return None
    data = image.data
    amount, delegated = (struct.unpack_from("<Q", data, at)[0] for at in (64, 121))
    return TokenAccount(_key(data, 0), _key(data, 32), amount, _option(data, 72), delegated, _option(data, 129))


def of_ours(before: Images, after: Images, owner: Address) -> dict[Address, tuple[int, int]]:
    """By mint, our token balance (before, after) in base units over all accounts that the transaction names."""
    sums: dict[Address, tuple[int, int]] = {}
    for address in before:
        for position, image in enumerate((before[address], after.get(address))):
            found = token_account(image)
            if found is not None and found.owner == owner:
                old, new = sums.get(found.mint, (0, 0))
                sums[found.mint] = (old + found.amount, new) if position == 0 else (old, new + found.amount)
    return sums


def sol_change(before: Images, after: Images, owner: Address, fee_lamports: int) -> int:
    """The change of all our SOL in lamports, wrapped SOL and rent included, without the fee. fee_lamports: the fee
    paid."""
    change = fee_lamports
    for address in before:
        old, new = before[address], after.get(address)
        ours = address == owner or any(
            account is not None and account.owner == owner for account in (token_account(old), token_account(new))
        )
        if ours or (old is None) != (new is None):
            change += (new.lamports if new else 0) - (old.lamports if old else 0)
    return change


def changes(
    before: Images, after: Images, owner: Address, watched: Sequence[Token], native: Token, fee_lamports: int
) -> tuple[Delta, ...]:
    """The change of each watched token, then of the wallet's own lamports (fee, rent and wrapping included)."""
    sums = of_ours(before, after, owner)
    found = []
    for token in watched:
        if token.address == WRAPPED_SOL:
            found.append(Delta(token, sol_change(before, after, owner, fee_lamports)))
        else:
            old, new = sums.get(token.address, (0, 0))
            found.append(Delta(token, new - old))
    lamports = [image.lamports if image else 0 for image in (before.get(owner), after.get(owner))]
    return (*found, Delta(native, lamports[1] - lamports[0]))


def trespass(before: Images, after: Images, owner: Address, watched: Iterable[Token]) -> Declined | None:
    """Why a transaction changed our accounts in a way that no leg may; None if it did not. Pure.

    Refused: a token that the leg does not name leaves (UNKNOWN_TOKEN_MOVED); a token account of ours gets another
    owner, or our wallet is assigned to a program (OWNER_CHANGED); a delegate or close authority remains
    (ALLOWANCE_LEFT).
    """
    named = {token.address for token in watched}
    for mint, (old, new) in of_ours(before, after, owner).items():
        if mint not in named and new < old:
            return Declined("UNKNOWN_TOKEN_MOVED", f"{old - new} units of {mint}, which the plan does not name, leave")
    for address in before:
        old_account, new_account = token_account(before[address]), token_account(after.get(address))
        was_ours = old_account is not None and old_account.owner == owner
        if was_ours and new_account is not None and new_account.owner != owner:
            return Declined("OWNER_CHANGED", f"our token account {address} is handed to {new_account.owner}")
        if new_account is not None and new_account.owner == owner:
            for what, who in (("delegate", new_account.delegate), ("close authority", new_account.close_authority)):
                if who is not None and who != owner:
                    return Declined(
                        "ALLOWANCE_LEFT",
                        f"{who} stays {what} of our token account {address}: see `yieldbot allowances`",
                    )
    wallet = after.get(owner)
    if wallet is not None and (wallet.program != "11111111111111111111111111111111" or wallet.data):
        return Declined("OWNER_CHANGED", f"our wallet is assigned to {wallet.program}")
    return None


def _key(data: bytes, at: int) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data[at : at + 32])))


def _option(data: bytes, at: int) -> Address | None:
    return _key(data, at + 4) if data[at : at + 4] == b"\x01\0\0\0" else None
