"""How grave changes of contracts are: fixed by the table, for everything that the watch decodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear_control import CONTROL
from yieldbot.chains.evm.execution.clear_grants import GRANTS, PLAIN
from yieldbot.chains.evm.execution.clear_router import EXECUTE
from yieldbot.model.controls import UNREADABLE, ControlEvent
from yieldbot.model.ids import Address
from yieldbot.model.notices import Severity
from yieldbot.protocols.evm import comet_queue, queue_reads, vault_v2
from yieldbot.protocols.evm.control_event_words import CLOSES, EVENTS, OPENS
from yieldbot.resources import folder
from yieldbot.risk.severity import NOT_UNDERSTOOD, Gravity, gravest, read, selector_of, severities

TABLE = severities()
AT = Address("0x" + "11" * 20)
UPGRADE, CAP = selector_of("upgradeTo(address)"), selector_of("setSupplyCap(address,uint256)")


def event(what: str, *calls: str, **more: str) -> ControlEvent:
    return ControlEvent(contract=AT, what=what, words="words", block=1, calls=calls, **more)


def decoded() -> set[str]:
    """Every function that announced calls are decoded by."""
    found = {f"0x{one.hex()}" for table in (CONTROL, GRANTS, PLAIN, EXECUTE) for one in table}
    for selector, functions in abi_functions(folder("abis")).items():
        if any(one.has_roles and one.inputs for one in functions):  # those without roles are views
            found.add(f"0x{selector.hex()}")
    signatures = [*vault_v2.FUNCTIONS, "deployAndUpgradeTo(address,address)"]
    signatures += [f"set{n[0].upper()}{n[1:]}(address,{kind})" for n, kind in comet_queue.FIELDS.items()]
    kinds = ("address", "uint64", "uint64", "uint64", "uint128")
    for name, kind in zip(comet_queue.OF_ASSET, kinds, strict=True):
        signatures.append(f"updateAsset{name[0].upper()}{name[1:]}(address,address,{kind})")
    return found | {selector_of(one) for one in signatures}


def test_every_function_that_the_watch_decodes_has_a_row() -> None:
    wanted = decoded()
    assert len(wanted) > 150
    assert not wanted - set(TABLE.functions)


def test_every_event_that_the_watch_decodes_has_a_row_and_only_announcements_go_by_their_calls() -> None:
    names = {one.split("(")[0] for one in EVENTS}
    assert not names - set(TABLE.events)
    assert not {
        *OPENS,
        *CLOSES,
        *queue_reads.QUEUED,
        queue_reads.ACCEPTED,
        "SafeReady",
        "SafePrepared",
        "SafeOver",
    } - set(TABLE.events)
    by_calls = {name for name, row in TABLE.events.items() if row.by_calls}
    assert by_calls <= {*OPENS, *queue_reads.QUEUED, queue_reads.ACCEPTED, "SafeReady", "SafePrepared"}
    assert not by_calls & set(CLOSES)


@pytest.mark.parametrize(
    "signature",
    [
        *(
            "transferOwnership(address)",
            "upgradeToAndCall(address,bytes)",
            "grantRole(bytes32,address)",
            "updateDelay(uint256)",
        ),
        *(
            "updateAssetPriceFeed(address,address,address)",
            "pause(bool,bool,bool,bool,bool)",
            "setReceiveAssetsGate(address)",
        ),
        *("changeThreshold(uint256)", "multiSend(bytes)", "transfer(address,uint256)", "addAdapter(address)", ""),
    ],
)
def test_what_can_take_or_lock_the_money_is_critical(signature: str) -> None:
    assert TABLE.of_call(selector_of(signature)).severity is Severity.CRITICAL


def test_what_is_in_no_row_is_not_understood_and_critical() -> None:
    for strange in (
        event("Strange"),
        event("CallScheduled", "0xdeadbeef"),
        event("Upgraded", UNREADABLE),
        event("flood"),
    ):
        found = TABLE.of(strange)
        assert found.severity is Severity.CRITICAL and not found.understood and NOT_UNDERSTOOD in found.why
    unknown = TABLE.of(event("ProposalQueued"))
    assert unknown.severity is Severity.CRITICAL and not unknown.understood


def test_an_announcement_is_as_grave_as_its_gravest_call_in_any_order() -> None:
    assert TABLE.of(event("CallScheduled", CAP)).severity is Severity.INFO
    for calls in ((CAP, UPGRADE), (UPGRADE, CAP)):
        found = TABLE.of(event("ProposalCreated", *calls))
        assert found.severity is Severity.CRITICAL and found.why.startswith("code:")
    assert not TABLE.of(event("ProposalCreated", UPGRADE, "0x01020304")).understood


def test_facts_raise_a_severity_and_lower_none() -> None:
    cancelled = event("Cancelled")
    assert TABLE.of(cancelled).severity is Severity.INFO
    assert TABLE.of(replace(cancelled, weaker="one key now")) == Gravity(Severity.CRITICAL, "one key now")
    assert TABLE.of(replace(event("Upgraded"), weaker="one key now")).severity is Severity.CRITICAL
    one, other = Gravity(Severity.INFO, "a"), Gravity(Severity.WARNING, "b")
    assert gravest([one, other]) == other and gravest([one]) == one


@pytest.mark.parametrize(
    "text",
    [
        'functions = ["a()", "a()"]\nwhy = "w"\nsource = "s"',
        'events = ["A"]\nwhy = ""\nsource = "s"',
        'events = ["A"]\nwhy = "w"\nsource = ""',
    ],
)
def test_a_row_that_says_two_things_or_lacks_its_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read(f'[[row]]\nname = "n"\nseverity = "info"\n{text}\n')
