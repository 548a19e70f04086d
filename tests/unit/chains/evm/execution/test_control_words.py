"""Who gets what, exactly: control and money that a call, a typed message or a router's commands hand over, in words."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from tests.kit.evm.clear import BOOK, OTHER, TARGET, USDC, WHO, calldata
from tests.kit.evm.dangers import KNOWN, packed
from tests.kit.evm.dangers_control import (
    DETAILS,
    EXECUTE,
    MANAGER,
    MORPHO,
    MOVED,
    MULTISEND,
    NONCE,
    SAFE_TX,
    SETUP,
    VRS,
    ZERO,
    permit,
    safe,
)
from yieldbot.chains.evm.execution.clear_control import (
    Handover,
    control_in,
    control_message,
    control_of,
    handover_sentence,
)
from yieldbot.chains.evm.execution.clear_grants import Grant
from yieldbot.chains.evm.execution.clear_router import CALLER, ROUTER, routed
from yieldbot.chains.evm.execution.erc7730 import DecodedValue

TO = BOOK.named(USDC)
ALL = f"take and move all that the account holds or may borrow at {TO}, now and later"
CODE = "its own code as the account (delegatecall) and may do everything with all it holds"
MOVES = f"moves 0.000005 USDC from {BOOK.named(TARGET)}"
LATER = f"{MOVES} for whoever sends the signature until 1970-01-01 00:00:09 UTC,"
SIGNED = f"transferWithAuthorization({MOVED}bytes s)"
GAS = "pays a refund of gas, at 7 base units of"
OWN = f"own the Safe {TO} and sign for it"


def handed(signature: str, *arguments: Any) -> list[Handover]:
    return list(control_of(BOOK, USDC, calldata(signature, *arguments)))


@pytest.mark.parametrize(
    ("signature", "arguments", "wanted"),
    [
        ("allow(address m, bool a)", (WHO, True), [Handover(WHO, ALL)]),
        ("allow(address m, bool a)", (WHO, False), []),
        ("allow(address m, bool a)", (ZERO, True), []),
        ("authorizeOperator(address m)", (WHO,), [Handover(WHO, ALL)]),
        (MANAGER, (TARGET, WHO, True, 0, 9, *VRS), [Handover(WHO, ALL)]),
        (MORPHO, ((TARGET, WHO, True, 0, 9), VRS), [Handover(WHO, ALL)]),
        (MORPHO, ((TARGET, WHO, False, 0, 9), VRS), []),
        ("swapOwner(address p, address o, address n)", (TARGET, KNOWN, WHO), [Handover(WHO, OWN)]),
        (
            "grantRole(bytes32 r, address a)",
            (b"\7" * 32, WHO),
            [Handover(WHO, f"use the role 0x{'07' * 32} of {TO}")],
        ),
        (
            "changeProxyAdmin(address p, address a)",
            (OTHER, WHO),
            [Handover(WHO, f"control {BOOK.named(OTHER)} as its administrator")],
        ),
        ("upgrade(address p, address i)", (OTHER, WHO), [Handover(WHO, f"be the code of {BOOK.named(OTHER)}")]),
        (SAFE_TX, safe(WHO, 1), [Handover(WHO, CODE, by_code=True)]),
        (SAFE_TX, safe(WHO, 0), []),
        (SAFE_TX, safe(ZERO, 1), []),
        (SAFE_TX, safe(MULTISEND, 1), []),
        (SAFE_TX, safe(WHO, 0, b"", 7, OTHER), [Handover(OTHER, f"{GAS} ETH a unit,", money=True)]),
        (
            SAFE_TX,
            safe(WHO, 0, b"", 7),
            [Handover("", f"{GAS} ETH a unit, to whoever sends it", money=True, always=True)],
        ),
        (
            SAFE_TX,
            (*safe(WHO, 0, b"", 7, OTHER)[:7], USDC, OTHER, b""),
            [Handover(OTHER, f"{GAS} {TO} a unit,", money=True)],
        ),
        (SIGNED, (TARGET, WHO, 5, 0, 9, NONCE, b""), [Handover(WHO, LATER, money=True)]),
        (SIGNED, (TARGET, WHO, 0, 0, 9, NONCE, b""), []),
        (
            "transferFrom(address f, address t, uint160 x, address k)",
            (TARGET, WHO, 5, USDC),
            [Handover(WHO, MOVES, money=True)],
        ),
        (
            "transferFrom((address f, address t, uint160 x, address k)[] d)",
            ([(TARGET, WHO, 5, USDC), (TARGET, KNOWN, 5, OTHER)],),
            [
                Handover(WHO, MOVES, money=True),
                Handover(
                    KNOWN,
                    f"moves 5 base units of the token {BOOK.named(OTHER)} from {BOOK.named(TARGET)}",
                    money=True,
                ),
            ],
        ),
        (
            "diamondCut((address f, uint8 a, bytes4[] s)[] c, address i, bytes d)",
            ([(WHO, 0, []), (WHO, 1, []), (ZERO, 2, [])], OTHER, b""),
            [Handover(WHO, f"be the code of {TO}"), Handover(OTHER, f"be the code of {TO}")],
        ),
        ("changeThreshold(uint256 t)", (3,), [Handover("", f"from now on 3 owners sign for the Safe {TO}")]),
        (
            "removeOwner(address p, address o, uint256 t)",
            (TARGET, WHO, 2),
            [Handover("", f"from now on 2 owners sign for the Safe {TO}")],
        ),
        (
            SETUP,
            ([WHO, OTHER], 1, KNOWN, b"", ZERO, USDC, 7, OTHER),
            [
                Handover(WHO, OWN),
                Handover(OTHER, OWN),
                Handover(KNOWN, CODE, by_code=True),
                Handover(OTHER, f"{GAS} {TO} a unit,", money=True),
            ],
        ),
        (SETUP, ([WHO], 1, ZERO, b"", ZERO, ZERO, 0, ZERO), [Handover(WHO, OWN)]),
        ("balanceOf(address a)", (WHO,), []),
    ],
)
def test_what_a_call_hands_over(signature: str, arguments: Any, wanted: list[Handover]) -> None:
    assert [Handover(o.who.lower(), o.does, o.money, o.always, o.by_code) for o in handed(signature, *arguments)] == [
        Handover(o.who.lower(), o.does, o.money, o.always, o.by_code) for o in wanted
    ]


def test_bytes_that_are_no_exact_call_are_not_told_here() -> None:
    data = calldata("allow(address m, bool a)", WHO, True)
    assert list(control_of(BOOK, USDC, data[:-1])) == [] == list(control_of(BOOK, USDC, data[:3]))


def test_every_delegatecall_of_a_batch_is_found_wherever_it_lies() -> None:
    def of(*calls: bytes) -> list[str]:
        return [one.who for one in handed("multiSend(bytes t)", b"".join(calls))]

    plain, run = packed(OTHER, b"\1" * 70), b"\1" + packed(WHO, b"\2" * 33)[1:]
    assert of(plain) == [] and of(run) == [WHO] == of(plain, run) == of(run, plain)
    assert of(plain, run, plain, b"\1" + packed(OTHER, b"")[1:]) == [WHO, OTHER]
    assert of(plain, run[:30]) == [WHO], "one that is cut off"
    assert of(plain, b"\1" + packed(MULTISEND, b"")[1:]) == []


def told(fields: dict[str, Any], contract: str | None = USDC) -> list[Handover]:
    root = DecodedValue("Message", {name: DecodedValue("x", value) for name, value in fields.items()})
    return list(control_in(BOOK, "Message", contract, root))


MESSAGE = {"from": TARGET, "to": WHO, "value": 5, "validBefore": 9, "nonce": NONCE}


def test_what_a_message_hands_over_by_its_fields() -> None:
    for who, whether in (("authorized", "isAuthorized"), ("manager", "isAllowed"), ("operator", "approved")):
        assert told({who: WHO, whether: True}) == [Handover(WHO, ALL)]
        assert told({who: WHO, whether: False}) == [] == told({who: WHO}) == told({whether: True})
        assert told({who: 5, whether: True}) == [], "no address"
    assert told({"manager": WHO, "isAllowed": True}, None) == [
        Handover(WHO, ALL.replace(TO, BOOK.named("an unnamed contract")))
    ]
    assert told(MESSAGE) == [Handover(WHO, LATER, money=True)]
    for name in MESSAGE:
        assert told({key: value for key, value in MESSAGE.items() if key != name}) == []
    assert told(MESSAGE | {"to": 5}) == [] == told(MESSAGE | {"value": 0})
    late = told(MESSAGE | {"validBefore": 1_800_000_000})
    assert "until 2027-01-15 08:00:00 UTC" in late[0].does
    safe_tx = {"operation": 1, "to": WHO, "data": b"", "gasPrice": 0}
    assert told(safe_tx) == [Handover(WHO, CODE, by_code=True)] and told(safe_tx | {"operation": 0}) == []
    for name in ("operation", "to", "data"):
        assert told({key: value for key, value in safe_tx.items() if key != name}) == []


def test_what_is_handed_over_is_a_danger_where_who_gets_it_is_not_known() -> None:
    money, control = Handover(WHO, "sends it", money=True), Handover(WHO, "own it")
    who = BOOK.named(WHO)
    assert (
        handover_sentence(BOOK, money) == f"sends it to {who}"
        and handover_sentence(BOOK, control) == f"{who} may own it"
    )
    assert handover_sentence(BOOK, Handover(WHO, CODE, by_code=True)) == f"{who} runs {CODE}"
    assert handover_sentence(BOOK, Handover("", "it\n is")) == "it is"
    assert control_message(BOOK, money, None) == (
        f"money: sends it to {who}",
        f"money handed to an unknown address: sends it to {who}",
    )
    assert control_message(BOOK, control, OTHER) == (
        f"control: {who} may own it",
        f"control handed to an unknown address: {who} may own it",
    )
    for own in (WHO, WHO.upper().replace("0X", "0x")):
        assert control_message(BOOK, control, own) == (f"control: {who} may own it", None), "ourselves"
    note, danger = control_message(BOOK, Handover(KNOWN.upper().replace("0X", "0x"), "own it"), None)
    assert note.startswith("control: ") and danger is None
    everyone = Handover("", "pays whoever sends it", money=True, always=True)
    assert control_message(BOOK, everyone, None) == ("money: pays whoever sends it",) * 2
    assert control_message(BOOK, Handover("", "fewer sign"), None) == ("control: fewer sign", None)


# The Universal Router's commands.


def plan(commands: bytes, *inputs: bytes) -> Any:
    grants, passed, unread = routed(BOOK, calldata(EXECUTE, commands, list(inputs), 9))
    return grants, [(one.who, one.does) for one in passed if one.money], unread


SENT = ["address", "address", "uint256"]
FIVE = encode(SENT, [USDC, WHO, 5])
UNREAD = "cannot be read here: what it does is unknown"


@pytest.mark.parametrize(
    ("command", "kinds", "said", "does"),
    [
        (0x00, ["address", "uint256", "uint256", "bytes", "bool"], (WHO, 1, 1, b"", True), "sends what comes out"),
        (0x01, ["address", "uint256", "uint256", "bytes", "bool"], (WHO, 1, 1, b"", True), "sends what comes out"),
        (0x02, ["address", "address", "uint160"], (USDC, WHO, 5), "moves 0.000005 USDC"),
        (0x04, SENT, (USDC, WHO, 5), f"sends all the {TO} that comes out"),
        (0x05, SENT, (USDC, WHO, 5), "sends 0.000005 USDC"),
        (0x05, SENT, (OTHER, WHO, 5), f"sends 5 base units of {BOOK.named(OTHER)}"),
        (0x06, SENT, (USDC, WHO, 25), f"sends 0.25 % of the {TO} that comes out"),
        (0x09, ["address", "uint256", "uint256", "address[]", "bool"], (WHO, 1, 1, [], True), "sends what comes out"),
        (0x0B, ["address", "uint256"], (WHO, 5), "sends what comes out"),
        (0x0C, ["address", "uint256"], (WHO, 5), "sends what comes out"),
        (0x0D, ["(address,address,uint160,address)[]"], ([(TARGET, WHO, 5, USDC)],), "moves 0.000005 USDC"),
    ],
)
def test_money_that_a_command_sends(command: int, kinds: list[str], said: Any, does: str) -> None:
    assert plan(bytes([command]), encode(kinds, said)) == ([], [(WHO, does)], [])
    assert plan(bytes([command | 0x80]), encode(kinds, said)) == ([], [(WHO, does)], []), "it may fail alone"
    assert plan(bytes([command | 0x40]), encode(kinds, said)) == (
        [],
        [],
        [f"the router's command 0x{command | 0x40:02x} {UNREAD}"],
    )


@pytest.mark.parametrize("to", [CALLER, ROUTER])
def test_what_comes_to_the_caller_or_stays_in_the_router_is_none(to: str) -> None:
    assert plan(b"\x04", encode(SENT, [USDC, to, 5])) == ([], [], [])
    assert plan(b"\x10", encode(["bytes", "bytes[]"], [b"\x0e", [encode(SENT, [USDC, to, 5])]])) == ([], [], [])


def test_commands_are_read_in_their_order_each_with_its_own_input() -> None:
    grant = Grant(WHO, USDC, 5, 1_800_000_000, permit=True)
    allows = encode([f"({DETAILS},address,uint256)", "bytes"], (permit(WHO, 5), b""))
    found = plan(b"\x05\x0a\x3e", FIVE, allows, b"")
    assert found == ([grant], [(WHO, "sends 0.000005 USDC")], [f"the router's command 0x3e {UNREAD}"])
    for commands, inputs in ((b"\x05\x05", (FIVE,)), (b"\x05", (FIVE, FIVE))):
        _, passed, unread = plan(commands, *inputs)
        assert passed == [] and len(unread) == 1 and "do not match their inputs" in unread[0]


def test_plans_within_plans_are_read_four_deep() -> None:
    def within(depth: int) -> tuple[bytes, bytes]:
        commands, inputs = b"\x05", FIVE
        for _ in range(depth):
            commands, inputs = b"\x21", encode(["bytes", "bytes[]"], [commands, [inputs]])
        return commands, inputs

    for depth in (0, 1, 4):
        assert plan(*within(depth)) == ([], [(WHO, "sends 0.000005 USDC")], [])
    _, passed, unread = plan(*within(5))
    assert passed == [] and len(unread) == 1 and "nested too deep" in unread[0]


@pytest.mark.parametrize(
    ("action", "kinds", "said", "does"),
    [
        (0x0E, SENT, (USDC, WHO, 5), "sends 0.000005 USDC"),
        (0x10, SENT, (USDC, WHO, 50), f"sends 0.5 % of the {TO} that comes out"),
        (0x11, ["address"] * 3, (USDC, OTHER, WHO), f"sends all the {TO} that comes out"),
        (0x14, ["address"] * 2, (USDC, WHO), f"sends all the {TO} that comes out"),
        (0x06, SENT, (USDC, WHO, 5), None),
    ],
)
def test_money_that_an_action_of_v4_sends(action: int, kinds: list[str], said: Any, does: str | None) -> None:
    def of(actions: bytes, *params: bytes) -> Any:
        return plan(b"\x10", encode(["bytes", "bytes[]"], [actions, list(params)]))

    whole = encode(kinds, said)
    assert of(bytes([action]), whole) == ([], [(WHO, does)] if does else [], [])
    if does:
        dirty = of(bytes([action]), whole[:-1])
        assert dirty[2] == [f"the action 0x{action:02x} in Uniswap v4 cannot be read exactly: what it does is unknown"]
    after = of(bytes([0x06, action]), b"", whole)
    assert after == ([], [(WHO, does)] if does else [], []), "whatever comes before it"
    few = of(bytes([action, action]), whole)
    assert few[1] == ([(WHO, does)] if does else []) and "do not match their inputs" in few[2][0]


def test_another_function_is_no_routers() -> None:
    assert routed(BOOK, calldata("execute(bytes c)", b"\x05")) == ([], [], [])
    whole = calldata(EXECUTE, b"\x05", [FIVE], 9)
    assert routed(BOOK, whole[:-1]) == (
        [],
        [],
        ["it looks like a router's commands, but its bytes cannot be read exactly"],
    )
    short = routed(BOOK, calldata("execute(bytes c, bytes[] i)", b"\x05", [FIVE]))
    assert [one.who for one in short[1]] == [WHO] and short[1][0].money and not short[1][0].always
