"""The interface (typing.Protocol) of readers of EVM registries, and what several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthLog, Flow
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.reads import Reads

WORD = 32
LONGEST_NAME = 48
"""Most characters of a name or symbol."""
SLICE = 500
"""Entries of a list that are read at once."""
MOST_LISTED = 20_000
"""Most entries of a list that is read from its contract."""
MOST_SUPPLIED = 2**128
"""Amounts of at least this are taken for nonsense, in base units."""


class RegistryReader(Protocol):
    """Reads one kind of registry. Pure: flows yield reads."""

    kind: ClassVar[str]
    """Its name, as [[registries]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of a [[registries]] table."""
    address_key: ClassVar[str]
    """The key that names the registry's contract."""
    topics: ClassVar[tuple[bytes, ...]]
    """First topics of its events; empty: its list is read from the contract."""

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        """The markets that an event names. Raises ValueError for an event that cannot be of this registry."""

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        """The registry's whole list, where ``topics`` is empty."""

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        """What the contracts say of one listed market, whether the registry knows it above all."""

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        """The row of a chain's file that names the market; None: no adapter reads it."""


class NoEvents:
    """A reader whose list is read from the contract."""

    topics: ClassVar[tuple[bytes, ...]] = ()

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        raise ValueError("this registry has no events")


class NoList:
    """A reader that has only events."""

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        yield []
        return ()


class Table(BaseModel):
    """Keys of a [[registries]] table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


@cache
def topic(signature: str) -> bytes:
    """The first topic of an event: keccak-256 of its signature."""
    return keccak(signature.encode())


def address_of(word: bytes) -> Address:
    """The address in a word. Raises ValueError if the word is none."""
    if len(word) != WORD or any(word[:12]):
        raise ValueError("a word is no address")
    return checksum("0x" + word[12:].hex())


def word(log: EthLog, place: int) -> bytes:
    """The word at a place of an event's data. Raises ValueError if the data is shorter."""
    if len(log.data) < WORD * (place + 1):
        raise ValueError("an event is too short")
    return log.data[WORD * place : WORD * (place + 1)]


def addresses(values: Sequence[Any]) -> tuple[Listed, ...]:
    """Entries of a list of addresses, each once, without the zero address."""
    found = dict.fromkeys(checksum(str(one)) for one in values[:MOST_LISTED])
    return tuple(Listed(one) for one in found if int(one, 16))


def whole_list(registry: Registry, function: str) -> Flow[tuple[Listed, ...]]:
    """The list that one function returns."""
    (answer,) = yield [abi("registries").read(registry.address, function)]
    return addresses(abi("registries").decode(function, answer)[0])


def sliced_list(registry: Registry, length: str, part: str) -> Flow[tuple[Listed, ...]]:
    """The list of a contract that returns it in slices."""
    of = abi("registries")
    (answer,) = yield [of.read(registry.address, length)]
    count = min(of.one(length, answer), MOST_LISTED)
    reads = [of.read(registry.address, part, start, min(start + SLICE, count)) for start in range(0, count, SLICE)]
    if not reads:
        return ()
    answers = yield reads
    return addresses([one for answer in answers for one in of.decode(part, answer)[0]])


def amount_of(answer: bytes, function: str = "totalAssets") -> int:
    """An amount in base units; 0 for an answer that is missing or is nonsense."""
    try:
        found = int(abi("registries").one(function, answer)) if answer else 0
    except (ValueError, TypeError, OverflowError):
        return 0
    return found if found < MOST_SUPPLIED else 0


def text_of(answer: bytes) -> str:
    """A string answer as one line, with the letters of any script, so that look-alikes are recognised. Old tokens
    answer bytes32. Empty: it cannot be decoded."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        found = answer.rstrip(b"\0").decode() if len(answer) == WORD else str(decode(["string"], answer)[0])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""
    return one_line(found, LONGEST_NAME)


def vault(
    registry: Registry, key: str, known_by: str | None, curated_by: str = "", named_by: str = "name"
) -> Flow[FoundMarket]:
    """An ERC-4626 vault. known_by: the registry's function that says whether it knows the vault; None: the list was
    read from it. curated_by: the vault's function that returns its curator."""
    of, at, reads = abi("registries"), checksum(key), Reads()
    there = reads.add(of.read(registry.address, known_by, at)) if known_by else None
    asset = reads.add(of.read(at, "asset", optional=True))
    name = reads.add(of.read(at, named_by, optional=True))
    supplied = reads.add(of.read(at, "totalAssets", optional=True))
    curator = reads.add(of.read(at, curated_by, optional=True)) if curated_by else None
    yield from reads.made()
    if there is not None and known_by and not of.one(known_by, there.data):
        return denied(registry, key)
    if not asset.data:
        return FoundMarket(key=at, fault="it names no asset")
    return FoundMarket(
        key=at,
        asset=of.one("asset", asset.data),
        name=text_of(name.data),
        supplied_raw=amount_of(supplied.data),
        curator=curator_of(curator.data if curator else b"", curated_by),
    )


def curator_of(answer: bytes, function: str) -> str:
    """The address in an optional answer; empty: none, or nobody."""
    if not answer:
        return ""
    found = str(abi("registries").one(function, answer))
    return found if int(found, 16) else ""


def denied(registry: Registry, key: str) -> FoundMarket:
    """A market that its registry does not know."""
    return FoundMarket(key=key, fault=f"{registry.name} does not know it", denied=True)
