"""Several nodes of one Solana cluster: one is read from, and the others must agree on what matters.

Two nodes never answer for exactly the same slot, so accounts are not compared byte by byte. Instead: each node is
observed separately and the snapshots must agree (``agree``); each node simulates what a transaction does
(``execution/simulate.py``); and a transaction's outcome is believed if a quorum states it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Self, TypeVar

from yieldbot.chains.solana.node.answers import Landed
from yieldbot.chains.solana.node.client import Node
from yieldbot.errors import ConfigError, NodeRefused, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId

T = TypeVar("T")

DEPTH = {"processed": 0, "confirmed": 1, "finalized": 2}
"""Commitments in order of certainty."""


@dataclass(slots=True)
class Quorum:
    """The nodes of a cluster."""

    chain: ChainId
    """The cluster."""
    nodes: tuple[Node, ...]
    """All its nodes, the first one read from."""
    quorum: int = 1
    """How many nodes must agree."""
    private: tuple[Node, ...] = ()
    """Nodes that signed transactions go to instead of ``nodes``; none: they go to ``nodes``."""
    submit_public: bool = False
    """Whether ``nodes`` get signed transactions too when no private node takes them."""
    submit_to_all: bool = False
    """Whether private nodes and ``nodes`` get them at once (with ``submit_public``)."""
    trouble: dict[str, str] = field(default_factory=dict)
    """Why a node is left out, by its host."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*(node.aclose() for node in (*self.nodes, *self.private)), return_exceptions=True)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(host, reason) of nodes that are left out, in the order in which that happened."""
        return tuple(self.trouble.items())

    @property
    def sound(self) -> tuple[Node, ...]:
        """The nodes that are not left out."""
        return tuple(node for node in self.nodes if node.host not in self.trouble)

    @property
    def first(self) -> Node:
        """The node that is read from: the first one that is not left out. Raises TransientError if fewer than a quorum
        are left."""
        return self._enough()[0]

    def leave_out(self, node: Node, why: str) -> None:
        """Leave a node out for the rest of this connection."""
        self.trouble.setdefault(node.host, why)

    def _enough(self) -> tuple[Node, ...]:
        sound = self.sound
        if len(sound) < self.quorum:
            reasons = "; ".join(f"{host}: {why}" for host, why in self.trouble.items())
            raise TransientError(
                f"{len(sound)} of {len(self.nodes)} nodes can be used, {self.quorum} must agree ({reasons})"
            )
        return sound

    async def verify_chain(self) -> None:
        """Leave out nodes that serve another cluster. Raises ConfigError for a single node, TransientError if fewer
        than a quorum are left."""
        if len(self.nodes) == 1:
            return await self.nodes[0].verify_chain()
        await self.each(lambda node: node.verify_chain())

    async def each(self, ask: Callable[[Node], Awaitable[T]]) -> list[tuple[Node, T]]:
        """(node, answer) of every node that is not left out; one that fails is left out from now on. Raises
        TransientError if fewer than a quorum are left; a single node's own error is raised as it is."""
        nodes = self._enough()
        answers = await asyncio.gather(*(ask(node) for node in nodes), return_exceptions=True)
        given: list[tuple[Node, T]] = []
        for node, answer in zip(nodes, answers, strict=True):
            if isinstance(answer, TransientError | ConfigError):
                if len(self.nodes) == 1:
                    raise answer
                self.leave_out(node, str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                given.append((node, answer))
        self._enough()
        return given

    async def agreed(self, ask: Callable[[Node], Awaitable[T]], apart: Callable[[T, T], str | None], name: str) -> T:
        """The answer that agrees with those of a quorum; nodes that differ from it are left out.

        Every node is asked, since no two answer for the same slot. apart: why two answers cannot be of one chain; None
        if they can. name: the chain's, for messages. Raises TransientError if no quorum agrees.
        """
        answers = await self.each(ask)
        if len(answers) == 1 and self.quorum == 1:
            return answers[0][1]
        votes = [(sum(apart(mine, other) is None for _, other in answers), mine) for _, mine in answers]
        count, chosen = max(votes, key=lambda vote: vote[0])
        if count < self.quorum:
            host = next(node.host for node, mine in answers if mine is chosen)
            whys = [f"{node.host} against {host}: {why}" for node, other in answers if (why := apart(chosen, other))]
            raise TransientError(
                f"{name}: {count} of {len(answers)} nodes agree, {self.quorum} must ({'; '.join(whys)})"
            )
        for node, answer in answers:
            if (why := apart(chosen, answer)) is not None:
                self.leave_out(node, why)
        return chosen

    async def landed(self, signature: str, *, history: bool = False) -> Landed | None:
        """The status of a signature by a quorum: the slot and error that a quorum of nodes give, with the highest
        commitment that a quorum has reached. None while no quorum knows it or agrees."""
        known = [
            answer for _, answer in await self.each(lambda node: node.landed(signature, history=history)) if answer
        ]
        votes = Counter((one.slot, repr(one.error)) for one in known)
        for key, count in votes.most_common(1):
            if count >= self.quorum:
                agreed = [one for one in known if (one.slot, repr(one.error)) == key]
                agreed.sort(key=lambda one: DEPTH.get(one.commitment, 0), reverse=True)
                return agreed[self.quorum - 1]
        return None

    async def unknown(self, signature: str) -> bool:
        """Whether no node knows a signature, in everything that it keeps. Raises TransientError if fewer than a quorum
        answer."""
        answers = await self.each(lambda node: node.landed(signature, history=True))
        return all(answer is None for _, answer in answers)

    async def height(self, commitment: str) -> int:
        """The highest block height that a quorum has reached at a commitment."""
        heights = sorted((h for _, h in await self.each(lambda node: node.height(commitment))), reverse=True)
        return heights[self.quorum - 1]

    async def transaction(self, signature: str, commitment: str) -> Mapping[str, Any] | None:
        """A landed transaction (see ``Node.transaction``) whose slot, error, fee and balances a quorum gives; None
        while none does."""
        known = [t for _, t in await self.each(lambda node: node.transaction(signature, commitment)) if t]
        votes = Counter(_balances(one) for one in known)
        for key, count in votes.most_common(1):
            if count >= self.quorum:
                return next(one for one in known if _balances(one) == key)
        return None

    async def unit_prices(self, writable: Sequence[Address]) -> list[int]:
        """Prices recently paid (see ``Node.recent_unit_prices``), from the first node only: our ceilings limit their
        effect."""
        return await self.first.recent_unit_prices(writable)

    async def send(self, raw: bytes) -> None:
        """Send signed bytes as the settings say. Raises the first refusal, or else the first error, if no node accepts
        them."""
        stages = [self.private] if self.private else []
        if not self.private or self.submit_public:
            stages.append(self.nodes)
        if self.submit_to_all and len(stages) > 1:
            stages = [(*self.private, *self.nodes)]
        failures: list[BaseException] = []
        for stage in stages:
            answers = await asyncio.gather(*(node.send(raw) for node in stage), return_exceptions=True)
            failures += [answer for answer in answers if isinstance(answer, BaseException)]
            if any(isinstance(answer, str) for answer in answers):
                return
        refused = [failure for failure in failures if isinstance(failure, NodeRefused)]
        raise (refused or failures)[0]


def _balances(landed: Mapping[str, Any]) -> str:
    meta = landed["meta"]
    return repr([landed.get("slot")] + [meta.get(k) for k in ("err", "fee", "preBalances", "postBalances")])
