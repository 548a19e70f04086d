"""Contracts that answer anything: honest answers of real protocols with words changed. A market is then read, or is
quarantined with its reason; and whatever was read, deciding ends with a plan that adds up, or with Hold."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.bench.accuracy import Accuracy
from tests.kit.evm.conformance import PROTOCOLS, markets_of
from tests.kit.policies import loose
from yieldbot.app.plan_parts import plan_or_hold
from yieldbot.chains.evm.observe import observe
from yieldbot.decision.decide import decide
from yieldbot.errors import MarketError, ReadReverted
from yieldbot.model.contradiction import contradiction
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.plan import Hold, LegKind
from yieldbot.model.reads import EthCall, Flow

ODD = (0, 1, 2, 10**6, 10**18, 10**27, 2**63, 2**96 - 1, 2**127, 2**128 - 1, 2**160 - 1, 2**255, 2**256 - 1)
CHANGED = 150
"""Changed sets of answers a market."""

Rounds = list[list[bytes | None]]


async def recorded(chain: Accuracy, flow: Flow[Any], block: Any) -> Rounds:
    """What a flow is told, round by round; None where a read reverts."""
    rounds: Rounds = []
    reads = next(flow)
    while True:
        answers = await chain.node._round(reads, block)
        rounds.append([answer if isinstance(answer, bytes) else None for answer in answers])
        try:
            reads = flow.send([answer if isinstance(answer, bytes) else b"" for answer in answers])
        except StopIteration:
            return rounds


def changed(rounds: Rounds, draw: random.Random) -> Rounds:
    """A few words, or whole answers, are others."""
    made = [list(answers) for answers in rounds]
    for _ in range(draw.choice((1, 1, 2, 4))):
        answers = draw.choice([row for row in made if row])
        place = draw.randrange(len(answers))
        before = answers[place] or b""
        match draw.randrange(8):
            case 0:
                answers[place] = None
            case 1:
                answers[place] = before[: draw.randrange(len(before) + 1)]
            case 2:
                answers[place] = draw.randbytes(len(before) or 32)
            case _:
                word = draw.randrange(max(1, len(before) // 32))
                old = int.from_bytes(before[32 * word : 32 * word + 32], "big")
                near = (old + 1, max(0, old - 1), old * 2, old // 2, old * 10**9, old // 10**9)
                new = draw.choice((*ODD, *near)) % 2**256
                answers[place] = before[: 32 * word] + new.to_bytes(32, "big") + before[32 * word + 32 :]
    return made


def told(flow: Flow[Any], rounds: Rounds) -> Any:
    """What comes of a flow that is told these answers; further reads are told zeros. As the driver does it: a read that
    reverts is thrown in, and whatever the adapter raises is the market's fault."""

    def answer(reads: Sequence[EthCall], row: list[bytes | None]) -> list[bytes] | ReadReverted:
        given = [row[place] if place < len(row) else bytes(32) for place in range(len(reads))]
        if any(one is None and not read.optional for one, read in zip(given, reads, strict=True)):
            return ReadReverted("reverted")
        return [one or b"" for one in given]

    try:
        reads = next(flow)
        for number in range(50):
            said = answer(reads, rounds[number] if number < len(rounds) else [])
            reads = flow.throw(said) if isinstance(said, ReadReverted) else flow.send(said)
        raise AssertionError("the adapter never has enough")
    except StopIteration as done:
        return done.value
    except AssertionError:
        raise
    except Exception as failure:
        return failure if isinstance(failure, MarketError) else MarketError(str(failure))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_any_answers_end_in_a_state_or_in_quarantine_and_decisions_add_up(chain: Accuracy, protocol: str) -> None:
    await chain.history()
    seen = await observe(chain.node, chain.job, chain.adapters)
    adapter = chain.adapters[protocol]
    draw, read = random.Random(protocol), 0
    for market in await markets_of(chain, protocol):
        honest = await recorded(chain, adapter.observe(market, chain.owner, seen.block), seen.block)
        assert isinstance(told(adapter.observe(market, chain.owner, seen.block), honest), MarketState)
        for number in range(CHANGED):
            rounds = changed(honest, draw)
            state = told(adapter.observe(market, chain.owner, seen.block), rounds)
            if isinstance(state, MarketState) and contradiction(state) is None:
                read += 1
                adds_up(chain, replace(seen, states={**seen.states, market.id: state}), f"{market.name} {number}")
            else:
                assert isinstance(state, MarketError | MarketState)
    assert read > 10, "most changes must be readable, or nothing is tried"


def adds_up(chain: Accuracy, seen: Snapshot, what: str) -> None:
    """Deciding raises nothing; a plan moves no more than there is; it can be shown as a document."""
    decision = decide(seen, loose(horizon_days=30.0), chain.job, 1_800_000_000)
    outcome = decision.outcome
    json.dumps(plan_or_hold(outcome).model_dump(mode="json"), allow_nan=False)
    if isinstance(outcome, Hold):
        return
    idle = sum(s.held.raw for s in seen.states.values() if s.market.kind is Kind.IDLE)
    for leg in outcome.legs:
        assert leg.amount.raw > 0, what
        if leg.kind in (LegKind.WITHDRAW, LegKind.COLLECT):
            idle += leg.amount.raw
        elif leg.kind not in (LegKind.REQUEST, LegKind.CANCEL):  # these take nothing out of the wallet
            idle -= leg.amount.raw
        assert idle >= 0, what
