"""What governors, Morpho's Vault V2 and Maple announce: the calls, what is in force, and when it is over. Logs and
answers have the layouts of the contracts' own sources."""

from __future__ import annotations

import random
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.contracts import calldata
from tests.unit.protocols.test_controls import head, run, word
from yieldbot.model.amounts import Token
from yieldbot.model.controls import ContractFacts, ControllerKind, Controls, Dependency, Part
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.reads import EthCall, EthCode, EthLog, EthLogs, EthSlot, LogSpan, Read
from yieldbot.protocols.evm import maple, vault_v2
from yieldbot.protocols.evm.control_events import ScheduledCall, calls_of, described_one
from yieldbot.protocols.evm.control_facts import controller_of
from yieldbot.protocols.evm.control_reads import address_of
from yieldbot.protocols.evm.control_reads import calldata as view
from yieldbot.protocols.evm.queue_reads import ACCEPTED, OpenCall, QueueReads, passed
from yieldbot.risk.controls import alarms_of_controls, still_open

GOVERNOR, VAULT, LOCK, MARKET, KEY = (address_of(0x8000 + n) for n in range(5))
HEAD, NOW, DAY = 5_000_000, 1_800_000_000, 86_400
WANTED = [Dependency(GOVERNOR, Part.ADMIN), Dependency(VAULT, Part.POOL, "vault", vault_v2.ASKED)]
USDC = Token(ChainId("evm:1"), Address("0x" + "11" * 20), "USDC", 6)
CREATED = "ProposalCreated(uint256,address,address[],uint256[],string[],bytes[],uint256,uint256,string)"
CAP = calldata("increaseAbsoluteCap(bytes,uint256)", encode(["string", "address"], ["this", KEY]), 5_000_000)


def log(
    at: Address, signature: str, *topics: bytes, data: bytes = b"", index: int = 0, block: int = HEAD - 9
) -> EthLog:
    return EthLog(at, (keccak(text=signature), *topics), data, block, index, f"0x{index:02x}")


def created(number: int) -> EthLog:
    types = ["uint256", "address", "address[]", "uint256[]", "string[]", "bytes[]", "uint256", "uint256", "string"]
    inside = encode(["address"], [KEY])
    values = [number, KEY, [MARKET, MARKET], [0, 7], ["setOwner(address)", ""], [inside, b"\x01"], 1, 2, "\x1b[2J"]
    return log(GOVERNOR, CREATED, data=encode(types, values), index=number)


def submitted(data: bytes, index: int = 90) -> EthLog:
    inside = encode(["bytes", "uint256"], [data, NOW + DAY])
    return log(VAULT, "Submit(bytes4,bytes,uint256)", data[:4].ljust(32, b"\0"), data=inside, index=index)


def node(logs: list[EthLog], says: dict[bytes, Any], served: bool = True) -> Any:
    def answer(read: Read) -> bytes:
        if isinstance(read, EthCode):
            return head()
        if isinstance(read, EthSlot):
            return bytes(32)
        if isinstance(read, EthLogs):
            mine = tuple(one for one in logs if one.address in read.addresses and read.first <= one.block <= read.last)
            return LogSpan(mine, read.first).encoded() if served else b""
        assert isinstance(read, EthCall)
        if read.to == GOVERNOR and read.data == view("votingPeriod"):
            return word(9)
        if read.to == VAULT and read.data == vault_v2.ASKED[0][1]:
            return word(int(KEY, 16))
        found = says.get(read.data, b"")
        return found if isinstance(found, bytes) else word(found)

    return answer


def state(number: int) -> bytes:
    return calldata("state(uint256)", number)


def test_proposals_under_vote_are_news_and_accepted_ones_are_queued_calls() -> None:
    says = {state(1): 1, state(2): 3, state(3): 4, state(4): 5, state(5): 7}
    book = QueueReads(HEAD, NOW)
    run(node([created(n) for n in range(1, 6)], says), WANTED, beside=(book,))
    found = [(one.event.what, one.event.pending.what, one.event.index) for one in book.result() if one.event.pending]
    assert found == [
        ("ProposalCreated", "proposal", 1),
        (ACCEPTED, "scheduled call", 3),
        (ACCEPTED, "scheduled call", 4),
    ]
    calls = book.result()[0].calls
    assert [(one.target, one.value) for one in calls] == [(MARKET, 0), (MARKET, 7)]
    assert calls[0].data == selector("setOwner(address)") + word(int(KEY, 16)) and calls[1].data == b"\x01"
    spans, standing = book.remembered([one.event for one in book.result()])
    assert [(one.what, one.id) for one in standing] == [
        ("ProposalCreated", "call/1"),
        (ACCEPTED, "call/3"),
        (ACCEPTED, "call/4"),
    ]
    says |= {state(1): 4, state(3): 7}
    later = QueueReads(HEAD + 9, NOW + DAY, spans, standing)
    run(node([], says), WANTED, beside=(later,))
    assert [one.id for one in later.over] == ["call/3"]
    (event,) = passed(later.accepted, HEAD + 9)
    assert event.what == ACCEPTED and event.pending is not None and event.pending.what == "scheduled call"
    left = later.remembered([event])[1]
    assert {(one.what, one.id) for one in left} == {(ACCEPTED, "call/1"), (ACCEPTED, "call/4")}


def test_where_no_events_are_served_the_newest_proposals_are_asked_by_number() -> None:
    actions = encode(["address[]", "uint256[]", "string[]", "bytes[]"], [[MARKET], [1], [""], [b"\xaa"]])
    says = {calldata("proposalCount()"): 30, **{state(n): 7 for n in range(1, 31)}, state(28): 4, state(30): 0}
    says[calldata("getActions(uint256)", 28)] = actions  # type: ignore[assignment]
    book = QueueReads(HEAD, NOW)
    run(node([], says, served=False), WANTED, beside=(book,))
    found = {one.event.pending.id: one for one in book.result() if one.event.pending}
    assert set(found) == {"call/28", "call/30"} and found["call/28"].event.what == ACCEPTED
    assert found["call/28"].calls == (ScheduledCall(MARKET, 1, b"\xaa"),) and found["call/30"].calls == ()
    spans, standing = book.remembered([one.event for one in book.result()])
    again = QueueReads(HEAD + 9, NOW, spans, standing)
    run(node([], says, served=False), WANTED, beside=(again,))
    assert again.result() == [] and not again.over, "what stands is not found twice"


def test_what_a_vaults_curator_submits_stands_until_it_is_called_or_revoked() -> None:
    says = {calldata("executableAt(bytes)", CAP): NOW + DAY}
    book = QueueReads(HEAD, NOW)
    run(node([submitted(CAP), submitted(b"\x01\x02\x03\x04", 91)], says), WANTED, beside=(book,))
    assert len(book.result()) == 2, "what the vault does not answer counts as queued"
    one = next(one for one in book.result() if one.event.index == 90)
    pending = one.event.pending
    assert pending is not None and pending.due == NOW + DAY and one.call == ScheduledCall(VAULT, 0, CAP)
    _, standing = book.remembered([one.event])
    revoked = log(
        *(VAULT, "Revoke(address,bytes4,bytes)", word(int(KEY, 16)), CAP[:4].ljust(32, b"\0")),
        data=encode(["bytes"], [CAP]),
    )
    end = described_one(revoked)
    assert end is not None and end.event.closes == pending.id and "increaseAbsoluteCap" in end.event.words
    later = QueueReads(HEAD, NOW, {}, standing)
    run(node([], {calldata("executableAt(bytes)", CAP): 0}), WANTED, beside=(later,))
    assert later.over == list(standing)


def test_a_vaults_changes_are_in_words_with_what_is_in_force() -> None:
    def words(data: bytes, before: int | None) -> str:
        call = ScheduledCall(VAULT, 0, data)
        return vault_v2.words_of(call, b"" if before is None else word(before), USDC)

    assert words(CAP, 2_000_000) == f"its cap of adapter {KEY} becomes 5 USDC, it is 2 USDC"
    market = encode(
        ["string", "address", "(address,address,address,address,uint256)"],
        ["this/marketParams", KEY, (KEY, MARKET, LOCK, KEY, 1)],
    )
    unlimited = words(calldata("increaseAbsoluteCap(bytes,uint256)", market, 2**128 - 1), None)
    assert unlimited == f"its cap of the market of collateral {MARKET}, oracle {LOCK} becomes without limit"
    share = words(calldata("increaseRelativeCap(bytes,uint256)", b"\x07" * 40, 10**17), 0)
    assert share == "its cap of 0x07070707070707070707070707070707…, of its money becomes 10 %, it is 0 %"
    wait = words(calldata("decreaseTimelock(bytes4,uint256)", selector("addAdapter(address)"), 60), 3 * DAY)
    assert wait == "the wait of addAdapter becomes 1 min, it is 3 days"
    gate = words(calldata("setReceiveAssetsGate(address)", KEY), 0)
    assert gate.endswith(f"becomes {KEY}, it is nobody")
    assert words(calldata("setManagementFee(uint256)", 10**9), 0).endswith("becomes 3.1536 %, it is 0 %")
    assert words(calldata("addAdapter(address)", KEY), 0) == f"adapter {KEY} may get its money: yes, now it is no"
    assert words(b"\x01\x02\x03\x04", 0) == "" == words(CAP[:40], 0)
    quiet = calldata("abdicate(bytes4)", selector("addAdapter(address)"))
    assert vault_v2.harmless(ScheduledCall(VAULT, 0, quiet)) and not vault_v2.harmless(ScheduledCall(VAULT, 0, CAP))


def test_maples_calls_are_found_in_the_transaction_by_their_hash_and_nothing_else_is_believed() -> None:
    act = calldata("setProtocolPause(bool)", True)
    schedule = calldata("scheduleProposals(address[],bytes[])", [MARKET, KEY], [act, b"\x01\x02\x03\x04"])
    through_safe = calldata("execTransaction(address,uint256,bytes)", LOCK, 0, schedule)
    wanted = keccak(encode(["address", "bytes"], [MARKET, act]))
    assert maple.call_in(through_safe, wanted, LOCK) == ScheduledCall(MARKET, 0, act)
    assert maple.call_in(through_safe, keccak(b"another"), LOCK) is None is maple.call_in(b"", wanted, LOCK)
    name = b"PM:UPGRADE".ljust(32, b"\0")
    plain = calldata("scheduleCall(address,bytes32,bytes)", MARKET, name, act)
    assert maple.call_in(plain, keccak(encode(["bytes"], [act])), LOCK, MARKET) == ScheduledCall(MARKET, 0, act)
    role = keccak(text="PROPOSER_ROLE")
    roles = calldata("proposeRoleUpdates(bytes32[],address[],bool[])", [role], [KEY], [True])
    update = calldata("updateRole(bytes32,address,bool)", role, KEY, True)
    assert maple.call_in(roles, keccak(encode(["address", "bytes"], [LOCK, update])), LOCK) == ScheduledCall(
        LOCK, 0, update
    )


def test_maples_events_open_and_close_and_its_timelock_counts_for_a_day() -> None:
    proposal = encode(["(bytes32,bool,uint32,uint32,uint32)"], [(b"\x05" * 32, True, 7, NOW + DAY, NOW + 2 * DAY)])
    signature = "ProposalScheduled(uint256,(bytes32,bool,uint32,uint32,uint32))"
    opened = described_one(log(LOCK, signature, word(4), data=proposal))
    assert opened is not None and opened.hash == b"\x05" * 32 and opened.event.pending is not None
    assert (opened.event.pending.id, opened.event.pending.due) == ("call/4", NOW + DAY)
    closed = described_one(log(LOCK, "ProposalUnscheduled(uint256)", word(4)))
    assert closed is not None and closed.event.closes == "call/4"
    three = (word(int(KEY, 16)), word(int(MARKET, 16)), b"PM:UPGRADE".ljust(32, b"\0"))
    names = [f"{name}(address,address,bytes32,bytes32,uint256)" for name in ("CallScheduled", "CallUnscheduled")]
    first, last = (described_one(log(LOCK, name, *three, data=b"\x05" * 32 + word(NOW))) for name in names)
    assert first is not None and last is not None and first.event.pending is not None
    assert first.event.pending.id == last.event.closes and "PM:UPGRADE" in first.event.words
    answers = {view("defaultTimelockParameters"): word(7 * DAY) + word(DAY)}
    readings, _, _ = run(node([], answers), [Dependency(LOCK, Part.ADMIN)])
    holder = controller_of(LOCK, readings)
    assert holder.kind is ControllerKind.TIMELOCK and holder.delay_seconds == DAY


def test_maples_new_windows_are_announced_until_they_are_in_force() -> None:
    """As setExitConfig of the cyclical withdrawal manager logs it: in force two cycles later, without another call."""
    signature = "ConfigurationUpdated(uint256,uint64,uint64,uint64,uint64)"
    data = b"".join(map(word, (9, NOW + 14 * DAY, 7 * DAY, 2 * DAY)))
    opened = described_one(log(LOCK, signature, word(1), data=data))
    assert opened is not None and (pending := opened.event.pending) is not None and opened.call is None
    assert (pending.what, pending.due, pending.itself) == ("change", NOW + 14 * DAY, True)
    assert opened.event.words == "from cycle 9 on requests are paid once in 604800 s, for 172800 s"
    for now, stands in ((NOW, 1), (NOW + 14 * DAY - 1, 1), (NOW + 14 * DAY, 0)):
        assert len(still_open((), [opened.event], now)) == stands
    mine = Controls(market=MarketId("m"), contracts=(ContractFacts(address=LOCK, part=Part.INSIDE),))
    (alarm,) = alarms_of_controls({}, {mine.market: mine}, [opened.event], NOW)[mine.market]
    assert (alarm.code, alarm.act) == ("PENDING_CHANGE", "stop") and "requests are paid once" in alarm.saw


@settings(max_examples=60, deadline=None)
@given(st.integers())
def test_whatever_is_announced_nothing_raises(seed: int) -> None:
    draw = random.Random(seed)
    start = draw.choice(
        (CAP[:4], calldata("abdicate(bytes4)", b"abcd")[:4], selector("scheduleProposals(address[],bytes[])"))
    )
    data = start + draw.randbytes(draw.randrange(300))
    call = ScheduledCall(VAULT, 0, data)
    words = vault_v2.words_of(call, draw.randbytes(draw.choice((0, 31, 32))), draw.choice((USDC, None)))
    assert "\n" not in words and vault_v2.harmless(call) in (True, False)
    maple.call_in(data, draw.randbytes(32), LOCK, draw.choice((None, MARKET)))
    described_one(submitted(data))
    flow = vault_v2.read_values([call])
    for _ in flow:
        break
    stood = tuple(
        OpenCall(VAULT, what, f"call/{draw.choice(('zz', '7', 'ff'))}")
        for what in ("Submit", "MapleCallScheduled", ACCEPTED)
    )
    says = {one: draw.randbytes(32) for one in (calldata("proposalCount()"), state(1))}
    book = QueueReads(HEAD, NOW, {}, stood)
    run(node([created(1), submitted(data)], says, served=draw.random() < 0.5), WANTED, beside=(book,))
    book.remembered([one.event for one in book.result()])
    calls_of(["nonsense"], [1], ["x" * 500], [b""])
