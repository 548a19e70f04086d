"""What is asked of a wing that says in words what somebody is to sign, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from yieldbot.model.ids import ChainId
    from yieldbot.model.settings import ChainSettings


class Decoded(Protocol):
    """What a call, a message or a transaction says."""

    @property
    def dangerous(self) -> bool:
        """Whether nobody should sign it without thinking."""

    def lines(self) -> Iterator[str]:
        """It in lines, for a person."""


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
