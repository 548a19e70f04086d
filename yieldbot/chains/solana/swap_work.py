"""A planned swap on Solana as executable work: one instruction for each part, all in one transaction, from the newest
pools."""

from __future__ import annotations

from dataclasses import replace

from yieldbot.chains.conversions import Conversion, conversion_of, parts_with_least
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Kind, Market, Snapshot
from yieldbot.model.plan import Leg, Plan
from yieldbot.model.policy import Base
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols import svm_exchanges

MOST_PARTS = 2
"""Most swaps that fit into one transaction."""


def swap_work(plan: Plan, index: int, leg: Leg, snapshot: Snapshot, base: Base, now: int) -> LegWork:
    """The leg with its instructions. now: unix seconds by the clock that the plan expires by.

    Raises SafetyError if the pools or the prices no longer give what was approved.
    """
    made = conversion_of(leg, snapshot, base)
    if len(made.route.parts) > MOST_PARTS:
        made = conversion_of(leg, _narrowed(snapshot, made), base)
    calls, terms = list[SvmInstruction](), list[SwapTerms]()
    tags: dict[Address, frozenset[bytes]] = {}
    for part, least in parts_with_least(made):
        (pool,) = part.pools
        adapter = svm_exchanges()[pool.protocol]
        calls.append(adapter.swap(pool, part.taken, least, plan.owner))
        terms.append(SwapTerms(part.pools, part.taken, least))
        for program, allowed in adapter.tags(pool).items():
            tags[program] = tags.get(program, frozenset()) | allowed
    name = " and ".join(dict.fromkeys(part.pools[0].name for part in made.route.parts))
    token = leg.amount.token
    return LegWork(
        index=index,
        leg=replace(leg, gets=made.least),
        market=Market(
            leg.market_id, "swap", Kind.EXCHANGE, snapshot.block.chain, name, token, terms[0].pools[0].address
        ),
        calls=tuple(calls),
        share_token=None,
        tags=tags,
        token_program=TOKEN_PROGRAM,
        share_program=TOKEN_PROGRAM,
        swaps=tuple(terms),
        expires_at=min(plan.expires_at, now + base.deadline_seconds),
    )


def _narrowed(snapshot: Snapshot, made: Conversion) -> Snapshot:
    """The snapshot with only the pools of the MOST_PARTS largest parts."""
    assert snapshot.exchange is not None  # it was swapped in
    kept = {part.pools[0].address for part in made.route.parts[:MOST_PARTS]}
    states = tuple(state for state in snapshot.exchange.states if state.pool.address in kept)
    return replace(snapshot, exchange=replace(snapshot.exchange, states=states))
