"""Calls that were queued before anybody looked: real timelocks and governors of OpenZeppelin, and doubles of Compound's
Timelock and Aave's PayloadsController by answers alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evm.test_controls import DAY, KEY, NOBODY, OZ5, deploy
from tests.evm.test_watch import alarms, looked, of
from tests.kit.contracts import calldata, send
from tests.kit.evm.home import Home
from tests.property.test_control_answers import noise
from tests.unit.protocols.test_controls import head, run, word
from yieldbot.chains.evm.controls import look
from yieldbot.config.load import load
from yieldbot.errors import MarketError
from yieldbot.model.controls import UNREADABLE, ControlEvent, Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, EthCode, EthLog, EthLogs, EthSlot, LogSpan, Read
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.control_events import ScheduledCall
from yieldbot.protocols.evm.control_reads import address_of
from yieldbot.protocols.evm.control_reads import calldata as view
from yieldbot.protocols.evm.payloads import STATE, actions_of
from yieldbot.protocols.evm.queue_reads import MOST_CALLS, KnownQueue, OpenCall, QueueReads, ended
from yieldbot.risk.severity import selector_of
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def queued_by_timelock(sandbox: Sandbox) -> tuple[Address, Address, tuple[object, ...]]:
    """Morpho Blue, its owner, and a call that the owner, a TimelockController, has queued."""
    morpho, me = Address(sandbox.addresses["morpho"]), sandbox.rpc("eth_accounts")[0]
    types = ["uint256", "address[]", "address[]", "address"]
    timelock = deploy(sandbox, f"{OZ5}/TimelockController.json", types, DAY, [me], [me], NOBODY)
    send(sandbox, morpho, calldata("setOwner(address)", timelock))
    for n in range(2):
        args = (morpho, 0, calldata("enableIrm(address)", KEY), bytes(32), n.to_bytes(32, "big"), DAY)
        send(sandbox, timelock, calldata("schedule(address,uint256,bytes,bytes32,bytes32,uint256)", *args))
    gone = keccak(encode(["address", "uint256", "bytes", "bytes32", "bytes32"], args[:5]))
    send(sandbox, timelock, calldata("cancel(bytes32)", gone))
    return morpho, timelock, (*args[:4], bytes(32))


def test_a_call_that_was_queued_before_the_first_look_is_shown_by_it_and_ends(home: Home) -> None:
    sandbox = home.sandbox
    morpho, timelock, args = queued_by_timelock(sandbox)
    first = looked(home)
    assert first["first"] and first["round_trips"] > 0
    blue = next(one["market_id"] for one in first["markets"] if one["market_id"].startswith("morpho_blue"))
    assert alarms(first, blue) == [("PENDING_CHANGE", "stop")], "the one that was cancelled is not shown"
    (saw,) = [one["saw"] for one in first["alarms"] if one["market_id"] == blue]
    assert "scheduled call" in saw and morpho in saw and "0x5a64f51e" in saw and "UTC on" in saw
    assert looked(home)["messages"] == [], "said once"
    sandbox.warp(1.1)
    send(sandbox, timelock, calldata("execute(address,uint256,bytes,bytes32,bytes32)", *args))
    done = looked(home)
    assert alarms(done, blue) == []
    lines = of(done, blue)["lines"]
    assert any("was made" in line for line in lines) and not any("not queued any more" in line for line in lines)


def test_a_vaults_own_pending_changes_from_before_are_shown_by_the_first_look(home: Home) -> None:
    vault = Address(home.sandbox.addresses["metamorpho"])
    send(home.sandbox, vault, calldata("submitTimelock(uint256)", 3 * DAY))
    send(home.sandbox, vault, calldata("submitTimelock(uint256)", DAY))
    first = looked(home)
    assert alarms(first, vault) == [("PENDING_CHANGE", "stop")]
    assert any("timelock seconds may become 86400" in one["saw"] for one in first["alarms"])


async def test_a_cold_look_is_eight_requests_at_most_and_a_warm_one_two(sandbox: Sandbox) -> None:
    """All that a look reads of controls (roles, ages, queues, Configurators) rides in the rounds' requests."""
    chain = load(sandbox.config).jobs[0].chain
    known_adapters = adapters()
    async with sandbox.node() as node:
        block = await node.block()
        lists = await node.run([known_adapters[d.protocol].discover(d) for d in chain.deployments], block)
        markets = [market for one in lists if not isinstance(one, MarketError) for market in one]
        known, counts = dict[str, object](), []
        since = None
        for _ in range(4):
            sandbox.rpc("evm_mine")
            block = await node.block()
            before = node.round_trips
            taken = await look(node, chain, markets, block, known, since, {})
            counts.append(node.round_trips - before)
            known, since = json.loads(json.dumps(taken.known)), block.height
            assert not taken.cut
    print(counts)
    assert counts[0] <= 8 and counts[-1] == 2
    assert all(one.created_at or one.there_since for c in taken.controls.values() for one in c.contracts[:1])


def test_a_managers_operation_that_was_scheduled_before_is_shown(home: Home) -> None:
    sandbox = home.sandbox
    morpho = Address(sandbox.addresses["morpho"])
    manager = deploy(sandbox, f"{OZ5}/AccessManager.json", ["address"], KEY)
    send(sandbox, manager, calldata("grantRole(uint64,address,uint32)", 0, KEY, DAY), sender=KEY)
    send(sandbox, morpho, calldata("setOwner(address)", manager))
    inner = calldata("enableIrm(address)", KEY)
    send(sandbox, manager, calldata("schedule(address,bytes,uint48)", morpho, inner, 0), sender=KEY)
    first = looked(home)
    blue = next(one["market_id"] for one in first["markets"] if one["market_id"].startswith("morpho_blue"))
    assert ("PENDING_CHANGE", "stop") in alarms(first, blue)
    id_ = keccak(encode(["address", "address", "bytes"], [KEY, morpho, inner]))
    assert id_
    send(sandbox, manager, calldata("cancel(address,address,bytes)", KEY, morpho, inner), sender=KEY)
    assert alarms(looked(home), blue) == []


LOCK, GOVERNOR, PAYLOADS = (address_of(0x7000 + n) for n in range(3))
HEAD, NOW = 5_000_000, 1_800_000_000
WANTED = [Dependency(one, Part.ADMIN) for one in (LOCK, GOVERNOR, PAYLOADS)]


def compound_log(n: int, eta: int, block: int = 4_000_000) -> EthLog:
    data = encode(["uint256", "string", "bytes", "uint256"], [0, "setDelay(uint256)", word(60), eta])
    topic = keccak(text="QueueTransaction(bytes32,address,uint256,string,bytes,uint256)")
    return EthLog(LOCK, (topic, word(n + 1), word(0x99)), data, block, n, "0xaa")


def number_log(at: Address, signature: str, number: int, *more: int) -> EthLog:
    data = b"".join(map(word, (number, *more)))
    return EthLog(at, (keccak(text=signature),), data, 4_500_000, number, "0xbb")


def answers(logs: list[EthLog], says: dict[bytes, int], asked: list[Read] | None = None) -> Callable[[Read], bytes]:
    def answer(read: Read) -> bytes:
        if asked is not None:
            asked.append(read)
        if isinstance(read, EthCode):
            return head()
        if isinstance(read, EthSlot):
            return bytes(32)
        if isinstance(read, EthLogs):
            mine = tuple(one for one in logs if one.address in read.addresses and read.first <= one.block <= read.last)
            return LogSpan(mine, read.first).encoded()
        assert isinstance(read, EthCall)
        views = {
            LOCK: ("delay", word(DAY)),
            GOVERNOR: ("votingPeriod", word(9)),
            PAYLOADS: ("executorSettings", bytes(64)),
        }
        name, value = views[read.to]
        if read.data == view(name):
            return value
        return word(says[read.data]) if read.data in says else b""

    return answer


def ask(signature: str, number: int) -> bytes:
    return bytes(keccak(text=signature)[:4]) + word(number)


def test_compounds_timelock_governors_and_payloads_are_asked_what_is_still_queued() -> None:
    logs = [
        compound_log(1, NOW + 99),
        compound_log(2, NOW + 99),
        compound_log(3, NOW - 31 * DAY),
        compound_log(4, NOW + 9),
        number_log(GOVERNOR, "ProposalQueued(uint256,uint256)", 7, NOW + 5),
        number_log(GOVERNOR, "ProposalQueued(uint256,uint256)", 8, NOW + 5),
        number_log(PAYLOADS, "PayloadQueued(uint40)", 11),
        number_log(PAYLOADS, "PayloadQueued(uint40)", 12),
    ]
    says = {
        ask("queuedTransactions(bytes32)", 2): 1,
        ask("queuedTransactions(bytes32)", 3): 0,
        ask("state(uint256)", 7): 5,
        ask("state(uint256)", 8): 7,
        ask("getPayloadState(uint40)", 11): 2,
        ask("getPayloadState(uint40)", 12): 3,
    }
    asked: list[Read] = []
    book = QueueReads(HEAD, NOW)
    _, rounds, _ = run(answers(logs, says, asked), WANTED, beside=(book,))
    assert rounds == 3, "who they are; their events; what stands"
    found = [(one.event.what, one.event.index) for one in book.result()]
    assert found == [("QueueTransaction", 1), ("QueueTransaction", 4), ("ProposalQueued", 7), ("PayloadQueued", 11)]
    assert not any(isinstance(one, EthCall) and one.data == ask("queuedTransactions(bytes32)", 4) for one in asked), (
        "long past its time"
    )
    events = [one.event for one in book.result()]
    spans, calls = book.remembered(events)
    assert set(spans) == {LOCK, GOVERNOR, PAYLOADS} and [one.what for one in calls] == [
        "QueueTransaction",
        "QueueTransaction",
        "ProposalQueued",
    ]
    says |= {ask("queuedTransactions(bytes32)", 2): 0, ask("queuedTransactions(bytes32)", 5): 1}
    later = QueueReads(HEAD + 9, NOW + 99, spans, calls)
    asked.clear()
    run(answers(logs, says, asked), WANTED, beside=(later,))
    assert later.over == [calls[0]] and not any(isinstance(one, EthLogs) for one in asked)
    (closing,) = ended(later.over, [], HEAD + 9)
    assert closing.closes == calls[0].id and closing.contract == LOCK
    told = ControlEvent(contract=LOCK, what="CancelTransaction", words="", block=1, closes=calls[0].id)
    assert ended(later.over, [told], HEAD + 9) == []
    assert calls[0] not in later.remembered([])[1] and calls[1] in later.remembered([])[1]


def test_a_past_that_is_served_in_parts_is_read_on_and_floods_are_bounded() -> None:
    many = [compound_log(n, NOW + n, block=HEAD - 5) for n in range(200)]
    book = QueueReads(HEAD, NOW)
    run(answers(many, {}), WANTED[:1], beside=(book,))
    assert len(book.result()) == MOST_CALLS and len(book.remembered([one.event for one in book.result()])[1]) <= 100
    cut = QueueReads(HEAD, NOW)
    logs: list[EthLogs] = []

    def part(read: Read) -> bytes:
        if isinstance(read, EthLogs):
            logs.append(read)
            return LogSpan((), HEAD - 1000).encoded()
        return answers([], {})(read)

    run(part, WANTED[:1], beside=(cut,))
    assert cut.spans[LOCK].since == HEAD - 1000 > cut.spans[LOCK].floor
    on = QueueReads(HEAD + 50, NOW, cut.spans, ())
    run(part, WANTED[:1], beside=(on,))
    assert (logs[-1].first, logs[-1].last, logs[-1].past_parts) == (cut.spans[LOCK].floor, HEAD - 1001, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers())
def test_no_answers_raise(seed: int) -> None:
    draw = random.Random(seed)

    def any_(read: Read) -> bytes:
        if isinstance(read, EthLogs) and draw.random() < 0.7:
            logs = [compound_log(n, draw.getrandbits(40)) for n in range(draw.randrange(3))]
            logs.append(number_log(draw.choice((LOCK, GOVERNOR)), "ProposalQueued(uint256,uint256)", 2**256 - 1, 5))
            return LogSpan(tuple(logs), draw.randrange(HEAD)).encoded()
        return noise(draw, read)

    stood = (
        OpenCall(LOCK, "QueueTransaction", "call/zz"),
        OpenCall(LOCK, "nonsense", "1"),
        OpenCall(GOVERNOR, "ProposalQueued", "call/9"),
    )
    book = QueueReads(HEAD, NOW, {LOCK: KnownQueue(7, 9)}, stood)
    run(any_, WANTED, beside=(book,))
    events = [one.event for one in book.result()]
    assert book.remembered([*events, *ended(book.over, events, HEAD)])
    actions_of(draw.randbytes(draw.randrange(900)), lambda call: "")


def test_what_a_payload_would_do_in_words() -> None:
    actions = [
        (LOCK, True, 1, 0, "execute()", b""),
        (GOVERNOR, False, 1, 5, "setDelay(uint256)", word(60)),
        *[(LOCK, True, 1, 0, "\n" * 500, b"")] * 12,
    ]
    answer = encode([STATE], [(LOCK, 1, 2, 1, NOW, 0, 0, NOW, DAY, DAY, actions)])
    calls: list[ScheduledCall] = []
    words, due, functions = actions_of(answer, lambda call: calls.append(call) or f"calls {call.target}")  # type: ignore[func-returns-value]
    assert words.startswith(f"runs the code of {LOCK} (execute()) as its own; calls {GOVERNOR}")
    assert words.endswith("and 4 further actions") and "\n" not in words and due == NOW + DAY
    assert calls[0].data == bytes(keccak(text="setDelay(uint256)")[:4]) + word(60) and calls[0].value == 5
    assert functions == (selector_of("setDelay(uint256)"), UNREADABLE), "of what is cut off nothing is known"
    assert actions_of(b"", lambda call: "") == ("", None, ())
