"""The reads of one round, each with a handle that has its answer once the round is made, so that answers need not be
found by their position in a list."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import field
from typing import TypeVar

from yieldbot.model.dataclass import dataclass
from yieldbot.model.reads import Flow, Read

T = TypeVar("T")
R = TypeVar("R", bound=Read)


@dataclass(frozen=True, slots=True, eq=False)
class ReadHandle:
    """One read, and its answer."""

    read: Read
    """The read."""
    kept: list[bytes] = field(default_factory=list, repr=False)
    """The answer, once the round is made; ``Reads`` alone writes it."""

    @property
    def data(self) -> bytes:
        """The answer's bytes. Raises ValueError before the round is made."""
        if not self.kept:
            raise ValueError("an answer was asked for before its round was made")
        return self.kept[0]


@dataclass(frozen=True, slots=True, eq=False)
class GroupHandle:
    """Several reads whose answers are decoded together."""

    handles: tuple[ReadHandle, ...]
    """A handle for each, in the decoder's order."""

    @property
    def data(self) -> list[bytes]:
        """The answers in that order. Raises ValueError before the round is made."""
        return [handle.data for handle in self.handles]


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """The reads of one round, made in the order in which they were added."""

    handles: list[ReadHandle] = field(default_factory=list)
    """A handle for each."""

    def add(self, read: Read) -> ReadHandle:
        """Add a read that is made with the others; returns the handle that will have its answer."""
        handle = ReadHandle(read)
        self.handles.append(handle)
        return handle

    def group(self, reads: Iterable[Read]) -> GroupHandle:
        """Add several reads that are made with the others and whose answers belong together."""
        return GroupHandle(tuple([self.add(read) for read in reads]))

    def made(self) -> Flow[None]:
        """Makes the round: ``yield from reads.made()`` in a flow."""
        answers = yield [handle.read for handle in self.handles]
        for handle, answer in zip(self.handles, answers, strict=True):
            handle.kept.append(answer)


def side_by_side(
    flows: Sequence[Generator[Sequence[R], Sequence[bytes], T]],
) -> Generator[Sequence[R], Sequence[bytes], list[T]]:
    """Several flows as one, whose rounds are made together; the results in the order of the flows."""
    found: dict[int, T] = {}
    wanted: dict[int, Sequence[R]] = {}

    def step(place: int, answers: Sequence[bytes] | None) -> None:
        try:
            wanted[place] = flows[place].send(answers)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as done:
            wanted.pop(place, None)
            found[place] = done.value

    for place in range(len(flows)):
        step(place, None)
    while wanted:
        asked = list(wanted.items())
        answers = yield [read for _, reads in asked for read in reads]
        at = 0
        for place, reads in asked:
            step(place, answers[at : at + len(reads)])
            at += len(reads)
    return [found[place] for place in range(len(flows))]
