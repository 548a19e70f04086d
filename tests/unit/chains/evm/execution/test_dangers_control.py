"""Control and money handed to somebody unknown: told in words, warned of, exit code 4; taken away: no warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.kit.evm.clear import ABI, BOOK, OTHER, TARGET, USDC, WHO, calldata, described
from tests.kit.evm.clear_typed import typed
from tests.kit.evm.dangers import KNOWN, MOST, SIGNED, packed
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
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, lines, read
from yieldbot.chains.evm.execution.clear_typed import read_typed

ROUTER = next(address for address, name in BOOK.names.items() if name == "Uniswap v4")
MODULE_TX = "execTransactionFromModule(address t, uint256 v, bytes d, uint8 o)"
OPERATOR = "permit(address o, address p, bool a, uint256 d, uint8 v, bytes32 r, bytes32 s)"
CREDIT = f"delegationWithSig(address o, address p, uint256 x, {SIGNED})"


def plain(to: str, signature: str, *arguments: Any) -> DecodedTx:
    """From an account that is none of those that get something."""
    return read(Call(to, calldata(signature, *arguments), 0, TARGET), BOOK, ABI)


CALLS = [
    ("allow(address m, bool a)", (WHO, True), "may take and move all that the account holds or may borrow"),
    (MANAGER, (TARGET, WHO, True, 0, 9, *VRS), "may take and move all that the account holds or may borrow"),
    ("setAuthorization(address m, bool a)", (WHO, True), "may take and move all that the account holds or may borrow"),
    (MORPHO, ((TARGET, WHO, True, 0, 9), VRS), "may take and move all that the account holds or may borrow"),
    ("setOperator(address m, bool a)", (WHO, True), "may take and move all that the account holds or may borrow"),
    ("authorizeOperator(address m)", (WHO,), "may take and move all"),
    (OPERATOR, (TARGET, WHO, True, 9, *VRS), "may take and move all"),
    ("permitForAll(address o, address p, bool a, uint256 d, uint256 n, bytes s)", (TARGET, WHO, True, 9, 0, b""), ""),
    ("approveDelegation(address m, uint256 a)", (WHO, 5), "may borrow, as a debt of the account that signs, 0.000005"),
    (CREDIT, (TARGET, WHO, MOST, 9, *VRS), "may borrow, as a debt of the account that signs, USDC WITHOUT LIMIT"),
    ("addOwnerWithThreshold(address o, uint256 t)", (WHO, 1), "own the Safe"),
    ("swapOwner(address p, address o, address n)", (TARGET, KNOWN, WHO), "own the Safe"),
    ("enableModule(address m)", (WHO,), "without any signature"),
    ("setGuard(address m)", (WHO,), "and so lock it"),
    ("setFallbackHandler(address m)", (WHO,), "answer for the Safe"),
    (SETUP, ([WHO], 1, ZERO, b"", ZERO, ZERO, 0, ZERO), "own the Safe"),
    (SAFE_TX, safe(WHO, 1), "runs its own code as the account (delegatecall)"),
    (SAFE_TX, safe(KNOWN, 0, b"", 7, WHO), "pays a refund of gas, at 7 base units of ETH a unit, to"),
    (SAFE_TX, safe(KNOWN, 0, b"", 7), "to whoever sends it"),
    (MODULE_TX, (WHO, 0, b"", 1), "runs its own code as the account (delegatecall)"),
    (f"transferWithAuthorization({MOVED}uint8 v, bytes32 r, bytes32 s)", (TARGET, WHO, 5, 0, 9, NONCE, *VRS), "moves"),
    (f"receiveWithAuthorization({MOVED}bytes s)", (TARGET, WHO, 5, 0, 9, NONCE, b""), "moves 0.000005 USDC from"),
    ("transferFrom(address f, address t, uint160 x, address k)", (TARGET, WHO, 5, USDC), "moves 0.000005 USDC from"),
    ("transferFrom((address f, address t, uint160 x, address k)[] d)", ([(TARGET, WHO, 5, USDC)],), "moves 0.000005"),
    ("permit(address s, uint256 i, uint256 d, bytes g)", (WHO, 7, 9, b""), "may take number 7 of USDC"),
    ("permit(address s, uint256 i, uint256 d, uint8 v, bytes32 r, bytes32 t)", (WHO, 7, 9, *VRS), "number 7 of USDC"),
    ("permit(address s, uint256 i, uint256 d, uint256 n, bytes g)", (WHO, 7, 9, 0, b""), "may take number 7 of USDC"),
    ("approve(address s, uint256 i, uint256 a)", (WHO, 7, MOST), "may take all there is of number 7 of USDC"),
    ("increaseAllowance(address s, uint256 a)", (WHO, MOST), "may take USDC WITHOUT LIMIT"),
    ("transferOwnership(address o)", (WHO,), "as its owner or administrator"),
    ("transferOwnership(address o, bool d, bool r)", (WHO, True, False), "as its owner or administrator"),
    ("_setPendingAdmin(address o)", (WHO,), "as its owner or administrator"),
    ("grantRole(bytes32 r, address a)", (bytes(32), WHO), "use the role 0x00"),
    ("upgradeTo(address o)", (WHO,), "be the code of"),
    ("diamondCut((address f, uint8 a, bytes4[] s)[] c, address i, bytes d)", ([(WHO, 0, [])], ZERO, b""), "be the"),
]  # fmt: skip


@pytest.mark.parametrize(("signature", "arguments", "said"), CALLS)
def test_calls_that_hand_over_control_or_money_are_dangers(signature: str, arguments: Any, said: str) -> None:
    reading = plain(USDC, signature, *arguments)
    assert reading.dangerous and any(said in one for one in reading.dangers), reading.dangers
    assert reading.fault is None and any(said in one for one in reading.warnings)
    assert any("DANGER" in line for line in lines(reading))
    whole = calldata(signature, *arguments)
    cut = read(Call(USDC, whole[:4] + b"\1" + whole[5:]), BOOK, ABI)
    assert cut.dangerous, "bytes that cannot be read exactly"
    many = plain(BOOK_MULTICALL, "aggregate((address t, bytes c)[] calls)", [(USDC, whole)])
    assert many.dangerous and not many.dangers


BOOK_MULTICALL = next(address for address, name in BOOK.names.items() if name == "Multicall3")


@pytest.mark.parametrize(
    ("signature", "arguments"),
    [
        ("allow(address m, bool a)", (WHO, False)),
        ("allow(address m, bool a)", (KNOWN, True)),
        (MANAGER, (TARGET, WHO, False, 0, 9, *VRS)),
        (MORPHO, ((TARGET, WHO, False, 0, 9), VRS)),
        ("setAuthorization(address m, bool a)", (WHO, False)),
        ("setOperator(address m, bool a)", (WHO, False)),
        ("approveDelegation(address m, uint256 a)", (WHO, 0)),
        ("approveDelegation(address m, uint256 a)", (KNOWN, 5)),
        ("setGuard(address m)", (ZERO,)),
        ("changeThreshold(uint256 t)", (1,)),
        ("removeOwner(address p, address o, uint256 t)", (TARGET, WHO, 1)),
        (SAFE_TX, safe(KNOWN, 0)),
        (SAFE_TX, safe(MULTISEND, 1, calldata("multiSend(bytes t)", packed(USDC, b"")))),
        ("transferFrom(address f, address t, uint160 x, address k)", (TARGET, KNOWN, 5, USDC)),
        (f"receiveWithAuthorization({MOVED}bytes s)", (TARGET, KNOWN, 5, 0, 9, NONCE, b"")),
        ("decreaseAllowance(address s, uint256 a)", (WHO, MOST)),
    ],
)
def test_what_is_taken_away_or_goes_to_a_listed_contract_is_none(signature: str, arguments: Any) -> None:
    assert not plain(USDC, signature, *arguments).dangerous


def test_what_comes_back_to_the_caller_is_none() -> None:
    data = calldata(f"receiveWithAuthorization({MOVED}bytes s)", TARGET, WHO, 5, 0, 9, NONCE, b"")
    assert read(Call(USDC, data, 0, OTHER), BOOK, ABI).dangerous
    assert not read(Call(USDC, data, 0, WHO), BOOK, ABI).dangerous


def test_a_delegatecall_within_a_safes_batch_is_found() -> None:
    inner = b"\1" + packed(WHO, b"")[1:]
    assert not plain(OTHER, "multiSend(bytes t)", packed(WHO, b"")).dangerous
    batch = plain(OTHER, "multiSend(bytes t)", packed(WHO, b"") + inner)
    assert [one for one in batch.dangers if "delegatecall" in one]
    whole = calldata("multiSend(bytes t)", packed(WHO, b"") + inner)
    assert plain(OTHER, SAFE_TX, *safe(MULTISEND, 1, whole)).dangerous
    owner = calldata("addOwnerWithThreshold(address o, uint256 t)", WHO, 1)
    assert plain(OTHER, SAFE_TX, *safe(OTHER, 0, owner)).dangerous
    assert plain(OTHER, "execute(address t, uint256 v, bytes d)", OTHER, 0, owner).dangerous


def test_a_descriptor_that_leaves_a_call_out_does_not_hide_it(tmp_path: Path) -> None:
    inner = calldata("approve(address s, uint256 v)", WHO, MOST)
    harmless = calldata("transfer(address t, uint256 v)", WHO, 5)
    one = {"path": "data.[0]", "label": "Call", "format": "calldata", "params": {"callee": TARGET}}
    known = described(tmp_path, "multicall(bytes[] data)", [one])
    assert read(Call(TARGET, calldata("multicall(bytes[] d)", [harmless, inner])), BOOK, ABI, known).dangerous


def command(byte: int, kinds: list[str], *said: Any, to: str = ROUTER) -> DecodedTx:
    return plain(to, EXECUTE, bytes([byte]), [encode(kinds, said)], 1_800_000_000)


MONEY = "money handed to an unknown address: "
COMMANDS = [
    (0x0A, [f"({DETAILS},address,uint256)", "bytes"], (permit(WHO, 2**160 - 1), b""), "an allowance without limit and"),
    (0x8A, [f"({DETAILS},address,uint256)", "bytes"], (permit(WHO, 5), b""), "an allowance to an unknown spender"),
    (0x0A, [f"({DETAILS},address,uint256)", "bytes"], (permit(KNOWN, 5), b""), None),
    (0x03, [f"({DETAILS}[],address,uint256)", "bytes"], (([(USDC, 5, 9, 0)], WHO, 9), b""), "an allowance to an"),
    (0x02, ["address", "address", "uint160"], (USDC, WHO, 5), f"{MONEY}moves 0.000005 USDC"),
    (0x02, ["address", "address", "uint160"], (USDC, "0x" + "00" * 19 + "02", 5), None),
    (0x0D, ["(address,address,uint160,address)[]"], ([(TARGET, WHO, 5, USDC)],), f"{MONEY}moves 0.000005 USDC"),
    (0x00, ["address", "uint256", "uint256", "bytes", "bool"], (WHO, 1, 1, b"", True), f"{MONEY}sends what comes out"),
    (0x00, ["address", "uint256", "uint256", "bytes", "bool"], ("0x" + "00" * 19 + "01", 1, 1, b"", True), None),
    (0x08, ["address", "uint256", "uint256", "address[]", "bool"], (WHO, 1, 1, [], True), f"{MONEY}sends what comes"),
    (0x04, ["address", "address", "uint256"], (USDC, WHO, 0), f"{MONEY}sends all the"),
    (0x06, ["address", "address", "uint256"], (USDC, WHO, 25), f"{MONEY}sends 0.25 % of the"),
    (0x0C, ["address", "uint256"], (WHO, 0), f"{MONEY}sends what comes out"),
    (0x10, ["bytes", "bytes[]"], (b"\x0e", [encode(["address", "address", "uint256"], [USDC, WHO, 5])]), MONEY),
    (0x10, ["bytes", "bytes[]"], (b"\x0e", [b"\1"]), "the action 0x0e in Uniswap v4 cannot be read exactly"),
    (0x21, ["bytes", "bytes[]"], (b"\x02", [encode(["address", "address", "uint160"], [USDC, WHO, 5])]), MONEY),
    (0x3E, ["uint256"], (1,), "the router's command 0x3e cannot be read here"),
    (0x0A, ["uint256"], (1,), "the router's command 0x0a cannot be read here"),
]  # fmt: skip


@pytest.mark.parametrize(("byte", "kinds", "said", "danger"), COMMANDS)
def test_commands_of_the_universal_router(byte: int, kinds: list[str], said: Any, danger: str | None) -> None:
    reading = command(byte, kinds, *said)
    assert reading.known and reading.dangerous is (danger is not None)
    assert danger is None or any(one.startswith(danger) for one in reading.dangers), reading.dangers
    shorter = plain(ROUTER, "execute(bytes c, bytes[] i)", bytes([byte]), [encode(kinds, said)])
    assert shorter.dangers == reading.dangers


def test_commands_whose_bytes_are_not_exact_are_a_danger() -> None:
    dirty = keccak(text="execute(bytes,bytes[],uint256)")[:4] + b"\1" * 64
    assert read(Call(ROUTER, dirty), BOOK, ABI).dangerous
    assert plain(ROUTER, EXECUTE, b"\x0a\x0a", [b""], 9).dangerous, "more commands than inputs"


def message(primary: str, fields: dict[str, tuple[str, Any]], contract: str = USDC) -> DecodedTx:
    types = {primary: [{"name": name, "type": kind} for name, (kind, _) in fields.items()]}
    return read_typed(typed(primary, types, {name: v for name, (_, v) in fields.items()}, contract), BOOK, ABI)


def authorization(primary: str, to: str) -> DecodedTx:
    fields = {"from": ("address", TARGET), "to": ("address", to), "value": ("uint256", 5), "validAfter": ("uint256", 0)}
    return message(primary, {**fields, "validBefore": ("uint256", 9), "nonce": ("bytes32", "0x" + "00" * 32)})


def manager(who: str, yes: bool) -> DecodedTx:
    fields = {"owner": ("address", TARGET), "manager": ("address", who), "isAllowed": ("bool", yes)}
    return message("Authorization", {**fields, "nonce": ("uint256", 0), "expiry": ("uint256", 9)})


def authorized(who: str, yes: bool) -> DecodedTx:
    fields = {"authorizer": ("address", TARGET), "authorized": ("address", who), "isAuthorized": ("bool", yes)}
    return message("Authorization", {**fields, "nonce": ("uint256", 0), "deadline": ("uint256", 9)})


def credit(who: str, much: int) -> DecodedTx:
    fields = {"delegatee": ("address", who), "value": ("uint256", much), "nonce": ("uint256", 0)}
    return message("DelegationWithSig", {**fields, "deadline": ("uint256", 9)})


def operator(who: str, yes: bool) -> DecodedTx:
    fields = {"owner": ("address", TARGET), "operator": ("address", who), "approved": ("bool", yes)}
    return message("PermitForAll", {**fields, "nonce": ("uint256", 0), "deadline": ("uint256", 9)})


def one_thing(who: str) -> DecodedTx:
    fields = {"spender": ("address", who), "tokenId": ("uint256", 7), "nonce": ("uint256", 0)}
    return message("Permit", {**fields, "deadline": ("uint256", 9)})


def safe_tx(to: str, operation: int, data: bytes = b"", price: int = 0) -> DecodedTx:
    fields: dict[str, tuple[str, Any]] = {"to": ("address", to), "value": ("uint256", 0)}
    fields |= {"data": ("bytes", "0x" + data.hex()), "operation": ("uint8", operation), "safeTxGas": ("uint256", 0)}
    fields |= {"baseGas": ("uint256", 0), "gasPrice": ("uint256", price), "gasToken": ("address", ZERO)}
    return message("SafeTx", fields | {"refundReceiver": ("address", WHO), "nonce": ("uint256", 0)}, OTHER)


@pytest.mark.parametrize(
    ("reading", "danger"),
    [
        (manager(WHO, True), "control handed to an unknown address: "),
        (manager(WHO, False), None),
        (manager(KNOWN, True), None),
        (authorized(WHO, True), "control handed to an unknown address: "),
        (authorized(WHO, False), None),
        (credit(WHO, 5), "an allowance to an unknown spender: "),
        (credit(KNOWN, MOST), "an allowance without limit: "),
        (credit(WHO, 0), None),
        (operator(WHO, True), "control handed to an unknown address: "),
        (operator(WHO, False), None),
        (one_thing(WHO), "an allowance to an unknown spender: "),
        (authorization("TransferWithAuthorization", WHO), f"{MONEY}moves 0.000005 USDC from"),
        (authorization("ReceiveWithAuthorization", WHO), f"{MONEY}moves 0.000005 USDC from"),
        (authorization("TransferWithAuthorization", KNOWN), None),
        (authorization("TransferWithAuthorization", TARGET), None),
        (safe_tx(WHO, 1), "control handed to an unknown address: "),
        (safe_tx(MULTISEND, 1), None),
        (safe_tx(WHO, 0), None),
        (safe_tx(KNOWN, 0, b"", 5), f"{MONEY}pays a refund of gas"),
    ],
)
def test_messages_that_hand_over_control_or_money_are_dangers(reading: DecodedTx, danger: str | None) -> None:
    assert reading.dangerous is (danger is not None), reading.dangers
    assert danger is None or any(one.startswith(danger) for one in reading.dangers), reading.dangers


@pytest.mark.parametrize(
    "inner",
    [
        calldata("addOwnerWithThreshold(address o, uint256 t)", WHO, 1),
        calldata("swapOwner(address p, address o, address n)", TARGET, KNOWN, WHO),
        calldata("enableModule(address m)", WHO),
        calldata("setGuard(address m)", WHO),
    ],
)
def test_what_a_safes_message_changes_of_the_safe_is_a_danger(inner: bytes) -> None:
    assert safe_tx(OTHER, 0, inner).dangerous
    batch = calldata("multiSend(bytes t)", packed(OTHER, inner))
    assert safe_tx(MULTISEND, 1, batch).dangerous
