"""Runs flows of several kinds together: adding a flow returns a handle, which has the flow's answer once all have run,
so that answers need not be found by their position in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, Generic, Protocol, TypeVar

from yieldbot.errors import InvariantError, MarketError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.reads import Flow

T = TypeVar("T")


class Runner(Protocol):
    """What runs flows at a block: a node of either family."""

    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        """Each flow's return value, or the MarketError that ended it, in the flows' order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Handle(Generic[T]):
    """One of the flows that run together, and its answer."""

    flow: Flow[T]
    """The flow itself."""
    kept: list[T | MarketError] = field(default_factory=list, repr=False)
    """The answer, once the flow has run; ``Flows`` alone writes it."""

    @property
    def answer(self) -> T | MarketError:
        """The flow's return value, or the MarketError that ended it. Raises InvariantError before it has run."""
        if not self.kept:
            raise InvariantError("an answer was asked for before its flow ran")
        return self.kept[0]


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """Flows that run together, in the order in which they were added."""

    handles: list[Handle[Any]] = field(default_factory=list)
    """A handle for each."""

    def add(self, flow: Flow[T]) -> Handle[T]:
        """Add a flow that runs with the others; returns the handle that will have its answer."""
        handle = Handle(flow)
        self.handles.append(handle)
        return handle

    async def run(self, node: Runner, block: BlockRef) -> None:
        """Run all flows at ``block``, their reads in common rounds, and give each handle its answer. Raises
        TransientError when the node fails: then no handle has one."""
        answers = await node.run([handle.flow for handle in self.handles], block)
        for handle, answer in zip(self.handles, answers, strict=True):
            handle.kept.append(answer)
