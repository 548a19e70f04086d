"""Clear signing of the commands of Uniswap's Universal Router that give an allowance or send money.

Commands and their inputs: Commands.sol and Dispatcher.sol of universal-router 2.0. Actions: Actions.sol of
v4-periphery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, selector
from yieldbot.chains.evm.execution.clear_bytes import decoded
from yieldbot.chains.evm.execution.clear_control import Handover
from yieldbot.chains.evm.execution.clear_grants import Grant, details_of
from yieldbot.chains.evm.execution.erc7730 import parsed, tree
from yieldbot.chains.evm.execution.erc7730.scope import Names
from yieldbot.model.amounts import Amount

EXECUTE: dict[bytes, AbiFunction] = {
    selector(one.signature): one
    for one in map(
        parsed,
        (
            "execute(bytes commands, bytes[] inputs, uint256 deadline)",
            "execute(bytes commands, bytes[] inputs)",
        ),
    )
}
MASK = 0x3F
"""The bits of a command byte that name the command (Commands.sol, COMMAND_TYPE_MASK)."""
CALLER = "0x" + "00" * 19 + "01"
"""A recipient that stands for whoever calls the router (Constants.sol, MSG_SENDER)."""
ROUTER = "0x" + "00" * 19 + "02"
"""A recipient that stands for the router itself (Constants.sol, ADDRESS_THIS)."""
MOST_PLANS = 4
"""Most levels of nested sub-plans that are decoded."""

_DETAILS = "(address token, uint160 amount, uint48 expiration, uint48 nonce)"
_SWAP = "address recipient, uint256 given, uint256 wanted"
COMMANDS: dict[int, AbiFunction] = {
    command: parsed(f"command({inputs})")
    for command, inputs in {
        0x00: f"{_SWAP}, bytes path, bool payerIsUser",
        0x01: f"{_SWAP}, bytes path, bool payerIsUser",
        0x02: "address token, address recipient, uint160 amount",
        0x03: f"({_DETAILS}[] details, address spender, uint256 sigDeadline) permit, bytes signature",
        0x04: "address token, address recipient, uint256 least",
        0x05: "address token, address recipient, uint256 amount",
        0x06: "address token, address recipient, uint256 bips",
        0x08: f"{_SWAP}, address[] path, bool payerIsUser",
        0x09: f"{_SWAP}, address[] path, bool payerIsUser",
        0x0A: f"({_DETAILS} details, address spender, uint256 sigDeadline) permit, bytes signature",
        0x0B: "address recipient, uint256 amount",
        0x0C: "address recipient, uint256 least",
        0x0D: "(address from, address recipient, uint160 amount, address token)[] transfers",
        0x0E: "address owner, address token, uint256 least",
        0x10: "bytes actions, bytes[] params",
        0x13: "(address zero, address one, uint24 fee, int24 spacing, address hooks) key, uint160 price",
        0x21: "bytes commands, bytes[] inputs",
    }.items()
}
SENDS: dict[int, AbiFunction] = {
    action: parsed(f"action({inputs})")
    for action, inputs in {
        0x0E: "address token, address recipient, uint256 amount",
        0x10: "address token, address recipient, uint256 bips",
        0x11: "address token, address other, address recipient",
        0x14: "address token, address recipient",
    }.items()
}


def routed(names: Names, data: bytes) -> tuple[list[Grant], list[Handover], list[str]]:
    """(allowances, money, messages about commands that cannot be decoded) of the router commands in a call."""
    grants, handed, unread = list[Grant](), list[Handover](), list[str]()
    function = EXECUTE.get(data[:4])
    if function is None:
        return grants, handed, unread
    if (read := decoded(function, data)) is None:
        return grants, handed, ["it looks like a router's commands, but its bytes cannot be read exactly"]
    for one in _plan(names, read[0][0], read[0][1], 0):
        (grants if isinstance(one, Grant) else handed if isinstance(one, Handover) else unread).append(one)  # type: ignore[arg-type]
    return grants, handed, unread


def _plan(names: Names, commands: bytes, inputs: Sequence[bytes], depth: int) -> Iterator[Grant | Handover | str]:
    if len(commands) != len(inputs) or depth > MOST_PLANS:
        yield "the router's commands do not match their inputs, or are nested too deep: what they do is unknown"
        return
    for byte, given in zip(commands, inputs, strict=True):
        function = COMMANDS.get(byte & MASK)
        read = decoded(function, bytes(4) + given) if function is not None else None
        if function is None or read is None or byte & 0x40:
            yield f"the router's command 0x{byte:02x} cannot be read here: what it does is unknown"
            continue
        yield from _command(names, byte & MASK, {k: n.value for k, n in tree(function.inputs, read[0]).value.items()},
                            depth)  # fmt: skip


def _command(names: Names, command: int, values: dict[str, Any], depth: int) -> Iterator[Grant | Handover | str]:
    if command in (0x03, 0x0A):
        yield from details_of(values["permit"])
    elif command == 0x0D:
        for node in values["transfers"]:
            yield from _sent(names, {name: part.value for name, part in node.value.items()}, "moves")
    elif command == 0x21:
        yield from _plan(names, values["commands"], [node.value for node in values["inputs"]], depth + 1)
    elif command == 0x10:
        if len(values["actions"]) != len(values["params"]):
            yield "the actions in Uniswap v4 do not match their inputs: what they do is unknown"
        for action, node in zip(values["actions"], values["params"], strict=False):
            if (function := SENDS.get(action)) is None:
                continue
            if (read := decoded(function, bytes(4) + node.value)) is None:
                yield f"the action 0x{action:02x} in Uniswap v4 cannot be read exactly: what it does is unknown"
            else:
                yield from _sent(names, {k: n.value for k, n in tree(function.inputs, read[0]).value.items()}, "sends")
    elif "recipient" in values:
        yield from _sent(names, values, "moves" if command == 0x02 else "sends")


def _sent(names: Names, values: dict[str, Any], verb: str) -> Iterator[Handover]:
    """Money that a command sends to anybody other than the caller or the router."""
    if values["recipient"].lower() in (CALLER, ROUTER):
        return
    token = names.tokens.get(str(values.get("token")).lower())
    if "token" not in values:
        does = f"{verb} what comes out"
    elif "amount" in values:
        raw = values["amount"]
        does = f"{verb} " + (
            str(Amount(token, raw)) if token else f"{raw} base units of {names.named(values['token'])}"
        )
    elif "bips" in values:
        does = f"{verb} {values['bips'] / 100:g} % of the {names.named(values['token'])} that comes out"
    else:
        does = f"{verb} all the {names.named(values['token'])} that comes out"
    yield Handover(values["recipient"], does, money=True)
