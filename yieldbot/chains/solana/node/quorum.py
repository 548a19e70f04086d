"""Several nodes of one Solana cluster: one that is read from, the others that must say the same where it matters.

Two nodes never answer for exactly the same slot, so that accounts are not compared byte by byte. What decides is:
each node is observed by itself and the snapshots must agree (``agree``); what a transaction does is simulated by each
(``execution/simulate.py``); and what became of a transaction is believed when a quorum says it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from yieldbot.chains.solana.node.client import Landed, Node
from yieldbot.errors import ConfigError, NodeRefused, TransientError
from yieldbot.model.ids import Address, ChainId

T = TypeVar("T")

DEPTH = {"processed": 0, "confirmed": 1, "finalized": 2}


@dataclass(slots=True)
class Quorum:
    """The nodes of a cluster. ``quorum``: how many must agree. ``private``: where signed bytes go instead, if any."""

    chain: ChainId
    nodes: tuple[Node, ...]
    quorum: int = 1
    private: tuple[Node, ...] = ()
    submit_public: bool = False
    submit_to_all: bool = False
    trouble: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*(node.aclose() for node in (*self.nodes, *self.private)), return_exceptions=True)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """(host, why) of nodes that were not believed, in the order of their first fault."""
        return tuple(self.trouble.items())

    @property
    def sound(self) -> tuple[Node, ...]:
        """The nodes that nothing has been held against."""
        return tuple(node for node in self.nodes if node.host not in self.trouble)

    @property
    def first(self) -> Node:
        """The node that is read from: the first one not left out. Raises TransientError below the quorum."""
        return self._enough()[0]

    def leave_out(self, node: Node, why: str) -> None:
        """Hold something against a node, for the rest of this connection."""
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
        """Leave out nodes that serve another cluster; with one node alone its ConfigError goes up."""
        if len(self.nodes) == 1:
            return await self.nodes[0].verify_chain()
        await self.each(lambda node: node.verify_chain())

    async def each(self, ask: Callable[[Node], Awaitable[T]]) -> list[tuple[Node, T]]:
        """What every sound node answers; one that fails is left out. Raises TransientError below the quorum."""
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
        """What a quorum of the nodes shows, each asked by itself, for no two answer at the same slot. ``apart``: why
        two answers are not of one chain, None when they are; ``name``: the chain's. A node that differs is left out.
        Raises TransientError below the quorum."""
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
        """What a quorum says became of a signature, at the least commitment among those that say it; None while fewer
        know it, or they differ."""
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
        """Whether a quorum knows nothing of a signature in all the history that it keeps, and nobody knows more."""
        answers = await self.each(lambda node: node.landed(signature, history=True))
        return all(answer is None for _, answer in answers)

    async def height(self, commitment: str) -> int:
        """The block height that a quorum has reached at a commitment."""
        heights = sorted((h for _, h in await self.each(lambda node: node.height(commitment))), reverse=True)
        return heights[self.quorum - 1]

    async def transaction(self, signature: str, commitment: str) -> Mapping[str, Any] | None:
        """A landed transaction with its balances, as a quorum tells them; None while fewer know it."""
        known = [t for _, t in await self.each(lambda node: node.transaction(signature, commitment)) if t]
        votes = Counter(_balances(one) for one in known)
        for key, count in votes.most_common(1):
            if count >= self.quorum:
                return next(one for one in known if _balances(one) == key)
        return None

    async def unit_prices(self, writable: Sequence[Address]) -> list[int]:
        """What was paid for compute units of late, as the first node tells: a price, bounded by the policy."""
        return await self.first.recent_unit_prices(writable)

    async def send(self, raw: bytes) -> None:
        """Submit signed bytes to the private nodes, else to all. Raises the first error when nobody takes them."""
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
