"""Typed data (EIP-712) in words: by descriptor, else field by field; what is shown is all that is signed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.evm.clear import ABI, BOOK, OTHER, TARGET, USDC, WHO, calldata
from tests.kit.evm.clear_typed import typed
from tests.kit.evm.dangers import KNOWN, PERMIT2
from yieldbot.chains.evm.execution.clear import DecodedTx, lines
from yieldbot.chains.evm.execution.clear_typed import read_typed
from yieldbot.chains.evm.execution.erc7730 import Descriptor, descriptors
from yieldbot.errors import ConfigError

DETAILS = [
    {"name": "token", "type": "address"},
    {"name": "amount", "type": "uint160"},
    {"name": "expiration", "type": "uint48"},
    {"name": "nonce", "type": "uint48"},
]


def order(**more: Any) -> dict[str, Any]:
    types = {
        "Order": [
            {"name": "who", "type": "address"},
            {"name": "legs", "type": "Leg[]"},
            {"name": "note", "type": "bytes4"},
        ],
        "Leg": [{"name": "token", "type": "address"}, {"name": "much", "type": "uint256"}],
    }
    legs = [{"token": USDC, "much": "1000000"}, {"token": OTHER, "much": "0x7"}]
    return typed("Order", types, {"who": WHO, "legs": legs, "note": "0x01020304"}, **more)


SAID = "Order(address who,Leg[] legs,bytes4 note)Leg(address token,uint256 much)"


def known(tmp_path: Path, key: str = SAID, **context: Any) -> tuple[Descriptor, ...]:
    much = {"path": "much", "label": "Pays", "format": "tokenAmount", "params": {"tokenPath": "token"}}
    bound = {"deployments": [{"chainId": 8453, "address": TARGET}], "domain": {"name": "Them"}} | context
    document = {
        "context": {"eip712": bound},
        "metadata": {"owner": "Those"},
        "display": {
            "formats": {
                key: {
                    "intent": "Order",
                    "interpolatedIntent": "Order for {who}",
                    "fields": [
                        {"path": "legs.[]", "fields": [much]},
                        {"path": "who", "label": "Who"},
                        {"path": "@.to", "label": "At"},
                    ],
                }
            }
        },
    }
    (tmp_path / "eip712-them.json").write_text(json.dumps(document))
    return descriptors(tmp_path)


def told(reading: DecodedTx) -> dict[str, str]:
    return {one.label: one.value for one in reading.fields}


def test_a_message_is_told_by_its_descriptor(tmp_path: Path) -> None:
    reading = read_typed(order(), BOOK, ABI, known(tmp_path))
    assert reading.known and reading.owner == "Those" and reading.source == "eip712-them.json"
    shown = [(one.label, one.value.lower()) for one in reading.fields if one.described]
    assert shown[:4] == [("Pays", "1 usdc"), ("Pays", f"7 base units of {OTHER}"), ("Who", WHO), ("At", TARGET)]
    assert reading.sentence.lower() == f"order for {WHO}" and not reading.dangerous
    assert told(reading)["note"] == "0x01020304", "what no field speaks of is shown as well"
    assert told(reading)["domain chainId"] == "8453"


@pytest.mark.parametrize(
    "context",
    [
        {"deployments": [{"chainId": 1, "address": TARGET}]},
        {"deployments": [{"chainId": 8453, "address": OTHER}]},
        {"domain": {"name": "Others"}},
        {"domain": {"version": "1"}},
        {"domainSeparator": "0x" + "11" * 32},
        {"deployments": [], "domain": {}},
    ],
)
def test_a_descriptor_of_another_domain_says_nothing(tmp_path: Path, context: dict[str, Any]) -> None:
    reading = read_typed(order(), BOOK, ABI, known(tmp_path, **context))
    assert reading.source is None and reading.owner is None
    assert told(reading)["legs.[1].much"] == "7" and told(reading)["domain name"] == "Them"


def test_a_descriptor_is_bound_by_its_types_and_its_separator(tmp_path: Path) -> None:
    other = SAID.replace("uint256 much", "uint128 much")
    assert read_typed(order(), BOOK, ABI, known(tmp_path, other)).source is None
    separator = "0x" + encode_typed_data(full_message=order()).header.hex()
    assert read_typed(order(), BOOK, ABI, known(tmp_path, domainSeparator=separator)).source is not None
    types = {name: fields for name, fields in order()["types"].items() if name != "EIP712Domain"}
    older = known(tmp_path, "Order", schemas=[{"primaryType": "Order", "types": types}])
    assert read_typed(order(), BOOK, ABI, older).source is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["message"].pop("who"), "message has no 'who'"),
        (lambda d: d["message"].update(more=1), "'more', which its type does not name"),
        (lambda d: d["message"].update(who="0x12"), "who is no address"),
        (lambda d: d["message"].update(note="0x0102"), "note is no bytes4"),
        (lambda d: d["message"]["legs"][0].update(much="1.5"), "much is no uint256"),
        (lambda d: d["message"]["legs"][0].update(much=2**256), "much is no uint256"),
        (lambda d: d["message"]["legs"][0].update(much=-1), "much is no uint256"),
        (lambda d: d["message"]["legs"][0].update(much=True), "much is no uint256"),
        (lambda d: d["message"].update(legs={}), "legs is no Leg[]"),
        (lambda d: d["domain"].pop("name"), "domain has no 'name'"),
        (lambda d: d["domain"].update(chainId="x"), "chainId is no uint256"),
        (lambda d: d["types"]["Order"].append({"name": "who", "type": "bool"}), "two fields of one name"),
        (lambda d: d["types"].pop("Order"), "is missing or wrong"),
        (lambda d: d.pop("message"), "is missing or wrong"),
    ],
)
def test_what_is_no_typed_data_is_refused(change: Any, said: str) -> None:
    document = order()
    change(document)
    with pytest.raises(ConfigError) as refused:
        read_typed(document, BOOK, ABI)
    assert said in str(refused.value)


SINGLE = {
    "PermitSingle": [
        {"name": "details", "type": "PermitDetails"},
        {"name": "spender", "type": "address"},
        {"name": "sigDeadline", "type": "uint256"},
    ],
    "PermitDetails": DETAILS,
}
BATCH = {
    "PermitBatch": [dict(SINGLE["PermitSingle"][0], type="PermitDetails[]"), *SINGLE["PermitSingle"][1:]],
    "PermitDetails": DETAILS,
}
ONCE = {
    "PermitTransferFrom": [
        {"name": "permitted", "type": "TokenPermissions"},
        {"name": "spender", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ],
    "TokenPermissions": [{"name": "token", "type": "address"}, {"name": "amount", "type": "uint256"}],
}
PERMIT = {"Permit": [{"name": name, "type": kind} for name, kind in (("spender", "address"), ("value", "uint256"))]}
DAI = {"Permit": [{"name": name, "type": kind} for name, kind in (("spender", "address"), ("allowed", "bool"))]}


def row(amount: int, until: int = 1_800_000_000) -> dict[str, Any]:
    return {"token": USDC, "amount": str(amount), "expiration": until, "nonce": 0}


@pytest.mark.parametrize(
    ("message", "allowance", "danger"),
    [
        (
            typed("PermitSingle", SINGLE, {"details": row(5_000_000), "spender": KNOWN, "sigDeadline": 9}, PERMIT2),
            "may take 5 USDC, until 2027-01-15 08:00:00 UTC",
            None,
        ),
        (
            typed("PermitSingle", SINGLE, {"details": row(2**160 - 1, 0), "spender": KNOWN, "sigDeadline": 9}, PERMIT2),
            f"may take USDC WITHOUT LIMIT ({2**160 - 1}), in the same block alone",
            "without limit: ",
        ),
        (
            typed(
                "PermitBatch",
                BATCH,
                {"details": [row(0), row(5_000_000)], "spender": WHO, "sigDeadline": 9},
                PERMIT2,
            ),
            "may take 5 USDC, until 2027-01-15 08:00:00 UTC",
            "to an unknown spender",
        ),
        (
            typed(
                "PermitTransferFrom",
                ONCE,
                {"permitted": {"token": USDC, "amount": 5}, "spender": WHO, "nonce": 1, "deadline": 1_800_000_000},
                PERMIT2,
            ),
            "may take 0.000005 USDC, once, until 2027-01-15 08:00:00 UTC",
            "to an unknown spender",
        ),
        (typed("Permit", PERMIT, {"spender": KNOWN, "value": 5}, USDC), "may take 0.000005 USDC, for ever", None),
        (typed("Permit", PERMIT, {"spender": WHO, "value": 0}, USDC), None, None),
        (
            typed("Permit", DAI, {"spender": KNOWN, "allowed": True}, USDC),
            "may take ALL of USDC, now and later, for ever",
            "without limit: ",
        ),
        (typed("Permit", DAI, {"spender": KNOWN, "allowed": False}, USDC), None, None),
    ],
)
def test_permits_are_allowances_in_words(message: dict[str, Any], allowance: str | None, danger: str | None) -> None:
    encode_typed_data(full_message=message)  # it is what a wallet would sign
    reading = read_typed(message, BOOK, ABI)
    assert [said.endswith(allowance or "") for said in reading.warnings] == [True] * (allowance is not None)
    assert len(reading.dangers) == (danger is not None) == reading.dangerous
    assert all(f"an allowance {danger}" in said for said in reading.dangers)


def test_what_a_safe_would_call_is_told() -> None:
    approve = calldata("approve(address s, uint256 v)", WHO, 2**256 - 1)
    fields = [
        {"name": name, "type": kind} for name, kind in (("to", "address"), ("value", "uint256"), ("data", "bytes"))
    ]
    document = typed("SafeTx", {"SafeTx": fields}, {"to": USDC, "value": 0, "data": "0x" + approve.hex()})
    reading = read_typed(document, BOOK, ABI)
    assert reading.dangerous and reading.nested[0].contract == "USDC" and not reading.dangers


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["uint256", "Leg[]", "0x12", WHO]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.tuples(st.sampled_from(["types", "domain", "message", "primaryType", "Order", "Leg", "legs", "who"]), ANY)
    )
)
def test_any_document_is_read_or_refused(changes: list[tuple[str, Any]]) -> None:
    document = order()
    for key, value in changes:
        for held in (document, document.get("types"), document.get("message")):
            if isinstance(held, dict) and key in held:
                held[key] = value
                break
    try:
        assert all(line.isprintable() for line in lines(read_typed(document, BOOK, ABI)))
    except ConfigError as refused:
        assert "is no typed data of EIP-712" in str(refused)


def test_words_of_a_message_cannot_steer_the_terminal() -> None:
    fields = [{"name": "a\x1b[2J", "type": "string"}, {"name": "spender", "type": "string"}]
    message = {"a\x1b[2J": "b\u202e\nDANGER", "spender": "c\x1b]0;x\x07"}
    document = typed("Permit\n", {"Permit\n": fields}, message, name="d\x1b[31m")
    assert all(line.isprintable() for line in lines(read_typed(document, BOOK, ABI)))


def test_the_public_registrys_own_cases_are_told() -> None:
    where = Path(os.environ.get("YIELDBOT_DATA", "nowhere")) / "erc7730-registry"
    if not where.is_dir():
        pytest.skip("YIELDBOT_DATA does not name a folder with the whole ERC-7730 registry (erc7730-registry)")
    from tests.bench.clear_signing import outcomes

    ended = [(kind, how) for kind, _, how, _ in outcomes(where, descriptors(where))]
    for kind, least in (("calldata", 0.95), ("typed data", 0.91)):
        of = [how for what, how in ended if what == kind]
        assert "wrong" not in of and of.count("right") >= least * len(of) > 0
