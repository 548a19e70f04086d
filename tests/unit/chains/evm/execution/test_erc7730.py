"""Each feature of ERC-7730 as the public registry uses it, by descriptors of our own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.kit.evm.clear import ABI, BOOK, OTHER, TARGET, USDC, WHO, calldata, described, values
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, KnownNames, read
from yieldbot.chains.evm.execution.erc7730 import descriptors


def shown(reading: DecodedTx) -> list[tuple[str, str]]:
    """Label and value of what the descriptor shows."""
    assert reading.fault is None, reading.fault
    return [(one.label, one.value.lower()) for one in reading.fields if one.visible and one.described]


def of(tmp_path: Path, signature: str, fields: list[dict[str, Any]], *arguments: Any, **more: Any) -> DecodedTx:
    known = described(tmp_path, signature, fields, **more)
    return read(Call(TARGET, calldata(signature, *arguments), more.get("value", 0)), BOOK, ABI, known)


def test_a_whole_registry_is_read_with_its_templates_and_includes(tmp_path: Path) -> None:
    signature = "f(uint256 x)"
    template = {
        "context": {"contract": {}},
        "metadata": {"constants": {"unit": "apples"}},
        "display": {
            "formats": {
                signature: {
                    "intent": "Do",
                    "fields": [
                        {"path": "x", "label": "X", "format": "unit", "params": {"base": "$.metadata.constants.unit"}}
                    ],
                }
            }
        },
    }
    bound = {
        "includes": "../../ercs/template.json",
        "context": {"contract": {"deployments": [{"chainId": 8453, "address": TARGET}]}},
        "metadata": {"owner": "Them", "constants": {"unit": " pears"}},
        "display": {"formats": {signature: {"fields": [{"path": "x", "label": "Pears"}]}}},
    }
    for name, document in (
        ("ercs/template.json", template),
        ("registry/them/calldata-them.json", bound),
        ("registry/them/testsv2/calldata-them.tests.json", {"tests": []}),
        ("index.calldata.json", {"eip155:1:0x": "x"}),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(document))
    for folder in (tmp_path, tmp_path / "registry", tmp_path / "registry" / "them"):
        lost: list[str] = []
        known = descriptors(folder, lost.append)
        assert not lost and [one.file for one in known] == ["calldata-them.json"]
        reading = read(Call(TARGET, calldata(signature, 5)), BOOK, ABI, known)
        assert shown(reading) == [("Pears", "5 pears")] and reading.owner == "Them" and reading.intent == "Do"


def test_an_include_stays_in_the_registry(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text("{}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.json").write_text('{"includes": "../outside.json"}')
    lost: list[str] = []
    assert descriptors(tmp_path / "in", lost.append) == ()
    assert len(lost) == 1 and "includes a file outside" in lost[0]
    os.mkfifo(tmp_path / "in" / "pipe.json")
    assert descriptors(tmp_path / "in", lost.append) == () and "not a regular file" in lost[-1]


def test_a_definition_keeps_its_params_under_the_fields_own(tmp_path: Path) -> None:
    definitions = {
        "amount": {
            "label": "Amount",
            "format": "tokenAmount",
            "params": {"token": USDC, "threshold": 100, "message": "All"},
        }
    }
    fields = [
        {"$ref": "$.display.definitions.amount", "path": "x"},
        {"$ref": "$.display.definitions.amount", "path": "y", "label": "Y", "params": {"threshold": "0x1000"}},
    ]
    reading = of(tmp_path, "f(uint256 x, uint256 y)", fields, 100, 100, definitions=definitions)
    assert shown(reading) == [("Amount", "all usdc (100)"), ("Y", "0.0001 usdc")]


def test_a_threshold_without_a_known_token_says_the_number(tmp_path: Path) -> None:
    fields = [{"path": "x", "format": "tokenAmount", "params": {"token": OTHER, "threshold": 10}}]
    assert shown(of(tmp_path, "f(uint256 x)", fields, 12)) == [("x", f"unlimited of {OTHER} (12)")]


def test_constants_are_values_tokens_and_the_native_currency(tmp_path: Path) -> None:
    document = {
        "context": {"contract": {"deployments": [{"chainId": 8453, "address": TARGET}]}},
        "metadata": {"constants": {"token": USDC, "native": OTHER, "word": "fixed", "digits": 2, "callee": USDC}},
        "display": {
            "formats": {
                "f(uint256 x)": {
                    "intent": "I",
                    "fields": [
                        {"label": "a", "path": "$.metadata.constants.word"},
                        {"label": "b", "value": "$.metadata.constants.word"},
                        {"label": "c", "value": "said as it is"},
                        {
                            "label": "d",
                            "path": "x",
                            "format": "tokenAmount",
                            "params": {"token": "$.metadata.constants.token"},
                        },
                        {
                            "label": "e",
                            "path": "x",
                            "format": "tokenAmount",
                            "params": {
                                "token": "$.metadata.constants.native",
                                "nativeCurrencyAddress": ["$.metadata.constants.native"],
                            },
                        },
                        {"label": "g", "path": "x", "format": "tokenAmount", "params": {"token": "0x" + "Ee" * 20}},
                        {
                            "label": "h",
                            "path": "x",
                            "format": "unit",
                            "params": {"decimals": "$.metadata.constants.digits"},
                        },
                    ],
                }
            }
        },
    }
    (tmp_path / "some.json").write_text(json.dumps(document))
    reading = read(Call(TARGET, calldata("f(uint256 x)", 10**18)), BOOK, ABI, descriptors(tmp_path))
    assert shown(reading) == [
        ("a", "fixed"),
        ("b", "fixed"),
        ("c", "said as it is"),
        ("d", "1,000,000,000,000 usdc"),
        ("e", "1 eth"),
        ("g", "1 eth"),
        ("h", "10000000000000000"),
    ]


def test_paths_within_groups_are_relative_and_arrays_go_together(tmp_path: Path) -> None:
    signature = "f((address token, uint256 amount, uint256 end)[] details)"
    rows = [(USDC, 1_000_000, 5), (OTHER, 7, 6)]
    amount = {"path": "amount", "label": "A", "format": "tokenAmount", "params": {"tokenPath": "token"}}
    end = {"path": "end", "label": "E"}
    one_by_one = [("A", "1 usdc"), ("E", "5"), ("A", f"7 base units of {OTHER}"), ("E", "6")]
    for path in ("details.[]", "#.details.[]", "details[]"):
        reading = of(tmp_path, signature, [{"path": path, "fields": [amount, end]}], rows)
        assert shown(reading) == one_by_one
    in_turn = [{"path": "details.[]", "iteration": "sequential", "fields": [amount, end]}]
    after = [one_by_one[0], one_by_one[2], one_by_one[1], one_by_one[3]]
    assert shown(of(tmp_path, signature, in_turn, rows)) == after
    flat = [dict(amount, path="details.[].amount", params={"tokenPath": "details.[].token"})]
    assert shown(of(tmp_path, signature, flat, rows)) == [one_by_one[0], one_by_one[2]]


def test_bundled_arrays_must_be_of_one_length(tmp_path: Path) -> None:
    signature = "f(uint256[] a, uint256[] b)"
    group = [{"iteration": "bundled", "fields": [{"path": "a.[]", "label": "A"}, {"path": "b.[]", "label": "B"}]}]
    reading = of(tmp_path, signature, group, [1, 2], [3, 4])
    assert shown(reading) == [("A", "1"), ("B", "3"), ("A", "2"), ("B", "4")]
    broken = of(tmp_path, signature, group, [1, 2], [3])
    assert "arrays that belong together have different lengths" in (broken.fault or "")


def test_slices_of_integers_and_bytes(tmp_path: Path) -> None:
    signature = "f(uint256 packed, bytes data, bytes32 word)"
    packed = (3 << 248) | int(USDC, 16)
    fields = [
        {"path": "packed.[-20:]", "label": "token", "format": "addressName"},
        {"path": "packed.[:1]", "label": "mode", "format": "enum", "params": {"$ref": "$.metadata.enums.mode"}},
        {"path": "packed.[:1]", "label": "flags"},
        {"path": "data.[4:8]", "label": "amount", "format": "tokenAmount", "params": {"tokenPath": "packed.[-20:]"}},
        {"path": "data.[:2]", "label": "start"},
        {"path": "data.[1:2]", "label": "kind", "format": "enum", "params": {"$ref": "$.metadata.enums.mode"}},
        {"path": "word.[-20:]", "label": "who", "format": "addressName"},
    ]
    data = b"\1\2\0\0" + (1_000_000).to_bytes(4, "big")
    reading = of(tmp_path, signature, fields, packed, data, bytes(12) + bytes.fromhex(WHO[2:]))
    assert shown(reading) == [
        ("token", f"{USDC} (usdc)"),
        ("mode", "3"),
        ("flags", "3"),
        ("amount", "1 usdc"),
        ("start", "0x0102"),
        ("kind", "variable (0x02)"),
        ("who", WHO),
    ]
    whole = {one.label: one.value for one in reading.fields if not one.described}
    assert whole["packed"] == str(packed) and whole["data"] == "0x" + data.hex()  # a slice does not stand for the whole


def test_addresses_in_integers_and_whoever_sends(tmp_path: Path) -> None:
    fields = [
        {"path": "x", "label": "token", "format": "addressName"},
        {"path": "to", "label": "to", "format": "addressName", "params": {"senderAddress": ["0x" + "00" * 20]}},
        {"path": "big", "label": "big", "format": "addressName"},
    ]
    reading = of(tmp_path, "f(uint256 x, address to, uint256 big)", fields, int(USDC, 16), "0x" + "00" * 20, 2**200)
    assert shown(reading) == [("token", f"{USDC} (usdc)"), ("to", "sender"), ("big", str(2**200))]


@pytest.mark.parametrize(
    ("rule", "raw", "seen"),
    [
        ("always", 5, True),
        ("optional", 5, True),
        ("never", 5, False),
        ({"ifNotIn": ["5", 6]}, 5, False),
        ({"ifNotIn": ["0x5"]}, 7, True),
        ({"mustMatch": [5]}, 5, False),
    ],
)
def test_visibility(tmp_path: Path, rule: Any, raw: int, seen: bool) -> None:
    reading = of(tmp_path, "f(uint256 x)", [{"path": "x", "visible": rule}], raw)
    (field,) = reading.fields
    assert field.visible is seen and field.value == str(
        raw
    )  # what is not to be shown is shown all the same, and so marked


def test_a_value_that_must_match_and_does_not_refuses_the_words(tmp_path: Path) -> None:
    reading = of(tmp_path, "f(uint256 x)", [{"path": "x", "label": "X", "visible": {"mustMatch": [5]}}], 6)
    assert reading.fault == "its descriptor does not fit it: X is 6, which its descriptor does not allow"


def test_nested_calldata_with_its_value_spender_and_selector(tmp_path: Path) -> None:
    signature = "run(address who, uint256 much, bytes inner, address[] list, bytes[] each)"
    fields = [
        {
            "path": "inner",
            "format": "calldata",
            "params": {"callee": USDC, "selector": "0xa9059cbb", "amountPath": "much", "spenderPath": "who"},
        },
        {"path": "each.[]", "label": "Each", "format": "calldata", "params": {"calleePath": "list.[]"}},
    ]
    inside = calldata("transfer(address to, uint256 amount)", WHO, 5)
    each = [calldata("transfer(address to, uint256 amount)", OTHER, n) for n in (1, 2)]
    reading = of(tmp_path, signature, fields, WHO, 9, inside[4:], [USDC, OTHER], each)
    first, second, third = reading.nested
    assert first.known and values(first)["amount"] == "0.000005 USDC" and "sends" in first.warnings[0]
    assert second.contract == "USDC" and third.contract is None and not third.known


def test_the_rest_of_the_formats(tmp_path: Path) -> None:
    book = KnownNames(BOOK.chain, BOOK.native, BOOK.names | {OTHER: "Cats"}, BOOK.tokens, {8453: "base"})
    fields = [
        {"path": "x", "label": "chain", "format": "chainId"},
        {"path": "x", "label": "nft", "format": "nftName", "params": {"collection": OTHER}},
        {"path": "x", "label": "lone", "format": "nftName"},
        {"path": "t", "label": "ticker", "format": "tokenTicker"},
        {"path": "x", "label": "secret", "encryption": {"scheme": "fhevm", "fallbackLabel": "[hidden]"}},
        {"path": "b", "label": "bool", "format": "enum", "params": {"$ref": "$.metadata.enums.rights"}},
        {"path": "s", "label": "text"},
    ]
    signature = "f(uint256 x, address t, bool b, string s)"
    known = described(tmp_path, signature, fields)
    known[0].document["metadata"]["enums"]["rights"] = {"True": "Grant"}  # type: ignore[index]
    reading = read(Call(TARGET, calldata(signature, 8453, USDC, True, "Hi")), book, ABI, known)
    assert shown(reading) == [
        ("chain", "base (8453)"),
        ("nft", "cats #8453"),
        ("lone", "#8453"),
        ("ticker", f"usdc ({USDC} (usdc))"),
        ("secret", "[hidden] 8453"),
        ("bool", "grant (true)"),
        ("text", "hi"),
    ]


def sentence(tmp_path: Path, said: str) -> str:
    known = described(tmp_path, "f(uint256 x)", [{"path": "x", "format": "tokenAmount", "params": {"token": USDC}}])
    document = json.loads((tmp_path / "some.json").read_text())
    document["display"]["formats"]["f(uint256 x)"]["interpolatedIntent"] = said
    (tmp_path / "some.json").write_text(json.dumps(document))
    known = descriptors(tmp_path)
    return read(Call(TARGET, calldata("f(uint256 x)", 5_000_000)), BOOK, ABI, known).sentence


def test_a_sentence_takes_the_values_that_are_shown_or_is_not_said(tmp_path: Path) -> None:
    assert sentence(tmp_path, "Pay {x} {{now}}") == "Pay 5 USDC {now}"
    assert sentence(tmp_path, "Pay {y}") == "" == sentence(tmp_path, "Pay {@.from}")


def test_a_descriptors_own_token_is_said_to_be_its_own_word(tmp_path: Path) -> None:
    described(tmp_path, "f(uint256 x)", [{"path": "x", "format": "tokenAmount", "params": {"tokenPath": "@.to"}}])
    document = json.loads((tmp_path / "some.json").read_text())
    document["metadata"]["token"] = {"ticker": "OWN", "decimals": 2}
    (tmp_path / "some.json").write_text(json.dumps(document))
    reading = read(Call(TARGET, calldata("f(uint256 x)", 150)), BOOK, ABI, descriptors(tmp_path))
    assert shown(reading) == [("x", f"150 base units of {TARGET} (by its descriptor 1.5 own)")]


def test_bytes_behind_a_described_call_are_counted(tmp_path: Path) -> None:
    known = described(tmp_path, "f(uint256 x)", [{"path": "x"}])
    reading = read(Call(TARGET, calldata("f(uint256 x)", 1) + b"\1"), BOOK, ABI, known)
    assert reading.warnings == ("1 byte behind the arguments, which the function does not read",)
