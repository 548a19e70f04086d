"""A planned swap as executable work: the calls of each part, from the newest pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.convert import Conversion
from yieldbot.chains.conversions import conversion_of, parts_with_least
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.swaps import MOST_DEADLINE_SECONDS
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.market import Kind, Market, Snapshot
from yieldbot.model.plan import Leg, Plan
from yieldbot.model.policy import Base
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import exchanges


def swap_work(plan: Plan, index: int, leg: Leg, snapshot: Snapshot, base: Base, now: int) -> LegWork:
    """The leg with its calls. now: unix seconds by the clock that the plan expires by; the calls' deadline is in the
    chain's time.

    Raises SafetyError if the pools or the prices no longer give what was approved.
    """
    made = conversion_of(leg, snapshot, base)
    lasts_seconds = max(1, min(lasting(_calls(made, plan.owner, 0), base), plan.expires_at - now))
    calls, terms = _calls(made, plan.owner, snapshot.block.timestamp + lasts_seconds), list[SwapTerms]()
    targets: dict[Address, frozenset[bytes]] = {}
    spenders: list[Address] = []
    for part, least in parts_with_least(made):
        adapter = exchanges()[part.pools[0].protocol]
        terms.append(SwapTerms(part.pools, part.taken, least))
        for address, selectors in adapter.targets(part.pools).items():
            targets[address] = targets.get(address, frozenset()) | selectors
        spenders += adapter.spenders(part.pools)
    wanted = made.least.token
    pools = [pool for part in made.route.parts for pool in part.pools]
    name = " and ".join(dict.fromkeys(pool.name for pool in pools))
    tokens = {token.address for pool in pools for token in (pool.token0, pool.token1)}
    return LegWork(
        index=index,
        leg=replace(leg, gets=made.least),
        market=Market(leg.market_id, "swap", Kind.EXCHANGE, snapshot.block.chain, name, leg.amount.token, spenders[0]),
        calls=tuple(calls),
        share_token=None,
        targets=targets,
        spenders=tuple(dict.fromkeys(spenders)),
        swaps=tuple(terms),
        lasts_seconds=lasts_seconds,
        known=frozenset({*tokens, *(pool.address for pool in pools), wanted.address}),
    )


def _calls(made: Conversion, owner: Address, deadline: int) -> list[EvmCall]:
    found = []
    for part, least in parts_with_least(made):
        adapter = exchanges()[part.pools[0].protocol]
        found += [replace(c, least=least) for c in adapter.swap(part.pools, part.taken, least, owner, deadline)]
    return found


def lasting(calls: Sequence[EvmCall], base: Base) -> int:
    """Seconds until the deadline of the leg's calls: ``deadline_seconds`` for each of its transactions, allowances
    included. Each one begins when the one before it is final, which takes minutes on some chains."""
    count = sum(1 + (call.allowance is not None) for call in calls)
    return min(count * base.deadline_seconds, MOST_DEADLINE_SECONDS)
