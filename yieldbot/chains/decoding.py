"""The arguments that ``decode`` passes to a chain's family, and the protocols (typing) of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.model.ids import Address, ChainId
    from yieldbot.model.settings import ChainSettings


class Decoded(Protocol):
    """A decoded call, message or transaction."""

    @property
    def dangerous(self) -> bool:
        """Whether any part of it is dangerous, so that a person should not sign it without checking."""

    def lines(self) -> Iterator[str]:
        """The decoded content as lines of text for a person."""


class Field(Protocol):
    """An argument as it is shown to a person."""

    @property
    def label(self) -> str:
        """What the value is."""

    @property
    def value(self) -> str:
        """The value, formatted."""

    @property
    def visible(self) -> bool:
        """Whether the ERC-7730 descriptor shows it."""


class DecodedCall(Decoded, Protocol):
    """A contract call or an EIP-712 message, with the calls inside its arguments."""

    @property
    def known(self) -> bool:
        """Whether the target is known."""

    @property
    def contract(self) -> str | None:
        """The target's name; None: it has none."""

    @property
    def function(self) -> str | None:
        """The function's signature, or the message's primary type; None: unknown."""

    @property
    def source(self) -> str | None:
        """What the decoding rests on: a descriptor's file, ``abis`` or ``common``; None: nothing decodes it."""

    @property
    def intent(self) -> str:
        """What it does, in a few words."""

    @property
    def fault(self) -> str | None:
        """Why it cannot be decoded further; None: it is decoded completely."""

    @property
    def owner(self) -> str | None:
        """The contract's owner by the descriptor; None: no descriptor is used."""

    @property
    def sentence(self) -> str:
        """The descriptor's own sentence, filled in with values; empty: it has none."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know in addition to the fields."""

    @property
    def dangers(self) -> tuple[str, ...]:
        """What a person should not sign without checking it."""

    @property
    def fields(self) -> Sequence[Field]:
        """The call's arguments."""

    @property
    def nested(self) -> Sequence[DecodedCall]:
        """The calls inside its arguments."""


class Instruction(Protocol):
    """One instruction of a Solana transaction."""

    @property
    def program(self) -> Address:
        """The program's address."""

    @property
    def known(self) -> bool:
        """Whether program, bytes and market are all known."""

    @property
    def contract(self) -> str | None:
        """The program's name; None: it has none."""

    @property
    def function(self) -> str | None:
        """The instruction's name; None: unknown."""

    @property
    def description(self) -> str:
        """What it does; empty if unknown."""

    @property
    def fault(self) -> str | None:
        """Why it cannot be decoded further; None: it is decoded completely."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the payer should know."""

    @property
    def dangers(self) -> tuple[str, ...]:
        """What nobody should sign without thinking."""

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """(label, value) of each argument."""


@runtime_checkable
class DecodedTransaction(Decoded, Protocol):
    """A decoded Solana transaction."""

    @property
    def payer(self) -> Address:
        """The fee payer's address."""

    @property
    def signatures(self) -> int:
        """How many signatures it needs."""

    @property
    def tables(self) -> tuple[Address, ...]:
        """Address lookup tables that it uses."""

    @property
    def instructions(self) -> Sequence[Instruction]:
        """Its instructions, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Inputs of decoding other than the chain's own settings."""

    names: Mapping[ChainId, str]
    """Names of the chains that chains/*.toml describes, by id."""
    descriptors: Callable[[], Path | None]
    """Returns the folder of ERC-7730 descriptors; None: there is none."""
    say: Callable[[str], None]
    """Called with a line for each descriptor that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDecode:
    """Bytes to decode on one chain. Each chain family refuses the arguments that do not exist on its chains."""

    chain: ChainSettings
    """The chain's settings."""
    text: Callable[[], str]
    """Returns the bytes as text: hex on EVM chains, base64 on Solana."""
    to: str | None = None
    """The contract that is called (EVM chains)."""
    sender: str | None = None
    """The caller (EVM chains)."""
    value: int = 0
    """Native value sent along, in wei (EVM chains)."""
    descriptors: bool = False
    """Whether the user named a folder of descriptors (EVM chains)."""
    known: Known
    """Names and descriptors."""


class Messages(Protocol):
    """Decodes messages to sign: JSON, as wallets show it."""

    def message_chain(self, message: Any) -> ChainId | None:
        """The chain in the message's domain; None: it names none. Raises ConfigError for JSON that is not a message."""

    def decode_message(
        self, message: Any, chain_id: ChainId | None, chain: ChainSettings | None, known: Known
    ) -> Decoded:
        """What signing the message would do. chain_id: the chain that it is for. chain: that chain's settings; None: no
        file in chains/ describes it."""
