"""What went into and out of markets, and whose the money is: ranges, floods, lies, repeated reads, large flows."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market
from tests.unit.protocols.test_backing import at, words
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.money_flows import Holders
from yieldbot.model.reads import EthCall, EthLog, EthLogs, Flow, LogSpan, Read
from yieldbot.protocols.evm.backing import root_of
from yieldbot.protocols.evm.flow_events import Listening, flows_of, listening
from yieldbot.protocols.evm.flow_reads import (
    ANEW_SECONDS,
    MOST_BALANCES,
    MOST_BLOCKS,
    PAST_BLOCKS,
    KnownFlows,
    read_flows,
)
from yieldbot.protocols.flows import KEPT, MOST_LARGEST, Heard

ME, POOL, TOKEN = at(1), at(0x70), at(0x71)
NOW, BLOCK = 1_700_000_000, 100_000


def state(protocol: str = "erc4626", address: Address = POOL, **params: object) -> MarketState:
    found = market(f"{protocol}-{address[-4:]}", kinked(1e6, 8e5))
    return replace(found, market=replace(found.market, protocol=protocol, address=address, params=params))


def heard_of(*states: MarketState) -> list[Listening]:
    return [one for one in map(listening, states) if one is not None]


def padded(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def log(
    one: Listening, name: str, topics: Sequence[bytes], *data: int | str, block: int = BLOCK, index: int = 0
) -> EthLog:
    first = next(topic for topic, event in one.events.items() if (event.sign > 0) == (name == "in"))
    return EthLog(one.address, (first, *topics), words(*data), block, index, f"0x{block:x}{index:x}")


Node = Callable[[Read], bytes]


def run(flow: Flow[Heard], answer: Node) -> tuple[Heard, list[Sequence[Read]]]:
    rounds: list[Sequence[Read]] = []
    try:
        wanted = next(flow)
        while True:
            rounds.append(wanted)
            wanted = flow.send([answer(read) for read in wanted])
    except StopIteration as done:
        return done.value, rounds


def node(logs: Sequence[EthLog], balances: dict[str, int], whole: int) -> Node:
    def answer(read: Read) -> bytes:
        if isinstance(read, EthLogs):
            mine = [
                one
                for one in logs
                if one.address in read.addresses
                and read.first <= one.block <= read.last
                and one.topics[0] in read.topics
                and (not read.second or one.topics[1] in read.second)
            ]
            return LogSpan(tuple(mine), read.first).encoded()
        assert isinstance(read, EthCall)
        if len(read.data) == 4:
            return words(whole)
        if len(read.data) == 36 and read.to == POOL and whole == -1:
            return b""
        return words(balances.get("0x" + read.data[-20:].hex(), 0))

    return answer


A, B = at(0xA), at(0xB)


@pytest.mark.parametrize(
    ("protocol", "params", "deposit", "withdrawal"),
    [
        ("erc4626", {}, ((B, A), (7_000_000, 9)), ((B, B, A), (7_000_000, 9))),
        (
            "aave_v3",
            {"pool": POOL, "a_token": TOKEN},
            (("asset", A, 0), (B, 7_000_000)),
            (("asset", A, B), (7_000_000,)),
        ),
        ("compound_v3", {}, ((B, A), (7_000_000,)), ((A, B), (7_000_000,))),
        ("compound_v2", {}, ((), (A, 7_000_000, 9)), ((), (A, 7_000_000, 9))),
        ("morpho_blue", {"id": "ab" * 32}, (("id", B, A), (7_000_000, 9)), (("id", A, B), (B, 7_000_000, 9))),
    ],
)
def test_each_protocols_events_are_understood(
    protocol: str,
    params: dict[str, object],
    deposit: tuple,
    withdrawal: tuple,  # type: ignore[type-arg]
) -> None:
    (one,) = heard_of(state(protocol, **params))

    def topic(word: str | int) -> bytes:
        if word in ("asset", "id"):
            assert one.second is not None
            return one.second
        return padded(word) if isinstance(word, str) else word.to_bytes(32, "big")

    logs = [
        log(one, name, [topic(t) for t in topics], *data)
        for name, (topics, data) in (("in", deposit), ("out", withdrawal))
    ]
    into, out = flows_of(logs, [one])
    assert (into.amount, into.account, out.amount, out.account) == (7.0, A, -7.0, A)
    assert all(who in (A, B) for who in (*into.others, *out.others))
    strange = replace(logs[0], address=at(0x99))
    assert flows_of([strange, replace(logs[0], topics=()), replace(logs[0], data=b"\xff" * 8)], [one]) == []
    if one.second is not None:
        assert flows_of([replace(logs[0], topics=(logs[0].topics[0], b"\7" * 32, *logs[0].topics[2:]))], [one]) == []


def test_the_first_look_names_holders_and_says_what_was_before_it() -> None:
    (one,) = heard_of(state())
    logs = [
        log(one, "in", [padded(B), padded(A)], 7_000_000, 9),
        log(one, "in", [padded(ME), padded(ME)], 1, 1, index=1),
    ]
    heard, rounds = run(
        read_flows([one], ME, BLOCK, NOW, KnownFlows()), node(logs, {A.lower(): 300, ME.lower(): 1000}, 2000)
    )
    flows = heard.flows[one.market]
    assert flows.first and (flows.deposited, flows.count) == (7.0, 1) and heard.read == (one.market,)
    holders = heard.holders[one.market]
    assert holders.top == ((A, 0.3),) and holders.seen == 0.3, "ours is no part of what others hold"
    assert holders.since == flows.since == BLOCK - PAST_BLOCKS and (holders.block, holders.time) == (BLOCK, NOW)
    assert len(rounds) == 2


def test_a_past_that_is_served_in_parts_is_read_on_and_one_that_is_not_is_asked_once() -> None:
    (one,) = heard_of(state())
    old = log(one, "in", [padded(B), padded(A)], 7_000_000, 9, block=BLOCK - 30_000)
    full = node([old], {A.lower(): 300}, 1000)
    asked: list[EthLogs] = []

    def parts(read: Read) -> bytes:
        if not isinstance(read, EthLogs) or not read.past_parts:
            return full(read)
        asked.append(read)
        since = max(read.first, read.last - 20_000 * read.past_parts // 4)
        mine = [one for one in (old,) if one.block >= since]
        return LogSpan(tuple(mine), since).encoded()

    first, _ = run(read_flows([one], ME, BLOCK, NOW, KnownFlows()), parts)
    assert first.holders == {} and first.past[0] > first.past[1] == BLOCK - PAST_BLOCKS
    known = KnownFlows(blocks={one.market: BLOCK}, past=first.past)
    for _ in range(9):
        then, _ = run(read_flows([one], ME, BLOCK, NOW, known), parts)
        known = replace(known, past=then.past, holders={**known.holders, **then.holders})
        assert then.flows == {}, "what was before the first look is no news later"
    assert then.past[0] == then.past[1] and known.holders[one.market].top == ((A, 0.3),)
    assert [read.past_parts for read in asked[:2]] == [4, 1] and len(asked) < 9
    assert asked[1].last == first.past[0] - 1, "it goes on where it ended"
    none, _ = run(
        read_flows([one], ME, BLOCK, NOW, KnownFlows()),
        lambda read: b"" if isinstance(read, EthLogs) and read.past_parts else full(read),
    )
    assert none.past[0] == none.past[1], "it is not asked again"


def test_a_later_look_tells_what_is_new_once_also_where_blocks_are_read_again() -> None:
    (one,) = heard_of(state())
    old = log(one, "in", [padded(B), padded(A)], 7_000_000, 9, block=BLOCK - 3)
    new = log(one, "out", [padded(B), padded(B), padded(A)], 2_000_000, 9, block=BLOCK + 1)
    first, _ = run(read_flows([one], ME, BLOCK, NOW, KnownFlows()), node([old], {A.lower(): 700}, 1000))
    known = KnownFlows(blocks={one.market: BLOCK}, keys=frozenset(first.keys), holders=first.holders)
    then, _ = run(read_flows([one], ME, BLOCK + 5, NOW, known), node([old, new], {A.lower(): 500}, 1000))
    flows = then.flows[one.market]
    assert (flows.deposited, flows.withdrawn, flows.count, flows.cut) == (0.0, 2.0, 1, "")
    assert then.holders[one.market].top == ((A, 0.5),)
    assert then.holders[one.market].since == first.holders[one.market].since, "events are known without a gap"
    known = KnownFlows(blocks={one.market: BLOCK + 5}, keys=frozenset(then.keys), holders=then.holders)
    calm, rounds = run(read_flows([one], ME, BLOCK + 6, NOW, known), node([old, new], {}, 1000))
    assert calm.flows == {}, "large_flows once"
    later, rounds = run(read_flows([one], ME, BLOCK + 100, NOW + ANEW_SECONDS, known), node([], {A.lower(): 100}, 1000))
    assert later.holders[one.market].top == ((A, 0.1),) and len(rounds) == 1, "old balances are read again"


def test_what_is_too_much_is_bounded_and_said() -> None:
    (one,) = heard_of(state())
    known = KnownFlows(blocks={one.market: BLOCK - 3 * MOST_BLOCKS})
    drawn = random.Random(1)
    logs = [
        log(one, "in", [padded(B), padded(at(1000 + n))], drawn.randrange(1, 10**9), 9, block=BLOCK - n % 900, index=n)
        for n in range(3000)
    ]
    heard, rounds = run(read_flows([one], ME, BLOCK, NOW, known), node(logs, {}, 1000))
    flows = heard.flows[one.market]
    assert flows.count == 3000 and len(flows.largest) == MOST_LARGEST and "too many to read" in flows.cut
    assert [abs(f.amount) for f in flows.largest] == sorted((abs(f.amount) for f in flows.largest), reverse=True)
    assert len(rounds) == 2 and len(rounds[1]) <= MOST_BALANCES
    many = [state(address=at(0x7000 + n)) for n in range(400)]
    all_of = heard_of(*many)
    holders = {
        o.market: Holders(top=tuple((at(n), 0.01) for n in range(KEPT)), seen=0.1, since=1, block=1, time=1)
        for o in all_of
    }
    known = KnownFlows(blocks=dict.fromkeys(holders, BLOCK), holders=holders)
    _, rounds = run(read_flows(all_of, ME, BLOCK + 1, NOW, known), node([], {}, 1000))
    assert sum(isinstance(read, EthCall) for read in rounds[0]) <= MOST_BALANCES


def test_addresses_that_are_followed_are_told_however_small() -> None:
    (one,) = heard_of(state())
    logs = [log(one, "in", [padded(B), padded(at(50 + n))], 10**9 + n, 9, index=n) for n in range(40)]
    logs.append(log(one, "in", [padded(A), padded(B)], 1, 9, index=99))
    known = KnownFlows(blocks={one.market: BLOCK - 1})
    heard, _ = run(read_flows([one], ME, BLOCK, NOW, known, frozenset({A.lower()})), node(logs, {}, 1000))
    assert any(A in flow.others for flow in heard.flows[one.market].largest)
    assert len(heard.flows[one.market].largest) == MOST_LARGEST + 1


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_answered_shares_are_parts_and_nothing_raises(seed: int) -> None:
    drawn = random.Random(seed)
    listened = heard_of(state(), state("compound_v3", at(0x72)), state("morpho_blue", at(0x73), id="cd" * 32))

    def answer(read: Read) -> bytes:
        if isinstance(read, EthLogs):
            if drawn.random() < 0.2:
                return b""
            logs = tuple(
                EthLog(
                    drawn.choice(read.addresses),
                    (drawn.choice(read.topics), *(drawn.randbytes(32) for _ in range(drawn.randrange(4)))),
                    drawn.randbytes(drawn.randrange(200)),
                    drawn.randrange(read.first, read.last + 1),
                    n,
                    "0x1",
                )
                for n in range(drawn.randrange(30))
            )
            return LogSpan(logs, read.first).encoded()
        return drawn.choice([b"", drawn.randbytes(31), drawn.randbytes(200), words(drawn.randrange(2**130))])

    heard, rounds = run(read_flows(listened, ME, BLOCK, NOW, KnownFlows()), answer)
    assert len(rounds) <= 2
    for holders in heard.holders.values():
        assert 0.0 <= holders.seen <= 1.0 and all(0.0 < share <= 1.0 for _, share in holders.top)
        assert 0.0 <= holders.largest(0.3) <= 1.0


def test_a_node_without_events_is_named_and_tried_from_the_same_block_again() -> None:
    (one,) = heard_of(state())
    known = KnownFlows(blocks={one.market: BLOCK - 5})
    heard, _ = run(read_flows([one], ME, BLOCK, NOW, known), lambda read: b"")
    assert heard.flows == {} and heard.read == ()


def test_the_largest_depositor_is_bounded_by_what_nobody_named_holds() -> None:
    assert Holders().largest(0.3) == 0.3
    assert Holders(top=((A, 0.6),), seen=0.6).largest(0.3) == 0.6
    assert Holders(top=((A, 0.1), (B, 0.1)), seen=0.2).largest(0.3) == 0.3
    assert Holders(top=((A, 0.1),), seen=0.95).largest(0.3) == pytest.approx(0.1)


def test_bad_debt_that_a_liquidation_realises_is_no_flow_and_is_counted_once() -> None:
    (one,) = heard_of(state("morpho_blue", id="ab" * 32))
    liquidated = next(topic for topic, event in one.events.items() if event.sign == 0)
    assert one.second is not None

    def event(debt: int, index: int) -> EthLog:
        topics = (liquidated, one.second or b"", padded(B), padded(A))
        return EthLog(one.address, topics, words(10, 1, 9, debt, 1), BLOCK, index, "0x1")

    known = KnownFlows(blocks={one.market: BLOCK - 1})
    logs = [event(3_000_000, 0), event(0, 1), event(2_000_000, 2)]
    heard, _ = run(read_flows([one], ME, BLOCK, NOW, known), node(logs, {}, 1000))
    assert heard.lost == {one.market: 5.0} and heard.flows == {} and heard.holders == {}
    again = KnownFlows(blocks={one.market: BLOCK}, keys=frozenset(heard.keys))
    later, _ = run(read_flows([one], ME, BLOCK + 1, NOW, again), node(logs, {}, 1000))
    assert later.lost == {}


def test_a_market_that_lacks_parameters_is_not_heard_and_keeps_no_other_from_it() -> None:
    odd = [state("aave_v3"), state("morpho_blue", id="no hex"), state("idle")]
    assert heard_of(*odd) == []
    for one in odd[:2]:
        held = root_of(one, {}).held
        assert held.unknown == 1.0 or held.idle == 1.0
