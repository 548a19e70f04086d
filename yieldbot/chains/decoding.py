"""What is asked of a wing that says in words what somebody is to sign, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from yieldbot.model.ids import Address, ChainId
    from yieldbot.model.settings import ChainSettings


class Decoded(Protocol):
    """What a call, a message or a transaction says."""

    @property
    def dangerous(self) -> bool:
        """Whether nobody should sign it without thinking."""

    def lines(self) -> Iterator[str]:
        """It in lines, for a person."""


class Field(Protocol):
    """An argument, as it is shown."""

    @property
    def label(self) -> str: ...

    @property
    def value(self) -> str: ...

    @property
    def visible(self) -> bool:
        """Whether the descriptor shows it to everybody."""


class DecodedCall(Decoded, Protocol):
    """A call of a contract, or a typed message, with the calls within its bytes."""

    @property
    def known(self) -> bool: ...

    @property
    def contract(self) -> str | None: ...

    @property
    def function(self) -> str | None: ...

    @property
    def source(self) -> str | None: ...

    @property
    def intent(self) -> str: ...

    @property
    def fault(self) -> str | None: ...

    @property
    def owner(self) -> str | None: ...

    @property
    def sentence(self) -> str: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def dangers(self) -> tuple[str, ...]: ...

    @property
    def fields(self) -> Sequence[Field]: ...

    @property
    def nested(self) -> Sequence[DecodedCall]: ...


class Instruction(Protocol):
    """One instruction of a transaction."""

    @property
    def program(self) -> Address: ...

    @property
    def known(self) -> bool: ...

    @property
    def contract(self) -> str | None: ...

    @property
    def function(self) -> str | None: ...

    @property
    def description(self) -> str: ...

    @property
    def fault(self) -> str | None: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def dangers(self) -> tuple[str, ...]: ...

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        """Labels and values."""


@runtime_checkable
class DecodedTransaction(Decoded, Protocol):
    """A whole transaction: several instructions."""

    @property
    def payer(self) -> Address: ...

    @property
    def signatures(self) -> int: ...

    @property
    def tables(self) -> tuple[Address, ...]: ...

    @property
    def instructions(self) -> Sequence[Instruction]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside the chain itself."""

    names: Mapping[ChainId, str]
    """What the chains are called that files describe."""
    descriptors: Callable[[], Path | None]
    """Finds the folder of ERC-7730 descriptors; None: there is none."""
    say: Callable[[str], None]
    """Is told of descriptors that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDecode:
    """Bytes that somebody would sign or send, on one chain. Wings refuse what means nothing on their chains."""

    chain: ChainSettings
    text: Callable[[], str]
    """Gives the bytes as they are written."""
    to: str | None = None
    """Whom they call."""
    sender: str | None = None
    """Who calls."""
    value: int = 0
    """How much of the chain's coin is sent along, in base units."""
    descriptors: bool = False
    """Whether a folder of descriptors was asked for by name."""
    known: Known


class Messages(Protocol):
    """Reads messages to sign: JSON, as wallets show it."""

    def message_chain(self, message: Any) -> ChainId | None:
        """The chain that a message is for, by its own word; None: of none. Raises ConfigError for no message."""

    def decode_message(
        self, message: Any, chain_id: ChainId | None, chain: ChainSettings | None, known: Known
    ) -> Decoded:
        """What signing it means. chain_id: the chain's; chain: what its file says, None where no file does."""
