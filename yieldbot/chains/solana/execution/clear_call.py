"""An instruction of Solana as it is told: its names, its bytes, and whether what it hands over stays with who gives it.

Dangerous is what somebody else gets than who gives it, where chains/*.toml does not name them. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from yieldbot.chains.solana.execution.account import SYSTEM
from yieldbot.chains.solana.execution.build import ATA_PROGRAM, COMPUTE_BUDGET, associated
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL

MEMO = Address("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
STAKE = Address("Stake11111111111111111111111111111111111111")
LOADER = Address("BPFLoaderUpgradeab1e11111111111111111111111")
SOLANAS = {
    SYSTEM: "the system program",
    COMPUTE_BUDGET: "the compute budget",
    ATA_PROGRAM: "associated token accounts",
    TOKEN_PROGRAM: "SPL Token",
    TOKEN_2022_PROGRAM: "Token-2022",
    MEMO: "Memo",
    STAKE: "Stake",
    LOADER: "the upgradeable loader",
}
LAMPORTS = 10**9


class Short(Exception):
    """Bytes or accounts that are not all there: the program itself refuses them."""


@dataclass(frozen=True, slots=True)
class OwnCall:
    """An instruction. first: of its transaction, where AdvanceNonceAccount makes that one last for ever. signers: of
    the transaction. programs, places, tokens: the names of the cluster's file."""

    payer: Address
    program: Address
    accounts: tuple[str, ...]
    data: bytes
    first: bool
    signers: frozenset[str]
    programs: Mapping[Address, str] = field(repr=False)
    places: Mapping[Address, str] = field(repr=False)
    tokens: Mapping[Address, Token] = field(repr=False)

    def account(self, place: int) -> str:
        if place >= len(self.accounts):
            raise Short
        return self.accounts[place]

    def named(self, address: str) -> str:
        """The address, with the file's name for it, or as the payer or one of its own accounts."""
        if (name := self.programs.get(Address(address)) or self.places.get(Address(address))) is not None:
            return f"{name} ({address})"
        return to_whom(self, address)


@dataclass(frozen=True, slots=True)
class Recognised:
    """words: what it does; warnings: what the payer should know; dangers: what nobody should sign without thinking;
    more: bytes behind the arguments."""

    description: str
    warnings: tuple[str, ...] = ()
    dangers: tuple[str, ...] = ()
    more: int = 0


def to_whom(call: OwnCall, address: str) -> str:
    """An address that gets something, as the payer or an account of the payer's own."""
    if address == call.payer:
        return "the payer"
    token = own_token(call, address)
    if token is None:
        return address
    return f"the payer's own {'wrapped ' if token.address == WRAPPED_SOL else ''}{token.symbol} account"


def own_token(call: OwnCall, account: str, owner: str | None = None) -> Token | None:
    """The listed token whose account this is: the payer's, or the owner's."""
    for token in call.tokens.values():
        for program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
            if account == own_account(call.payer if owner is None else owner, token.address, program):
                return token
    return None


def own_account(owner: str, mint: str, program: Address) -> str:
    """An owner's own account of a mint; nothing for an address of a lookup table."""
    try:
        return associated(Address(owner), Address(mint), program)
    except ValueError:
        return ""


def sol(lamports: int) -> str:
    whole, part = divmod(lamports, LAMPORTS)
    return f"{whole:,}{f'.{part:09d}'.rstrip('0') if part else ''} SOL"


# -- what is handed over


def control(call: OwnCall, who: str, giver: str, does: str) -> tuple[str, ...]:
    """The danger where a right over something goes to somebody else than who gives it."""
    if who == giver or listed(call, who):
        return ()
    return (f"control handed to an unknown address: {call.named(who)} may {does}",)


def money(call: OwnCall, to: str, giver: str, what: str) -> tuple[str, ...]:
    """The danger where money that comes free goes to somebody else than whose it is."""
    if to == giver or own_token(call, to, giver) is not None or listed(call, to):
        return ()
    return (f"money handed to an unknown address: {what} goes to {call.named(to)}",)


def giver_of(call: OwnCall, place: int) -> str:
    """Whose right it is, where the program takes any signer of the instruction for it, wherever it stands: nobody can
    be named where another signs too."""
    giver = call.account(place)
    return giver if {one for one in call.accounts if one in call.signers} <= {giver} else ""


def listed(call: OwnCall, address: str) -> bool:
    return address in call.programs or address in call.places


# -- bytes


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Short
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def key(self) -> str:
        from solders.pubkey import Pubkey

        return str(Pubkey(self.take(32)))

    def seed(self) -> None:
        try:
            self.take(self.number(8)).decode()
        except UnicodeDecodeError:  # bincode refuses it as a string
            raise Short from None

    def option(self, size: int = 1) -> bool:
        if (tag := self.number(size)) > 1:
            raise Short
        return tag == 1


Reader = Callable[[OwnCall, Bytes], Recognised | None]
"""What tells an instruction of one program: None for one that is not known. Short: the program itself refuses it."""


def by(reader: Reader, call: OwnCall) -> Recognised | None:
    """What a program's reader tells, with how many bytes stand behind."""
    data = Bytes(call.data)
    try:
        found = reader(call, data)
    except Short:
        return None
    return replace(found, more=found.more + len(data.data) - data.at) if found is not None else None
