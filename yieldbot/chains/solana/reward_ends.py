"""Reads, with each look, when the reward programmes of markets end: farms and emissions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.errors import MarketError, TransientError
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.text import one_line
from yieldbot.protocols.solana.reward_ends import FARMS_PROGRAM, RewardEnd, bank_ends, farm_ends, farm_of

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.controls import Look
    from yieldbot.model.market import Snapshot


async def with_reward_ends(node: Node, snapshot: Snapshot, look: Look) -> Look:
    """The look with the ends of reward programmes that pay now. What cannot be read is named in a note."""
    markets = {m: s.market for m, s in snapshot.states.items() if s.market.protocol in ("kamino_lend", "marginfi")}
    found: dict[MarketId, tuple[RewardEnd, ...]] = {}
    try:
        images = await node.accounts([Address(one.address) for one in markets.values()]) if markets else {}
        data = {m: i.data for m, one in markets.items() if (i := images.get(Address(one.address))) is not None}
        reserves = [m for m in data if markets[m].protocol == "kamino_lend"]
        lent = {m: found_farm for m in reserves if (found_farm := farm_of(data[m])) is not None}
        farms = await node.accounts(list(dict.fromkeys(lent.values()))) if lent else {}
        for market, bytes_ in data.items():
            farm = farms.get(lent[market]) if market in lent else None
            if markets[market].protocol == "marginfi":
                found[market] = bank_ends(bytes_, look.time)
            elif farm is not None and farm.program == FARMS_PROGRAM:
                found[market] = farm_ends(farm.data, look.time)
            elif market not in lent:
                found[market] = ()
    except (MarketError, TransientError) as failure:
        note = f"when rewards end was not read: {one_line(str(failure), 200)}"
        return replace(look, notes=(*look.notes, note))
    ends = {market: tuple((str(one.mint), one.at) for one in many) for market, many in found.items()}
    return replace(look, reward_ends=ends)
