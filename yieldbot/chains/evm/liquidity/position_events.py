"""The history of an NFT position, from the position manager's events, checked against its liquidity.

Source: INonfungiblePositionManager's IncreaseLiquidity, DecreaseLiquidity and Collect; each has the token id as its
first topic. Events are read from the newest back to the point where the position was empty, which follows from its
present liquidity less the changes since; so a missing event is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from yieldbot.books.liquidity_pnl import PositionEvent
from yieldbot.chains.evm.logs import LogPart, parts_of
from yieldbot.chains.evm.node.client import Node
from yieldbot.math.range_yield import held_against
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import PoolPosition

INCREASE = "0x3067048beee31b25b2f1681f88dac838c8bba36af25bfb2b7cf7473a5847e35f"
DECREASE = "0x26f6a048ee9138f2c0ce266f322cb99228e8d619ae2bff30c67f8dcf9d2377b4"
COLLECT = "0x40d0efd1a53d60ecbf40971b9daf7dc90178c3aadc7aab1765632738fa8b8f01"
MOST_PARTS = 300
"""Most requests for one position's events; older ones count as unknown."""


@dataclass(frozen=True, slots=True)
class PositionHistory:
    """A position's history since it was last empty. Pairs are base units of token0 and token1."""

    put: tuple[int, int]
    """Amounts added to the position's liquidity."""
    taken: tuple[int, int]
    """Amounts removed from the position's liquidity."""
    collected: tuple[int, int]
    """Amounts paid out to the owner: fees and removed liquidity."""
    since: int
    """Number of the block from which the position has had liquidity without a break."""
    grown: tuple[int, int] = (0, 0)
    """Fees that are part of its present amounts (LP tokens of a pair, whose fees stay in the pool)."""
    hashes: frozenset[str] = field(default=frozenset(), compare=False)
    """Hash of each of its transactions, in lower case; empty for LP tokens of a pair."""

    def earned(self, waiting: tuple[int, int]) -> tuple[int, int]:
        """Fees earned since then, including ``waiting``, the uncollected ones."""
        parts = zip(self.collected, waiting, self.grown, self.taken, strict=True)
        zero, one = (c + w + g - t for c, w, g, t in parts)
        return zero, one

    def impermanent_loss(self, amounts: tuple[int, int], price: float) -> float | None:
        """(value of the tokens that the position would pay out without fees) / (value of the tokens put in) - 1, see
        ``held_against``. amounts: what it would pay out now. price: token1 base units for one of token0."""
        zero, one = (a - g + t for a, g, t in zip(amounts, self.grown, self.taken, strict=True))
        return held_against((zero, one), self.put, price)


async def past_of(node: Node, position: PoolPosition, block: BlockRef) -> PositionHistory | str:
    """A position's history, or why it is unknown."""
    if position.state.pool.protocol == "uniswap_v4":
        return "Uniswap v4's events do not state what was put in"
    if position.token_id is None or position.state.manager is None:
        return "it is no position of a manager"
    topic = f"0x{position.token_id:064x}"
    found: list[Mapping[str, Any]] = []
    wanted = {"address": position.state.manager, "topics": [[INCREASE, DECREASE, COLLECT], topic]}
    end = block.height + 1
    async for part in parts_of(node, [wanted], 0, block.height, MOST_PARTS):
        if part.logs is None:
            return unread(node, part, end)
        try:
            found += sorted(part.logs[0], key=_place, reverse=True)
            past = fold(found, position.liquidity, topic)
        except (KeyError, TypeError, ValueError):
            return f"{node.host} returns events that cannot be read"
        if past is not None:
            return past
        end = part.start
    return "its events do not add up to what it holds"


def unread(node: Node, part: LogPart, end: int) -> str:
    """Why the events before block ``end`` are unknown."""
    if part.bound:
        return f"no events before block {end:,} were read: {part.why}"
    return f"{node.host} serves no events of blocks {part.start} to {part.end} ({part.why})"


def fold(logs: Sequence[Mapping[str, Any]], liquidity: int, topic: str) -> PositionHistory | None:
    """The history from a position's events, newest first, back to the point where it was empty; None if they do not
    reach it.

    Raises KeyError, TypeError or ValueError for malformed events. Pure.
    """
    put, taken, collected = [0, 0], [0, 0], [0, 0]
    before, hashes = liquidity, set[str]()
    for log in logs:
        hashes.add(str(log["transactionHash"]).lower())
        kind, (first, zero, one) = str(log["topics"][0]).lower(), _words(log)
        if str(log["topics"][1]).lower() != topic:
            raise ValueError("an event of another position")
        sums = {INCREASE: put, DECREASE: taken, COLLECT: collected}[kind]
        sums[0] += zero
        sums[1] += one
        if kind == COLLECT:
            continue
        before += first if kind == DECREASE else -first
        if before < 0:
            raise ValueError("more went in than there is")
        if kind == INCREASE and before == 0:
            pairs = ((put[0], put[1]), (taken[0], taken[1]), (collected[0], collected[1]))
            return PositionHistory(*pairs, _place(log)[0], hashes=frozenset(hashes))
    return None


def moves_in(logs: Sequence[Mapping[str, Any]], managers: frozenset[Address]) -> tuple[PositionEvent, ...]:
    """The position events in a transaction's logs, of positions at these managers, in order. Pure.

    Raises KeyError, TypeError or ValueError for malformed logs.
    """
    trusted = {manager.lower() for manager in managers}
    found = []
    for log in logs:
        topics = [str(topic).lower() for topic in log["topics"]]
        if str(log["address"]).lower() not in trusted or not {*topics[:1]} & {INCREASE, DECREASE, COLLECT}:
            continue
        first, zero, one = _words(log)
        liquidity = {INCREASE: first, DECREASE: -first, COLLECT: 0}[topics[0]]
        found.append(PositionEvent(int(topics[1], 16), liquidity, (zero, one)))
    return tuple(found)


def _words(log: Mapping[str, Any]) -> tuple[int, int, int]:
    """The data of an event: liquidity (Collect: the recipient), and amounts of token0 and token1. Raises ValueError."""
    data = bytes.fromhex(str(log["data"])[2:])
    if len(data) != 96:
        raise ValueError("an event of another shape")
    first, zero, one = (int.from_bytes(data[i : i + 32], "big") for i in (0, 32, 64))
    return first, zero, one


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    """Block number and log index."""
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)
