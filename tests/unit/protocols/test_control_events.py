"""Events in words: logs of strangers may hold anything, and whatever they hold is shown, never raised."""

from __future__ import annotations

import random
from dataclasses import replace

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.protocols.test_controls import head
from yieldbot.model.controls import ControlEvent, Controls, Dependency, Look, Part, Pending
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.reads import CodeHead, EthLog
from yieldbot.protocols.evm.control_events import EVENTS, LONGEST, MOST_OF_ONE, described, kinds, topics
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import SLOTS, Reading
from yieldbot.protocols.evm.standing import with_configurator
from yieldbot.risk.controls import concerns
from yieldbot.risk.watching import advance

AT, TARGET = Address("0x" + "11" * 20), "0x" + "22" * 20


def log(signature: str, *indexed: bytes, data: bytes = b"", index: int = 0) -> EthLog:
    return EthLog(AT, (keccak(text=signature), *indexed), data, 7, index, "0xaa")


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def test_every_event_has_a_topic_and_its_words_name_only_its_arguments() -> None:
    assert sum(len(found) for found in kinds().values()) == len(EVENTS) and len(set(topics())) == len(topics())
    for found in kinds().values():
        for kind in found:
            assert kind.words.format(**{name: "1" for _, name, _ in kind.fields})


def test_a_scheduled_call_is_opened_and_closed_by_its_id() -> None:
    signature = "CallScheduled(bytes32,uint256,address,uint256,bytes,bytes32,uint256)"
    types = ["address", "uint256", "bytes", "bytes32", "uint256"]
    data = encode(types, [TARGET, 5, b"\xab\xcd", bytes(32), 3600])
    (opened,) = described([log(signature, b"\x07" * 32, bytes(32), data=data)])
    assert opened.event.pending is not None and opened.delay_seconds == 3600 and opened.call is not None
    assert (opened.call.target.lower(), opened.call.value, opened.call.data) == (TARGET, 5, b"\xab\xcd")
    (closed,) = described([log("Cancelled(bytes32)", b"\x07" * 32)])
    assert closed.event.closes == opened.event.pending.id == "call/" + "07" * 32


def test_compounds_timelock_names_the_function_apart_from_its_arguments() -> None:
    signature = "QueueTransaction(bytes32,address,uint256,string,bytes,uint256)"
    inside = encode(
        ["uint256", "string", "bytes", "uint256"], [0, "setDelay(uint256)", (60).to_bytes(32, "big"), 1_800_000_000]
    )
    (queued,) = described([log(signature, b"\x01" * 32, word(TARGET), data=inside)])
    assert queued.event.pending is not None and queued.event.pending.due == 1_800_000_000
    assert queued.call is not None and queued.call.data == keccak(text="setDelay(uint256)")[:4] + (60).to_bytes(
        32, "big"
    )


def test_versions_that_index_their_arguments_otherwise_read_alike() -> None:
    (old,) = described([log("AddedOwner(address)", data=word(TARGET))])
    (new,) = described([log("AddedOwner(address)", word(TARGET))])
    assert old.event.words == new.event.words and "is a signer now" in old.event.words
    (by_two,) = described([log("NewAdmin(address,address)", data=word(AT) + word(TARGET))])
    assert by_two.event.words.startswith("its admin is now 0x22")
    (morpho,) = described([log("SetFee(bytes32,uint256)", b"\x01" * 32, data=(9).to_bytes(32, "big"))])
    (vault,) = described([log("SetFee(address,uint256)", word(TARGET), data=(9).to_bytes(32, "big"))])
    assert "of market" in morpho.event.words and "its fee" in vault.event.words


def test_roles_have_names_where_they_are_known() -> None:
    args = (word(TARGET), word(AT))
    (known,) = described([log("RoleGranted(bytes32,address,address)", keccak(text="PROPOSER_ROLE"), *args)])
    (admin,) = described([log("RoleGranted(bytes32,address,address)", bytes(32), *args)])
    assert known.event.words.endswith("PROPOSER_ROLE") and admin.event.words.endswith("DEFAULT_ADMIN_ROLE")


def test_what_a_risk_agent_changes_through_aaves_configurator_is_said_of_its_market() -> None:
    """Steep slopes and caps change without a vote; the configurator is found through the provider."""
    provider, pool = Address("0x" + "33" * 20), Address("0x" + "44" * 20)
    code = CodeHead.of(head())
    readings = {
        provider: Reading(provider, code, {}, {"getPoolConfigurator": word(AT)}),
        AT: Reading(AT, code, dict.fromkeys(SLOTS, 0), {}),
    }
    named = (
        Dependency(pool, Part.POOL, "Pool"),
        Dependency(provider, Part.ADMIN, "PoolAddressesProvider"),
        Dependency(Address(TARGET), Part.ASSET, "USDC"),
    )
    stands = with_configurator(named, readings)
    assert [(one.address, one.name) for one in stands[3:]] == [(AT, "PoolConfigurator")] and stands[:3] == named
    assert with_configurator(named, {provider: readings[provider]}) == named, "not read: not named"
    slopes = b"".join(number.to_bytes(32, "big") for number in (9000, 0, 550, 12_000))
    logs = [
        log("SupplyCapChanged(address,uint256,uint256)", word(TARGET), data=encode(["uint256"] * 2, [10, 20]), index=1),
        log("ReserveInterestRateDataChanged(address,address,bytes)", word(TARGET), word(AT),
            data=encode(["bytes"], [slopes]), index=2),
        log("SupplyCapChanged(address,uint256,uint256)", word(pool), data=encode(["uint256"] * 2, [10, 20]), index=3),
    ]  # fmt: skip
    facts = tuple(facts_of(one, readings) for one in stands)
    controls = Controls(market=MarketId("m"), contracts=facts)
    events = tuple(one.event for one in described(logs))
    memory, _ = advance(None, Look(block=1, time=1, controls={controls.market: controls}))
    _, (said,) = advance(memory, Look(block=9, time=9, controls={controls.market: controls}, events=events))
    assert "PoolConfigurator" in said.lines[0] and "is now 20, it was 10" in said.lines[0]
    assert "slope 1, slope 2 in bp are 9000, 0, 550, 12000" in said.lines[1]
    assert len(said.lines) == 2, "the cap of another asset is of another market"
    flood = ControlEvent(contract=AT, what="flood", words="51 events", block=9, pending=Pending(what="any", after="x"))
    assert not concerns(flood, controls) and concerns(replace(flood, contract=pool), controls)


def test_a_flood_is_one_line_that_stops_and_others_are_shown_beside_it() -> None:
    many = [log("AddedOwner(address)", word(TARGET), index=n) for n in range(MOST_OF_ONE + 1)]
    other = EthLog(Address(TARGET), (keccak(text="AddedOwner(address)"), word(AT)), b"", 8, 0, "0xbb")
    flood, alone = described([*many, other])
    assert flood.event.what == "flood" and flood.event.pending is not None and "51 events" in flood.event.words
    assert "signer" in alone.event.words


@settings(max_examples=300, deadline=None)
@given(st.integers())
def test_no_log_raises(seed: int) -> None:
    draw = random.Random(seed)
    logs = [
        EthLog(
            Address(draw.choice((AT, TARGET, "0x", "nonsense"))),
            tuple(
                draw.choice((draw.choice(topics()), draw.randbytes(32), draw.randbytes(3)))
                for _ in range(draw.randrange(5))
            ),
            draw.choice((b"", draw.randbytes(draw.randrange(300)), encode(["string"], ["{0.__class__}\n"]))),
            draw.randrange(10),
            draw.randrange(3),
            "0x",
        )
        for _ in range(draw.randrange(20))
    ]
    for one in described(logs):
        assert len(one.event.words) <= LONGEST + 1 and "\n" not in one.event.words and one.event.key
