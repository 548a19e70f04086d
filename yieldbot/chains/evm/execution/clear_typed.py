"""Clear signing of typed messages (EIP-712): by an ERC-7730 descriptor of the domain, else field by field.

A message is parsed strictly: it must have every field that its types name, of that type, and no other. So everything
that is signed is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.execution import erc7730
from yieldbot.chains.evm.execution.abi_calls import AbiFunction
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, KnownNames, own_token, read, within
from yieldbot.chains.evm.execution.clear_control import control_in, control_message
from yieldbot.chains.evm.execution.clear_grants import dangers, grants_in, in_words
from yieldbot.chains.evm.execution.erc7730 import DecodedValue, Descriptor, Mismatch, Scope, ShownField
from yieldbot.chains.evm.execution.erc7730.values import as_number
from yieldbot.errors import ConfigError

DOMAIN = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
OWNERS = ("owner", "from", "authorizer")
"""Names of fields that hold the signing account."""
MOST_DEPTH = 32
"""Levels that a message's structs and arrays may nest."""
_BAD = "is no typed data of EIP-712"


def read_typed(
    document: Any, book: KnownNames, abi: Mapping[bytes, tuple[AbiFunction, ...]], known: Sequence[Descriptor] = ()
) -> DecodedTx:
    """What signing a message would do. book: names of the chain in its domain. Raises ConfigError for JSON that is no
    EIP-712 typed data."""
    types, primary, domain, root = _parts(document)
    encoded_type = erc7730.type_string(types, primary)
    contract = str(domain["verifyingContract"]) if "verifyingContract" in domain else None
    given = tuple(grants_in(primary, contract, root))
    own = next((str(root.value[name].value) for name in OWNERS if name in root.value), None)
    handed = [control_message(book, one, own) for one in control_in(book, primary, contract, root)]
    warnings = (*(f"allowance: {in_words(book, one)}" for one in given), *(note for note, _ in handed))
    found_dangers = (*dangers(book, given), *(danger for _, danger in handed if danger is not None))
    calls = _of_safe(primary, contract, root, book, abi, known)
    shown_domain = tuple(
        ShownField(
            f"domain {name}", erc7730.clean(book.named(str(value)) if name == "verifyingContract" else str(value)), ()
        )
        for name, value in domain.items()
    )
    for descriptor in known:
        rule = descriptor.typed.get(encoded_type)
        if rule is None or not _bound(descriptor, domain, document):
            continue
        names = (True, descriptor.name, primary, descriptor.file)
        container = {"value": DecodedValue("uint256", 0)}
        if contract is not None:
            container["to"] = DecodedValue("address", contract)
        if (chain := chain_of(document)) is not None:
            container["chainId"] = DecodedValue("uint256", chain)
        scope = Scope(book, descriptor, root, container, own_token(descriptor, book, contract or ""))
        try:
            shown = scope.all(rule)
        except Mismatch as broken:
            fault = f"its descriptor does not fit it: {broken}"
            return DecodedTx(*names, "", (), fault, (), warnings, found_dangers, descriptor.owner, typed=True)
        intent, nested = rule.intent or primary, within(shown, book, abi, known, 0)
        if not any(one.dangerous for one in nested):  # values that a descriptor does not show are signed too
            nested = (*nested, *(one for one in calls if one.dangerous))
        fields, sentence = (*shown, *shown_domain), scope.sentence(rule, shown)
        return DecodedTx(
            *names, intent, fields, None, nested, warnings, found_dangers, descriptor.owner, sentence, True
        )
    name = book.names.get(str(contract).lower())
    bare = tuple(
        ShownField(erc7730.clean(path), erc7730.clean(_bare(book, node)), (path,))
        for path, node in erc7730.leaves(root)
    )
    fields = (*bare, *shown_domain)
    labels = (name is not None, name, erc7730.clean(primary), None)
    return DecodedTx(*labels, "sign", fields, None, calls, warnings, found_dangers, typed=True)


def _of_safe(
    primary: str,
    contract: str | None,
    root: DecodedValue,
    book: KnownNames,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor],
) -> tuple[DecodedTx, ...]:
    """The decoded call that a SafeTx message makes; none for other messages."""
    if primary != "SafeTx" or not {"to", "value", "data"} <= set(root.value) or contract is None:
        return ()
    to, value, data = (root.value[key].value for key in ("to", "value", "data"))
    if isinstance(to, str) and isinstance(value, int) and isinstance(data, bytes) and data:
        return (read(Call(to, data, value, contract), book, abi, known, 1),)
    return ()


def chain_of(document: Any) -> int | None:
    """The chain's number in the domain; None where the domain has none. Raises ConfigError for JSON that is no EIP-712
    typed data."""
    domain = document.get("domain") if isinstance(document, Mapping) else None
    if not isinstance(domain, Mapping):
        raise ConfigError(f"the file {_BAD}: it has no domain")
    if "chainId" not in domain:
        return None
    if (chain := as_number(domain["chainId"])) is None or not 0 < chain < 2**64:
        raise ConfigError(f"the file {_BAD}: the chainId of its domain is no chain number")
    return chain


def _bare(book: KnownNames, node: DecodedValue) -> str:
    return book.named(str(node.value)) if node.type == "address" else erc7730.plain(node)


def _bound(descriptor: Descriptor, domain: Mapping[str, Any], document: Any) -> bool:
    """Whether a descriptor is for a message's domain. A descriptor that names neither contract nor domain is for
    none."""
    if not (descriptor.deployments or descriptor.domain or descriptor.separator):
        return False
    for key, expected in descriptor.domain.items():
        mine, theirs = str(domain.get(key)), str(expected)
        if mine != theirs and not (key == "verifyingContract" and mine.lower() == theirs.lower()):
            return False
    here = (chain_of(document) or 0, str(domain.get("verifyingContract")).lower())
    if descriptor.deployments and here not in descriptor.deployments:
        return False
    return not descriptor.separator or _separator(document) == descriptor.separator.lower()


def _separator(document: Any) -> str:
    """The hash of the message's domain (EIP-712), with 0x; empty where it cannot be computed."""
    from eth_account.messages import encode_typed_data

    try:
        return "0x" + bytes(encode_typed_data(full_message=document).header).hex()
    except (ValueError, TypeError):
        return ""


def _parts(document: Any) -> tuple[dict[str, list[dict[str, str]]], str, dict[str, Any], DecodedValue]:
    """(types, primary type, domain values by name, message as a tree) of a document. Raises ConfigError."""
    try:
        types = {
            str(name): [{"name": str(f["name"]), "type": str(f["type"])} for f in fields]
            for name, fields in document["types"].items()
        }
        primary, message = str(document["primaryType"]), document["message"]
        for fields in types.values():
            if len({f["name"] for f in fields}) < len(fields):
                raise ValueError("a type has two fields of one name")
        listed = types.get("EIP712Domain") or [
            {"name": name, "type": kind} for name, kind in DOMAIN.items() if name in document["domain"]
        ]
        domain = _struct(listed, document["domain"], types, "domain", 0)
        root = _struct(types[primary], message, types, "message", 0)
        chain_of(document)
    except (KeyError, TypeError, AttributeError) as bad:
        raise ConfigError(
            f"the file {_BAD}: types, primaryType, domain or message is missing or wrong ({bad})"
        ) from None
    except (ValueError, RecursionError) as bad:
        raise ConfigError(erc7730.clean(f"the file {_BAD}: {bad}")) from None
    return types, primary, {name: node.value for name, node in domain.value.items()}, root


def _struct(
    fields: Sequence[Mapping[str, str]], values: Any, types: Mapping[str, Any], where: str, depth: int
) -> DecodedValue:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is no object")
    names = [f["name"] for f in fields]
    if more := [str(key) for key in values if key not in names]:
        raise ValueError(f"{where} has {more[0][:60]!r}, which its type does not name: it would not be signed")
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"{where} has no {missing[0][:60]!r}")
    return DecodedValue(
        "tuple", {f["name"]: _value(f["type"], values[f["name"]], types, f["name"], depth + 1) for f in fields}
    )


def _value(kind: str, value: Any, types: Mapping[str, Any], where: str, depth: int) -> DecodedValue:
    if depth > MOST_DEPTH:
        raise ValueError("it is nested too deep")
    if kind.endswith("]"):
        inner, _, count = kind[:-1].rpartition("[")
        if not isinstance(value, list) or (count and len(value) != int(count)):
            raise ValueError(f"{where} is no {kind}")
        return DecodedValue(kind, [_value(inner, one, types, where, depth + 1) for one in value])
    if kind in types:
        return _struct(types[kind], value, types, where, depth)
    return DecodedValue(kind, _atom(kind, value, where))


def _atom(kind: str, value: Any, where: str) -> Any:
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "bool" and (isinstance(value, bool) or value in ("true", "false")):
        return value in (True, "true")
    if kind == "address" and isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        return value
    sized = re.fullmatch(r"bytes([1-9]|[12]\d|3[0-2])?", kind)
    if sized and isinstance(value, str) and re.fullmatch(r"0x([0-9a-fA-F]{2})*", value):
        raw = bytes.fromhex(value[2:])
        if sized[1] is None or len(raw) == int(sized[1]):
            return raw
    if (found := re.fullmatch(r"(u?)int(\d{0,3})", kind)) and (number := as_number(value)) is not None:
        bits = int(found[2] or 256)
        low, high = (0, 2**bits) if found[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if low <= number < high:
            return number
    raise ValueError(f"{where} is no {kind[:40]}")
