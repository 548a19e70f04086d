"""Whatever the chain, memory, the journal and the blacklist say: no new money enters a market that an alarm names,
neither by a fresh plan nor by one that was approved before, and each sign stands in the cycle that reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.market_builder import snapshot, usdc
from tests.kit.risk.protections import JOB, NOW
from tests.property.test_allocator import states
from yieldbot.app.alarms import with_alarms
from yieldbot.app.memory import FOLDER
from yieldbot.decision.decide import decide
from yieldbot.decision.holds import still_holds
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.exchange import Price
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.policy import Policy

HOUR = 3600
AT = snapshot(0).block.timestamp
Remembered = dict[tuple[str, str], list[Reading]]


@st.composite
def seen_states(draw: st.DrawFn) -> MarketState:
    state = draw(states())
    used = draw(st.sampled_from([None, 0.5, 0.89, 0.92, 0.95, 0.99, 1.0, 1.02]))
    return replace(
        state,
        borrowed=None if used is None else usdc(float(state.supplied) * used),
        index=draw(st.sampled_from([None, 1.0, 1.001, 1.3])),
        liquidity=draw(st.sampled_from([state.liquidity, usdc(0), usdc(1_000)])),
    )


@st.composite
def views(draw: st.DrawFn) -> Snapshot:
    made = snapshot(
        draw(st.sampled_from([0.0, 40_000.0])),
        *draw(st.lists(seen_states(), min_size=1, max_size=5, unique_by=lambda one: one.market.id)),
    )
    dollar = draw(st.sampled_from([None, 1.0, 0.996, 0.994, 0.98]))
    return made if dollar is None else replace(made, pegs={made.assets[0]: Price(dollar, AT)})


@st.composite
def memories(draw: st.DrawFn) -> list[tuple[int, float | None, float | None, float | None]]:
    """(hours ago, utilisation, cash, index) of readings of every market."""
    known = st.sampled_from([None, 0.5, 0.9, 0.96, 1.0])
    row = st.tuples(
        st.integers(1, 60), known, st.sampled_from([None, 0.0, 1e5, 1e9]), st.sampled_from([None, 1.0, 1.2])
    )
    return sorted(draw(st.lists(row, max_size=6, unique_by=lambda one: one[0])), reverse=True)


def remembered(seen: Snapshot, memory: list[tuple[int, float | None, float | None, float | None]]) -> Remembered:
    return {
        (str(one.market.chain), str(one.market.id)): [
            Reading(
                key=MarketKey(chain=str(one.market.chain), market=str(one.market.id), asset="USDC"),
                time=AT - hours * HOUR, utilisation=use, cash=cash, index=index,
            )
            for hours, use, cash, index in memory
        ]
        for one in seen.markets
    }  # fmt: skip


def judged(seen: Snapshot, memory: Remembered, policy: Policy, records: list[Record]) -> tuple[Snapshot, list[Record]]:
    with TemporaryDirectory() as place:  # memory as it lies on the disk
        readings = [one for rows in memory.values() for one in rows]
        assert not readings or not Store(Path(place) / FOLDER).append(readings).failure
        found, entries = with_alarms(seen, Path(place), policy, lambda line: None, records)
    return found, [*records, *(Record(len(records) + at, AT, one) for at, one in enumerate(entries, 1))]


def expected(seen: Snapshot, state: MarketState, policy: Policy) -> set[str]:
    """Signs that the chain alone shows, said once more and otherwise."""
    found = set()
    if state.borrowed is not None and state.borrowed.raw >= 0.95 * state.supplied.raw > 0:
        found.add("UTILISATION")
    if state.held and float(state.liquidity) < 0.999 * float(state.held) and not state.opaque:
        found.add("CASH_THIN")
    if any(abs(price.usd - 1.0) >= 0.005 for price in seen.pegs.values() if price):
        found.add("PEG")
    if state.market.name in policy.blacklist:
        found.add("BLACKLIST")
    return found


@settings(max_examples=draws(60, 600), deadline=None)
@given(views(), memories(), st.booleans(), st.booleans())
def test_no_new_money_enters_where_a_sign_was_seen(
    seen: Snapshot, memory: list[tuple[int, float | None, float | None, float | None]], black: bool, twice: bool
) -> None:
    names = (seen.markets[0].market.name,) if black else ()
    policy = Policy(idle_buffer="0", blacklist=names)
    before = remembered(seen, memory)
    shown, records = judged(seen, before, policy, [])
    if twice:  # a process that starts anew, with nothing but the journal
        again, _ = judged(seen, {}, policy, records)
        assert {k: {a.code for a in s.alarms} for k, s in shown.states.items()} == {
            k: {a.code for a in s.alarms} for k, s in again.states.items()
        }
    for state in shown.markets:
        assert expected(seen, state, policy) <= {one.code for one in state.alarms}
        if any(use is not None and use >= 0.95 and hours <= 23 for hours, use, _, _ in memory):
            assert "UTILISATION" in {one.code for one in state.alarms}, "a sign since yesterday still stands"
    made = decide(shown, policy, JOB, NOW).outcome
    if not isinstance(made, Plan):
        return
    into = [leg.market_id for leg in made.legs if leg.kind is LegKind.DEPOSIT]
    assert not any(shown.of(market_id).alarms for market_id in into)
    for market_id in into[:1]:  # between approval and signing it is lent out
        state = seen.of(market_id)
        full = replace(state, borrowed=state.supplied)
        later, _ = judged(replace(seen, states={**seen.states, market_id: full}), before, policy, records)
        assert later.of(market_id).leave
        refused = still_holds(made, 0, later, policy, JOB)
        assert isinstance(refused, Declined), refused
