"""Clear signing of calls that hand over control or money: operators, owners, modules, delegatecalls, transfers by
signature.

Such a call is dangerous if the receiver is no address in chains/*.toml, or the bytes cannot be decoded. Function
signatures are those of the published contracts: Comet (CometExt.sol), Morpho Blue, Safe 1.3 to 1.4.1, EIP-3009,
ERC-7540, ERC-6909, ERC-777, OpenZeppelin's Ownable, AccessControl and proxies, Compound v2, EIP-2535, EIP-7702.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, selector
from yieldbot.chains.evm.execution.clear_bytes import decoded
from yieldbot.chains.evm.execution.erc7730 import DecodedValue, clean, date, parsed, tree
from yieldbot.chains.evm.execution.erc7730.scope import Names
from yieldbot.chains.evm.execution.erc7730.values import number
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass

NOBODY = "0x" + "00" * 20
LIBRARIES = frozenset(
    {
        "0x38869bf66a61cf6bdb996a6ae40d5853fd43b526",  # MultiSend 1.4.1
        "0x9641d764fc13c8b624c04430c7356c1c7c8102e2",  # MultiSendCallOnly 1.4.1
        "0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761",  # MultiSend 1.3.0, canonical
        "0x40a2accbd92bca938b02010e17a5b8929b49130d",  # MultiSendCallOnly 1.3.0, canonical
        "0x998739bfdaadde7c933b942a68053933098f9eda",  # MultiSend 1.3.0, eip155
        "0xa1dabef33b3b82c7814b6d82a79e50f4ac44102b",  # MultiSendCallOnly 1.3.0, eip155
    }
)
"""Contracts that a Safe may delegatecall without danger: Safe's own batchers (safe-deployments), whose calls are
decoded one by one."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Control or money that is handed to somebody."""

    who: str
    """The receiver's address; empty: whoever sends the transaction, or nobody in particular."""
    does: str
    """What the receiver may do from then on; for money: what moves."""
    money: bool = False
    """True: money moves. False: control is given."""
    always: bool = False
    """True: it is dangerous whoever receives it."""
    by_code: bool = False
    """True: the receiver's code runs as the account itself."""


_ALL = "take and move all that the account holds or may borrow at {to}, now and later"
_CODE = "its own code as the account (delegatecall) and may do everything with all it holds"
_OWN = "control {to} as its owner or administrator"
_SAFE = "own the Safe {to} and sign for it"

_OPERATORS = {  # signature: who, whether, what they may do
    "allow(address manager, bool isAllowed)": ("manager", "isAllowed", _ALL),
    "allowBySig(address owner, address manager, bool isAllowed, uint256 nonce, uint256 expiry, uint8 v, bytes32 r, "
    "bytes32 s)": ("manager", "isAllowed", _ALL),
    "setAuthorization(address authorized, bool newIsAuthorized)": ("authorized", "newIsAuthorized", _ALL),
    "setOperator(address operator, bool approved)": ("operator", "approved", _ALL),
    "authorizeOperator(address operator)": ("operator", "", _ALL),
    "permitForAll(address owner, address operator, bool approved, uint256 deadline, uint256 nonce, bytes signature)": (
        "operator",
        "approved",
        _ALL,
    ),
    "permit(address owner, address operator, bool approved, uint256 deadline, uint8 v, bytes32 r, bytes32 s)": (
        "operator",
        "approved",
        _ALL,
    ),
    "permit(address owner, address operator, bool approved, uint256 deadline, bytes signature)": (
        "operator",
        "approved",
        _ALL,
    ),
    "setApprovalForAllWithSig(address owner, address operator, bool approved, uint256 deadline, bytes signature)": (
        "operator",
        "approved",
        _ALL,
    ),
    "addOwnerWithThreshold(address owner, uint256 threshold)": ("owner", "", _SAFE),
    "swapOwner(address previous, address replaced, address owner)": ("owner", "", _SAFE),
    "enableModule(address module)": ("module", "", "move all that the Safe {to} holds, without any signature"),
    "setGuard(address guard)": ("guard", "", "refuse every transaction of the Safe {to}, and so lock it"),
    "setModuleGuard(address guard)": ("guard", "", "refuse every transaction of the modules of the Safe {to}"),
    "setFallbackHandler(address handler)": ("handler", "", "answer for the Safe {to}, signatures of it included"),
    "changeMasterCopy(address implementation)": ("implementation", "", "be the code of {to}"),
    "grantRole(bytes32 role, address account)": ("account", "", "use the role {role} of {to}"),
    "transferOwnership(address owner, bool direct, bool renounce)": ("owner", "", _OWN),
    "upgradeTo(address implementation)": ("implementation", "", "be the code of {to}"),
    "upgradeToAndCall(address implementation, bytes data)": ("implementation", "", "be the code of {to}"),
    "upgrade(address proxy, address implementation)": ("implementation", "", "be the code of {proxy}"),
    "upgradeAndCall(address proxy, address implementation, bytes data)": (
        "implementation",
        "",
        "be the code of {proxy}",
    ),
    "changeProxyAdmin(address proxy, address admin)": ("admin", "", "control {proxy} as its administrator"),
    "setIsAllocator(address allocator, bool is)": ("allocator", "is", "move the money of the vault {to}"),
} | {
    f"{name}(address owner)": ("owner", "", _OWN)
    for name in (
        *("transferOwnership", "safeTransferOwnership", "setOwner", "changeOwner", "proposeOwner", "nominateNewOwner"),
        *("setPendingOwner", "transferOwner", "changeAdmin", "setAdmin", "setPendingAdmin", "_setPendingAdmin"),
        *("transferAdmin", "beginDefaultAdminTransfer", "setGovernance", "setGovernor", "setPendingGovernor"),
        *("setController", "setAuthority", "setManager", "setCurator", "setStrategist", "addOwner", "rely"),
    )
}
_MOVES = (
    *(
        f"{name}(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, {by})"
        for name in ("transferWithAuthorization", "receiveWithAuthorization")
        for by in ("uint8 v, bytes32 r, bytes32 s", "bytes signature")
    ),
    "transferFrom(address from, address to, uint160 amount, address token)",
    "transferFrom((address from, address to, uint160 amount, address token)[] transferDetails)",
)
_RUNS = (
    "execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, "
    "uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures)",
    "execTransactionFromModule(address to, uint256 value, bytes data, uint8 operation)",
    "execTransactionFromModuleReturnData(address to, uint256 value, bytes data, uint8 operation)",
    "setup(address[] owners, uint256 threshold, address to, bytes data, address fallbackHandler, "
    "address paymentToken, uint256 payment, address paymentReceiver)",
    "changeThreshold(uint256 threshold)",
    "removeOwner(address previous, address owner, uint256 threshold)",
    "multiSend(bytes transactions)",
    "diamondCut((address facet, uint8 action, bytes4[] selectors)[] cut, address init, bytes data)",
    "setAuthorizationWithSig((address authorizer, address authorized, bool isAuthorized, uint256 nonce, "
    "uint256 deadline) authorization, (uint8 v, bytes32 r, bytes32 s) signature)",
)
_PHRASES = {selector(parsed(text).signature): phrase for text, phrase in _OPERATORS.items()}
CONTROL: dict[bytes, AbiFunction] = {
    selector(one.signature): one for one in map(parsed, (*_OPERATORS, *_MOVES, *_RUNS))
}


def control_of(names: Names, to: str, data: bytes) -> Iterator[Handover]:
    """What a call hands over, by its selector and whatever its target is; nothing for a call that takes a right
    back."""
    function = CONTROL.get(data[:4])
    read = decoded(function, data) if function is not None else None
    if function is None or read is None:
        return
    values = {name: node.value for name, node in tree(function.inputs, read[0]).value.items()}
    if (phrase := _PHRASES.get(data[:4])) is not None:
        who, whether, does = phrase
        if values.get(whether, True) and values[who].lower() != NOBODY:
            given = {name: names.named(values[name]) for name in ("proxy",) if name in values}
            role = "0x" + values["role"].hex() if "role" in values else ""
            yield Handover(values[who], does.format(to=names.named(to), role=role, **given))
    elif function.name == "setAuthorizationWithSig":
        yield from _authorised(names, to, _plain(values["authorization"]))
    elif function.name in ("transferWithAuthorization", "receiveWithAuthorization"):
        yield from _authorised(names, to, values)
    elif function.name == "transferFrom":
        for one in [node.value for node in values["transferDetails"]] if "transferDetails" in values else [values]:
            row = _plain(one)
            yield Handover(row["to"], _moved(names, row["token"], row["amount"], row["from"]), money=True)
    elif function.name.startswith("execTransaction"):
        yield from _run(names, values)
    elif function.name == "multiSend":
        yield from _delegated(names, values["transactions"])
    elif function.name == "setup":
        yield from (Handover(node.value, _SAFE.format(to=names.named(to))) for node in values["owners"])
        yield from _run(names, values | {"operation": 1, "gasPrice": values["payment"], **_paid(values)})
    elif function.name == "diamondCut":
        faces = [node.value["facet"].value for node in values["cut"]] + [values["init"]]
        does = f"be the code of {names.named(to)}"
        yield from (Handover(one, does) for one in dict.fromkeys(faces) if one.lower() != NOBODY)
    else:
        yield Handover("", f"from now on {values['threshold']} owners sign for the Safe {names.named(to)}")


def control_in(names: Names, primary: str, contract: str | None, root: DecodedValue) -> Iterator[Handover]:
    """The rights or money that a typed message hands over, recognised by the names of its fields, whatever its
    contract."""
    values, to = _plain(root.value), contract or "an unnamed contract"
    if {"operation", "to", "data"} <= set(values):
        yield from _run(names, values)
    yield from _authorised(names, to, values)


def handover_sentence(names: Names, handed: Handover) -> str:
    """One sentence about what is handed over."""
    if not handed.who:
        return clean(handed.does)
    who = names.named(handed.who)
    if handed.money:
        return clean(f"{handed.does} to {who}")
    return clean(f"{who} {'runs' if handed.by_code else 'may'} {handed.does}")


def control_message(names: Names, handed: Handover, own: str | None) -> tuple[str, str | None]:
    """(warning, danger) for a person; no danger if the receiver is known, or is the account itself. own: the account's
    address; None: unknown."""
    sentence = handover_sentence(names, handed)
    note = f"{'money' if handed.money else 'control'}: {sentence}"
    who = handed.who.lower()
    if not handed.who or who in names.names or (own is not None and who == own.lower()):
        return note, note if handed.always else None
    return note, f"{'money' if handed.money else 'control'} handed to an unknown address: {sentence}"


def _authorised(names: Names, to: str, values: Mapping[str, Any]) -> Iterator[Handover]:
    """What the values of an Authorization (Comet, Morpho), an operator's approval or an EIP-3009 transfer hand over."""
    for who, whether in (("authorized", "isAuthorized"), ("manager", "isAllowed"), ("operator", "approved")):
        if isinstance(values.get(who), str) and values.get(whether):
            yield Handover(values[who], _ALL.format(to=names.named(to)))
    if {"from", "to", "value", "validBefore", "nonce"} <= set(values) and isinstance(values["to"], str):
        much = number(DecodedValue("uint256", values["value"]))
        if much:
            until = number(DecodedValue("uint256", values["validBefore"])) or 0
            does = (
                _moved(names, to, much, str(values["from"])) + f" for whoever sends the signature until {date(until)},"
            )
            yield Handover(values["to"], does, money=True)


def _run(names: Names, values: Mapping[str, Any]) -> Iterator[Handover]:
    """What a Safe's transaction hands over: code that runs as the Safe by delegatecall, and a refund of gas."""
    to = str(values["to"])
    if values["operation"] and to.lower() not in LIBRARIES and to.lower() != NOBODY:
        yield Handover(to, _CODE, by_code=True)
    if values.get("gasPrice"):
        paid = str(values.get("refundReceiver", NOBODY))
        token = str(values.get("gasToken", NOBODY))
        of = str(names.native.symbol) if token.lower() == NOBODY else names.named(token)
        if paid.lower() != NOBODY:
            yield Handover(
                paid, f"pays a refund of gas, at {values['gasPrice']} base units of {of} a unit,", money=True
            )
        else:
            what = f"pays a refund of gas, at {values['gasPrice']} base units of {of} a unit, to whoever sends it"
            yield Handover("", what, money=True, always=True)


def _delegated(names: Names, packed: bytes) -> Iterator[Handover]:
    """What the delegatecalls in a batch hand over (MultiSend.sol: the first byte of each call is its operation)."""
    place = 0
    while place < len(packed):
        head = packed[place : place + 85].ljust(85, b"\0")
        yield from _run(names, {"to": "0x" + head[1:21].hex(), "operation": head[0]})
        place += 85 + int.from_bytes(head[53:85], "big")


def _paid(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"refundReceiver": values["paymentReceiver"], "gasToken": values["paymentToken"]}


def _moved(names: Names, token: str, raw: int, source: str) -> str:
    known = names.tokens.get(token.lower())
    much = str(Amount(known, raw)) if known else f"{raw} base units of the token {names.named(token)}"
    return f"moves {much} from {names.named(source)}"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: node.value if isinstance(node, DecodedValue) else node for name, node in values.items()}
