"""Orders to leave markets: which stand, what they say of a market, and what they keep out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.kit.market_builder import USDC, market, snapshot
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.allocator.exits import ORDERED, to_be_left
from yieldbot.decision.decide import decide, decide_exits
from yieldbot.decision.orders import all_of, only, with_orders
from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered
from yieldbot.journal.fold import Record, fold_orders
from yieldbot.journal.journal_entries import JournalEntry
from yieldbot.journal.store import Journal
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import Address
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.risk import Act, Alarm

A = market("a", ConstantCurve(0.10), held=5_000)
B = market("b", ConstantCurve(0.05), held=7_000)
OVER_A = market("over a", ConstantCurve(0.09), pools=frozenset({"a", "x"}))
SEEN = snapshot(1_000, A, B, OVER_A)
POLICY = loose(idle_buffer="0")


def order(market_id: str, name: str = "a", *, time: int = NOW, owner: Address = SEEN.owner) -> ExitOrdered:
    fields = {"market_id": market_id, "name": name, "by": "terminal", "into": ""}
    return ExitOrdered(chain=SEEN.block.chain, owner=owner, time=time, **fields)


def lifted(market_id: str) -> ExitLifted:
    return ExitLifted(chain=SEEN.block.chain, owner=SEEN.owner, market_id=market_id, by="terminal")


def records(*entries: JournalEntry) -> list[Record]:
    return [Record(index + 1, NOW, entry) for index, entry in enumerate(entries)]


def test_an_order_stands_until_it_is_lifted(tmp_path: Path) -> None:
    first, again, other = order("lend/1/a", time=5), order("lend/1/a", time=9), order("lend/1/b", "b")
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: NOW) as journal:
        journal.append(first, other, again, order("lend/1/a", owner=Address("0x" + "22" * 20)))
        stands = fold_orders(journal.history(), SEEN.block.chain, SEEN.owner)
        assert list(stands) == ["lend/1/a", "lend/1/b"] and stands["lend/1/a"] == replace(again, time=5)
        journal.append(lifted("lend/1/a"))
        assert list(fold_orders(journal.history(), SEEN.block.chain, SEEN.owner)) == ["lend/1/b"]
        assert journal.verify() == 5


def test_its_market_is_left_and_nothing_goes_in_nor_into_what_ends_in_the_same_pool() -> None:
    seen = with_orders(SEEN, records(order(A.market.id)))
    (alarm,) = seen.of(A.market.id).alarms
    assert (alarm.code, alarm.act, alarm.since) == (
        ORDERED,
        Act.LEAVE,
        NOW,
    ) and '`yieldbot exit "a" --stop`' in alarm.saw
    (wrapped,) = seen.of(OVER_A.market.id).alarms
    assert wrapped.act is Act.STOP and "pool of a" in wrapped.saw and not seen.of(B.market.id).alarms
    assert with_orders(seen, records(order(A.market.id))) == seen, "twice is once"
    assert with_orders(SEEN, records(order(A.market.id), lifted(A.market.id))) == SEEN
    assert [state.market.name for state in to_be_left(seen)] == ["a"]
    made = decide(seen, POLICY, JOB, NOW).outcome
    assert isinstance(made, Plan) and [(leg.kind, leg.market_id) for leg in made.legs] == [
        (LegKind.WITHDRAW, A.market.id)
    ]
    gone = with_orders(snapshot(6_000, replace(A, held=A.held - A.held), B, OVER_A), records(order(A.market.id)))
    then = decide(gone, POLICY, JOB, NOW).outcome
    assert isinstance(then, Plan) and {leg.market_id for leg in then.legs} == {B.market.id}, "the rest earns elsewhere"


def test_an_order_for_all_leaves_every_market_and_lets_nothing_in() -> None:
    told = records(order(all_of(USDC), "all"))
    seen = with_orders(SEEN, told)
    assert {state.market.name for state in to_be_left(seen)} == {"a", "b"} and "exit all --stop" in str(seen.states)
    empty = snapshot(13_000, *(replace(state, held=state.held - state.held) for state in (A, B, OVER_A)))
    made = decide(with_orders(empty, told), POLICY, JOB, NOW).outcome
    assert isinstance(made, Hold)


def test_what_was_not_named_is_not_left_by_a_persons_exit() -> None:
    danger = Alarm(code="PEG", act=Act.LEAVE, saw="off", since=NOW)
    thin = Alarm(code="CASH_THIN", act=Act.STOP, saw="thin", since=NOW)
    seen = with_orders(snapshot(0, A, replace(B, alarms=(danger, thin))), records(order(A.market.id)))
    narrowed = only(seen, [A.market.id])
    assert [state.market.name for state in to_be_left(narrowed)] == ["a"]
    assert narrowed.of(B.market.id).alarms == (thin,)
    made = decide_exits(narrowed, POLICY, JOB, NOW).outcome
    assert isinstance(made, Plan) and len(made.legs) == 1
    none = decide_exits(only(seen, []), POLICY, JOB, NOW).outcome
    assert isinstance(none, Hold) and none.reason == "nothing of ours is in a market to be left"
