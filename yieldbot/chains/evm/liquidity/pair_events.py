"""The history of our LP tokens of a Uniswap v2 pair, from the pair's events, checked against our balance.

Source: UniswapV2Pair (v2 core 1.0.1): mint emits Transfer from the zero address, then Mint with both amounts; burn
emits Transfer of the LP tokens to the zero address, then Burn. Fees stay in the pair, and only they let sqrt(amount0
amount1) of an LP token grow: growth beyond the root of what was put in is fees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.liquidity.position_events import MOST_PARTS, PositionHistory, unread
from yieldbot.chains.evm.logs import parts_of
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import PoolPosition

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
MINT = "0x4c209b5fc8ad50758f13e2e1088ba56a560dff690a1c6fef26394f4c03821c4f"
BURN = "0xdccd412f0b1252819cb1fd330b93224ca42612892bb3f4f789976e6d81936496"
NOBODY = "0x" + 64 * "0"


@dataclass(frozen=True, slots=True)
class ShareChange:
    """One change of our LP tokens."""

    height: int
    """Number of the block of the change."""
    shares: int
    """LP tokens minted (positive) or burnt (negative), in base units."""
    amounts: tuple[int, int]
    """Base units of token0 and token1 paid in, or paid out."""


async def past_of_shares(node: Node, position: PoolPosition, owner: Address, block: BlockRef) -> PositionHistory | str:
    """The history of our LP tokens of a pair, or why it is unknown."""
    pair, ours = position.state.pool.address, _topic(owner)
    steps: list[ShareChange] = []  # the newest first
    left, end = position.shares, block.height + 1
    sides = [{"address": pair, "topics": topics} for topics in ([TRANSFER, ours], [TRANSFER, None, ours])]
    async for part in parts_of(node, sides, 0, block.height, MOST_PARTS):
        if part.logs is None:
            return unread(node, part, end)
        found = [log for logs in part.logs for log in logs]
        try:
            places = {str(log["transactionHash"]): _place(log) for log in found}
            for name in sorted(places, key=lambda name: places[name], reverse=True):
                receipt = await node.request("eth_getTransactionReceipt", [name])
                made = list(steps_of(receipt["logs"], pair, ours))
                for step in reversed(made):
                    if isinstance(step, str):
                        return step
                    steps.append(step)
                    left -= step.shares
                    if not left:
                        return past_from(reversed(steps), position)
        except TransientError as refusal:
            return f"{node.host} serves no receipt of block {part.start} to {part.end} ({refusal})"
        except (KeyError, TypeError, ValueError, IndexError):
            return f"{node.host} returns events that cannot be read"
        end = part.start
    return "its events do not add up to what it holds"


def steps_of(logs: Sequence[Mapping[str, Any]], pair: Address, ours: str) -> Iterator[ShareChange | str]:
    """What one transaction did to our LP tokens, in order; a message in place of a step whose amounts no event states
    (LP tokens transferred between accounts). Pure. Raises KeyError or ValueError for malformed events."""
    at, sent, came = _topic(pair), 0, 0
    minted = burnt = ("", 0)
    for log in sorted((one for one in logs if str(one["address"]).lower() == pair.lower()), key=_place):
        kind, words = str(log["topics"][0]).lower(), _words(str(log["data"]))
        if kind == TRANSFER:
            source, target = (str(topic).lower() for topic in log["topics"][1:3])
            if source == NOBODY:
                minted = (target, words[0])
                came += words[0] if target == ours else 0
            elif (source, target) == (at, NOBODY):
                burnt = (source, words[0])
            elif source == ours and target == at:
                sent += words[0]
            elif ours in (source, target) and source != target:
                yield "shares came from another account, or went to one"
                return
        elif kind == MINT and minted[0] == ours:
            came -= minted[1]
            yield ShareChange(_place(log)[0], minted[1], (words[0], words[1]))
        elif kind == BURN and burnt[1] == sent:
            yield ShareChange(_place(log)[0], -sent, (words[0], words[1]))
            sent = 0
    if sent or came:
        yield "LP tokens moved, and no event states the amounts"


def past_from(steps: Iterable[ShareChange], position: PoolPosition) -> PositionHistory:
    """The history, from its steps in order. Pure."""
    put, taken, paid = [0, 0], [0, 0], [0, 0]
    shares, root, since = 0, 0.0, 0
    for step in steps:
        since = since or step.height
        of_it = math.sqrt(step.amounts[0] * step.amounts[1])
        if step.shares > 0:
            put = [a + b for a, b in zip(put, step.amounts, strict=True)]
            root += of_it
        else:
            gone = root * -step.shares / shares
            fees = _fees(step.amounts, gone, of_it)
            taken = [t + a - f for t, a, f in zip(taken, step.amounts, fees, strict=True)]
            paid = [p + a for p, a in zip(paid, step.amounts, strict=True)]
            root -= gone
        shares += step.shares
    grown = _fees(position.amounts, root, math.sqrt(position.amounts[0] * position.amounts[1]))
    return PositionHistory((put[0], put[1]), (taken[0], taken[1]), (paid[0], paid[1]), since, grown)


def _fees(amounts: tuple[int, int], root: float, now: float) -> tuple[int, int]:
    """The part of both amounts above ``root``, which is sqrt(amount0 amount1) of what was put in."""
    part = max(0.0, 1.0 - root / now) if now else 0.0
    return round(amounts[0] * part), round(amounts[1] * part)


def _topic(address: str) -> str:
    """An address as an event topic."""
    return "0x" + address[2:].lower().rjust(64, "0")


def _words(data: str) -> list[int]:
    """The numbers in an event's data."""
    raw = bytes.fromhex(data[2:])
    return [int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32)]


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    """Block number and log index."""
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)
