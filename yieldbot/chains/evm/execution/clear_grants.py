"""Clear signing of allowances: what somebody else may take after a call or a signature, and which allowances are
dangerous.

Dangerous: allowances without limit, setApprovalForAll, and every permit, Permit2 allowance or credit delegation to a
spender that chains/*.toml does not name. A descriptor that names a spender does not make it known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, selector
from yieldbot.chains.evm.execution.clear_bytes import decoded
from yieldbot.chains.evm.execution.erc7730 import DecodedValue, at, clean, date, parsed, tree
from yieldbot.chains.evm.execution.erc7730.scope import Names
from yieldbot.chains.evm.execution.erc7730.values import number
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass

PERMIT2_ADDRESS = "0x000000000022d473030f116ddee9f6b43ac78ba3"
"""Permit2's address, in lower case: the same on every chain."""
WITHOUT_LIMIT = 2**128 - 1
"""An allowance of at least this is without limit: no token has that many base units."""
OLD_LIMIT = 2**96 - 1
"""Exactly this value also means without limit, in tokens that count in 96 bits (UNI, COMP)."""

_DETAILS = "(address token, uint160 amount, uint48 expiration, uint48 nonce)"


def _by_selector(*signatures: str) -> dict[bytes, AbiFunction]:
    return {selector(one.signature): one for one in map(parsed, signatures)}


GRANTS = _by_selector(
    "approve(address spender, uint256 amount)",
    "increaseAllowance(address spender, uint256 amount)",
    "increaseApproval(address spender, uint256 amount)",
    "approveAndCall(address spender, uint256 amount, bytes data)",
    "setApprovalForAll(address operator, bool approved)",
    "permit(address owner, address spender, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
    "permit(address owner, address spender, uint256 amount, uint256 deadline, bytes signature)",
    "permit(address holder, address spender, uint256 nonce, uint256 expiry, bool allowed, "
    "uint8 v, bytes32 r, bytes32 s)",
    "approve(address token, address spender, uint160 amount, uint48 expiration)",
    "approve(address spender, uint256 id, uint256 amount)",
    "permit(address spender, uint256 tokenId, uint256 deadline, bytes signature)",
    "permit(address spender, uint256 tokenId, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
    "permit(address spender, uint256 tokenId, uint256 deadline, uint256 nonce, bytes signature)",
    "approveDelegation(address delegatee, uint256 amount)",
    "delegationWithSig(address delegator, address delegatee, uint256 amount, uint256 deadline, uint8 v, bytes32 r, "
    "bytes32 s)",
    f"permit(address owner, ({_DETAILS} details, address spender, uint256 sigDeadline) permitSingle, bytes signature)",
    f"permit(address owner, ({_DETAILS}[] details, address spender, uint256 sigDeadline) permitBatch, bytes signature)",
)
PLAIN = _by_selector(
    "approve(address spender, uint256 amount)",
    "increaseAllowance(address spender, uint256 amount)",
    "decreaseAllowance(address spender, uint256 amount)",
    "transfer(address to, uint256 amount)",
    "transferFrom(address from, address to, uint256 amount)",
    "setApprovalForAll(address operator, bool approved)",
    "deposit()",
    "withdraw(uint256 amount)",
    "permit(address owner, address spender, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
    "multicall(bytes[] data)",
    "multicall(uint256 deadline, bytes[] data)",
    "multicall(bytes32 previousBlockhash, bytes[] data)",
    "aggregate((address target, bytes callData)[] calls)",
    "aggregate3((address target, bool allowFailure, bytes callData)[] calls)",
    "aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData)[] calls)",
    "tryAggregate(bool requireSuccess, (address target, bytes callData)[] calls)",
    "multiSend(bytes transactions)",
    "execTransaction(address to, uint256 value, bytes data, uint8 operation, uint256 safeTxGas, uint256 baseGas, "
    "uint256 gasPrice, address gasToken, address refundReceiver, bytes signatures)",
    "execTransactionFromModule(address to, uint256 value, bytes data, uint8 operation)",
    "execTransactionFromModuleReturnData(address to, uint256 value, bytes data, uint8 operation)",
    "execute(address to, uint256 value, bytes data)",
)
"""Functions that many contracts have, by selector: read when neither a descriptor nor abis/ describes the call."""


@dataclass(frozen=True, slots=True)
class Grant:
    """An allowance that a call or signature gives."""

    spender: str
    """The address that may take the tokens."""
    token: str | None
    """The token's contract; None: it is not named."""
    amount: int | None
    """Base units; None: everything that the account has, now and later."""
    until: int | None = None
    """Unix seconds at which it ends; 0: with this block; None: never (an EIP-2612 permit's deadline ends the signature,
    not the allowance)."""
    permit: bool = False
    """True: it is given by a signature, or by Permit2."""
    once: bool = False
    """True: it is for a single transfer."""
    item: int | None = None
    """The token id of an NFT or ERC-6909 token; None for other tokens."""
    borrow: bool = False
    """True: what is taken is borrowed and becomes our debt (Aave's credit delegation; ``token`` is the debt token)."""

    @property
    def unlimited(self) -> bool:
        """Whether it is without limit."""
        return self.amount is None or self.amount >= WITHOUT_LIMIT or self.amount == OLD_LIMIT


def grants_of(to: str, data: bytes) -> Iterator[Grant]:
    """The allowances that a call gives, by its selector and whatever its target is; none for a call that revokes
    one."""
    function = GRANTS.get(data[:4])
    read = decoded(function, data) if function is not None else None
    if function is None or read is None:
        return
    root = tree(function.inputs, read[0])
    values = {name: node.value for name, node in root.value.items()}
    if function.name == "setApprovalForAll":
        if values["approved"]:
            yield Grant(values["operator"], to, None)
    elif (signed := values.get("permitSingle") or values.get("permitBatch")) is not None:
        yield from details_of(signed)
    elif "delegatee" in values:
        if values["amount"]:
            yield Grant(values["delegatee"], to, values["amount"], borrow=True)
    elif "tokenId" in values:
        yield Grant(values["spender"], to, 1, None, True, item=values["tokenId"])
    elif "id" in values:
        if values["amount"]:
            yield Grant(values["spender"], to, values["amount"], item=values["id"])
    elif "allowed" in values:
        if values["allowed"]:
            yield Grant(values["spender"], to, None, None, True)
    elif values["amount"]:
        permit = function.name == "permit" or "token" in values
        yield Grant(values["spender"], values.get("token", to), values["amount"], values.get("expiration"), permit)


def details_of(signed: Mapping[str, DecodedValue]) -> Iterator[Grant]:
    """The allowances of a PermitSingle or PermitBatch of Permit2."""
    listed = signed["details"].value
    for one in listed if isinstance(listed, list) else [signed["details"]]:
        inner = one.value
        if inner["amount"].value:
            until = inner["expiration"].value
            yield Grant(signed["spender"].value, inner["token"].value, inner["amount"].value, until, True)


def grants_in(primary: str, contract: str | None, root: DecodedValue) -> Iterator[Grant]:
    """The allowances that a typed message gives (EIP-2612, DAI's permit, ERC-4494, Aave's credit delegation, Permit2),
    by the names of its fields and whatever its contract is."""
    fields = root.value
    delegatee = fields["delegatee"].value if "delegatee" in fields else None
    if isinstance(delegatee, str) and "value" in fields and (lent := number(fields["value"])):
        yield Grant(delegatee, contract, lent, borrow=True)
    spender = fields["spender"].value if "spender" in fields else None
    if not isinstance(spender, str):
        return
    if "details" in fields or "permitted" in fields:
        once = "details" not in fields
        group = fields["permitted" if once else "details"]
        for one in group.value if isinstance(group.value, list) else [group]:
            held = one.value if isinstance(one.value, Mapping) else {}
            if "token" in held and "amount" in held and (amount := number(held["amount"])):
                until = _number(root, "deadline") if once else _number(one, "expiration")
                yield Grant(spender, str(held["token"].value), amount, until, True, once)
    elif "allowed" in fields:
        if fields["allowed"].value:
            yield Grant(spender, contract, None, None, True)
    elif "tokenId" in fields:
        yield Grant(spender, contract, 1, None, True, item=number(fields["tokenId"]))
    elif primary.lower().startswith("permit"):
        amount_of = next((number(fields[name]) for name in ("value", "amount") if name in fields), None)
        if amount_of or amount_of is None:
            yield Grant(spender, contract, amount_of, None, True)


def _number(node: DecodedValue, path: str) -> int | None:
    found = at(node, path)
    return number(found[0][1]) if len(found) == 1 else None


def in_words(names: Names, grant: Grant) -> str:
    """One sentence about the allowance."""
    token = names.tokens.get(grant.token.lower()) if grant.token else None
    of = token.symbol if token else f"the token {names.named(grant.token)}" if grant.token else "an unnamed token"
    if grant.item is not None:
        some = "" if grant.amount in (None, 1) else "all there is of " if grant.unlimited else f"{grant.amount} of "
        much = f"{some}number {grant.item} of {of}"
    elif grant.amount is None:
        much = f"ALL of {of}, now and later"
    elif grant.unlimited:
        much = f"{of} WITHOUT LIMIT ({grant.amount})"
    else:
        much = str(Amount(token, grant.amount)) if token else f"{grant.amount} base units of {of}"
    ends = ", for ever"
    if grant.until == 0:
        ends = ", in the same block alone"
    elif grant.until is not None and grant.until < 2**40:
        ends = f", until {date(grant.until)}"
    elif grant.until is None and not grant.permit:
        ends = ""
    verb = "borrow, as a debt of the account that signs," if grant.borrow else "take"
    return clean(f"{names.named(grant.spender)} may {verb} {much}{', once' if grant.once else ''}{ends}")


def dangers(names: Names, grants: Iterable[Grant]) -> tuple[str, ...]:
    """A sentence for each allowance that a person should not give without checking it."""
    messages = []
    for grant in grants:
        spender = grant.spender.lower()
        known = spender in names.names or spender == PERMIT2_ADDRESS
        why = []
        if grant.unlimited:
            why.append("without limit")
        if not known and (grant.permit or grant.borrow or grant.unlimited):
            why.append("to an unknown spender")
        if why:
            messages.append(f"an allowance {' and '.join(why)}: {in_words(names, grant)}")
    return tuple(messages)


def plain_calls(function: AbiFunction, root: DecodedValue, to: str) -> list[tuple[bytes, str, int]]:
    """(calldata, target, wei) of each call that a batch contains. The calls of a router's multicall go to the router
    itself, ``to``."""
    plain = PLAIN.get(selector(function.signature))
    if plain is None:
        return []
    if plain.name == "multiSend":
        return batched(next(iter(root.value.values())).value)
    if plain.name == "execute" or plain.name.startswith("execTransaction"):
        first = [node.value for node in root.value.values()]
        return [(first[2], first[0], first[1])] if first[2] else []
    if plain.name != "multicall" and "ggregate" not in plain.name:
        return []
    values: Sequence[Any] = next(node for node in root.value.values() if isinstance(node.value, list)).value
    if plain.name == "multicall":
        return [(node.value, to, 0) for node in values]
    made = []
    for node in values:  # target, ..., bytes: the names are whatever the ABI calls them
        parts = [part.value for part in node.value.values()]
        made.append((parts[-1], str(parts[0]), parts[2] if len(parts) == 4 else 0))
    return made


def batched(packed: bytes) -> list[tuple[bytes, str, int]]:
    """(calldata, target, wei) of each call of a Safe's MultiSend. Packed (MultiSend.sol): operation (1 byte), target
    (20), value (32), length (32), calldata."""
    made, place = list[tuple[bytes, str, int]](), 0
    while place < len(packed):
        head = packed[place : place + 85].ljust(85, b"\0")
        length = int.from_bytes(head[53:85], "big")
        data = packed[place + 85 : place + 85 + length]
        made.append((data, "0x" + head[1:21].hex(), int.from_bytes(head[21:53], "big")))
        place += 85 + length
    return made
