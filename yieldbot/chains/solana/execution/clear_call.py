"""Clear signing of Solana instructions: names for addresses, decoding of bytes, and what is dangerous. Pure.

It is dangerous if control or money goes to an address that is neither its present holder nor named in chains/*.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace

from yieldbot.chains.solana.execution.account import SYSTEM
from yieldbot.chains.solana.execution.build import ATA_PROGRAM, COMPUTE_BUDGET, associated
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
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
"""Lamports in one SOL."""


class Short(Exception):
    """Bytes or accounts are missing, so that the program itself refuses the instruction."""


@dataclass(frozen=True, slots=True)
class OwnCall:
    """One instruction of a transaction, with the names of its cluster."""

    payer: Address
    """Who pays the transaction's fee."""
    program: Address
    """The program that is called."""
    accounts: tuple[str, ...]
    """Addresses, in order; an address in a lookup table is a text that says so."""
    data: bytes
    """The instruction's bytes."""
    first: bool
    """Whether it is the transaction's first: only there AdvanceNonceAccount makes the transaction valid for ever."""
    signers: frozenset[str]
    """Every signer of the transaction."""
    programs: Mapping[Address, str] = field(repr=False)
    """Names of programs, by address."""
    places: Mapping[Address, str] = field(repr=False)
    """Names of markets' accounts, by address."""
    tokens: Mapping[Address, Token] = field(repr=False)
    """Tokens by mint."""

    def account(self, place: int) -> str:
        """The account at index ``place``. Raises Short if there is none."""
        if place >= len(self.accounts):
            raise Short
        return self.accounts[place]

    def named(self, address: str) -> str:
        """The address with its name; or as the payer, or one of the payer's own accounts."""
        if (name := self.programs.get(Address(address)) or self.places.get(Address(address))) is not None:
            return f"{name} ({address})"
        return to_whom(self, address)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What an instruction of one of Solana's own programs does."""

    description: str
    """What it does."""
    warnings: tuple[str, ...] = ()
    """What the payer should know."""
    dangers: tuple[str, ...] = ()
    """What a person should not sign without checking it."""
    more: int = 0
    """Bytes after its arguments, which the program ignores."""


def to_whom(call: OwnCall, address: str) -> str:
    """The name of a receiver: the payer, one of the payer's own accounts, or the address."""
    if address == call.payer:
        return "the payer"
    token = own_token(call, address)
    if token is None:
        return address
    return f"the payer's own {'wrapped ' if token.address == WRAPPED_SOL else ''}{token.symbol} account"


def own_token(call: OwnCall, account: str, owner: str | None = None) -> Token | None:
    """The listed token whose associated account of ``owner`` (None: the payer) is ``account``; None if there is
    none."""
    for token in call.tokens.values():
        for program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
            if account == own_account(call.payer if owner is None else owner, token.address, program):
                return token
    return None


def own_account(owner: str, mint: str, program: Address) -> str:
    """The owner's associated account of a mint; empty for an address in a lookup table."""
    try:
        return associated(Address(owner), Address(mint), program)
    except ValueError:
        return ""


def sol(lamports: int) -> str:
    """Lamports as an amount of SOL."""
    whole, part = divmod(lamports, LAMPORTS)
    return f"{whole:,}{f'.{part:09d}'.rstrip('0') if part else ''} SOL"


# -- control and money


def control(call: OwnCall, who: str, giver: str, does: str) -> tuple[str, ...]:
    """The danger of a right that passes from ``giver`` to ``who``; none if that is the same, or a known address. does:
    what the right allows."""
    if who == giver or listed(call, who):
        return ()
    return (f"control handed to an unknown address: {call.named(who)} may {does}",)


def money(call: OwnCall, to: str, giver: str, what: str) -> tuple[str, ...]:
    """The danger of money that goes from ``giver`` to ``to``; none if that is the giver's own account or a known
    address."""
    if to == giver or own_token(call, to, giver) is not None or listed(call, to):
        return ()
    return (f"money handed to an unknown address: {what} goes to {call.named(to)}",)


def giver_of(call: OwnCall, place: int) -> str:
    """Who gives a right, for programs that accept any signer among the accounts: the account at index ``place``; empty
    if another account signs too, so that nobody can be named."""
    giver = call.account(place)
    return giver if {one for one in call.accounts if one in call.signers} <= {giver} else ""


def listed(call: OwnCall, address: str) -> bool:
    """Whether chains/*.toml names the address."""
    return address in call.programs or address in call.places


# -- bytes


class Bytes:
    """Instruction data that is decoded from front to back (little-endian, bincode). Raises Short at its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if self.at + size > len(self.data):
            raise Short
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def key(self) -> str:
        """A public key, in base58."""
        from solders.pubkey import Pubkey

        return str(Pubkey(self.take(32)))

    def seed(self) -> None:
        """Skip a string with its length (bincode)."""
        try:
            self.take(self.number(8)).decode()
        except UnicodeDecodeError:  # bincode refuses it as a string
            raise Short from None

    def option(self, size: int = 1) -> bool:
        """Whether an optional value follows; its tag has ``size`` bytes."""
        if (tag := self.number(size)) > 1:
            raise Short
        return tag == 1


Reader = Callable[[OwnCall, Bytes], Recognised | None]
"""Decodes an instruction of one program; None for one that it does not know. Raises Short for one that the program
itself refuses."""


def by(reader: Reader, call: OwnCall) -> Recognised | None:
    """What a program's reader finds, with the number of bytes after the arguments; None if it does not know the
    instruction, or the program refuses it."""
    data = Bytes(call.data)
    try:
        found = reader(call, data)
    except Short:
        return None
    return replace(found, more=found.more + len(data.data) - data.at) if found is not None else None
