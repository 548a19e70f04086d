"""Each feature of ERC-7730 as the public registry uses it, by descriptors of our own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.unit.execution.test_clear import ABI, BASE, BOOK, OTHER, TARGET, USDC, calldata, described, values
from yieldbot.execution.clear import Book, Call, Reading, lines, read
from yieldbot.execution.erc7730 import Descriptor, descriptors

WHO = "0x" + "ab" * 20


def shown(reading: Reading) -> list[tuple[str, str]]:
    """Label and value of what the descriptor shows."""
    assert reading.fault is None, reading.fault
    return [(one.label, one.value.lower()) for one in reading.fields if one.visible and one.described]


def of(tmp_path: Path, signature: str, fields: list[dict[str, Any]], *arguments: Any, **more: Any) -> Reading:
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
    assert descriptors(tmp_path / "in", lost.append) == () and "no regular file" in lost[-1]


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
    book = Book(BOOK.chain, BOOK.native, BOOK.names | {OTHER: "Cats"}, BOOK.tokens, {8453: "base"})
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


def plain(to: str, signature: str, *arguments: Any, value: int = 0) -> Reading:
    return read(Call(to, calldata(signature, *arguments), value, WHO), BOOK, ABI)


def test_plain_tokens_and_multicalls_are_known_without_descriptors() -> None:
    assert values(plain(USDC, "transfer(address to, uint256 v)", WHO, 5)) | {"to": ""} == {
        "to": "",
        "amount": "0.000005 USDC",
    }
    moved = values(plain(USDC, "transferFrom(address a, address b, uint256 v)", WHO, OTHER, 10**6))
    assert moved["amount"] == "1 USDC" and moved["from"].lower() == WHO
    weth = next(token.address for token in BASE.tokens.values() if token.symbol == "WETH")
    wrapped = plain(weth, "deposit()", value=10**18)
    assert wrapped.known and values(wrapped) == {"value": "1 ETH"}
    assert values(plain(weth, "withdraw(uint256 v)", 10**18)) == {"amount": "1 WETH"}
    router = next(address for address, name in BOOK.names.items() if name == "Uniswap v3")
    inner = calldata("transfer(address to, uint256 amount)", WHO, 5)
    for signature, arguments in (
        ("multicall(bytes[] d)", ([inner, inner],)),
        ("multicall(bytes32 h, bytes[] d)", (bytes(32), [inner, inner])),
    ):
        many = plain(router, signature, *arguments)
        assert many.known and [one.function for one in many.nested] == ["transfer(address,uint256)"] * 2
    multicall3 = BASE.multicall3
    for signature, row in (
        ("aggregate3((address t, bool a, bytes c)[] calls)", (USDC, True, inner)),
        ("aggregate3Value((address t, bool a, uint256 v, bytes c)[] calls)", (USDC, True, 0, inner)),
        ("aggregate((address t, bytes c)[] calls)", (USDC, inner)),
    ):
        (one,) = plain(multicall3, signature, [row]).nested
        assert one.contract == "USDC" and values(one)["amount"] == "0.000005 USDC"
    assert not plain(OTHER, "transfer(address to, uint256 v)", WHO, 5).known


KNOWN = next(address for address, name in BOOK.names.items() if name == "Uniswap v3")
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
MOST = 2**256 - 1
SIGNED = "uint256 deadline, uint8 v, bytes32 r, bytes32 s"


@pytest.mark.parametrize(
    ("to", "signature", "arguments", "danger"),
    [
        (USDC, "approve(address s, uint256 v)", (WHO, 5), ""),
        (USDC, "approve(address s, uint256 v)", (KNOWN, MOST), "without limit: "),
        (USDC, "approve(address s, uint256 v)", (WHO, 2**96 - 1), "without limit and to an unknown spender: "),
        (USDC, "approve(address s, uint256 v)", (WHO, 0), ""),
        (OTHER, "approve(address s, uint256 v)", (PERMIT2, MOST), "without limit: "),
        (USDC, "increaseAllowance(address s, uint256 v)", (KNOWN, MOST), "without limit: "),
        (OTHER, "setApprovalForAll(address s, bool a)", (KNOWN, True), "without limit: "),
        (OTHER, "setApprovalForAll(address s, bool a)", (WHO, False), ""),
        (
            USDC,
            f"permit(address o, address s, uint256 x, {SIGNED})",
            (TARGET, WHO, 5, 9, 0, b"", b""),
            "to an unknown spender",
        ),
        (USDC, f"permit(address o, address s, uint256 x, {SIGNED})", (TARGET, KNOWN, 5, 9, 0, b"", b""), ""),
        (PERMIT2, "approve(address t, address s, uint160 x, uint48 e)", (USDC, WHO, 5, 9), "to an unknown spender"),
        (PERMIT2, "approve(address t, address s, uint160 x, uint48 e)", (USDC, KNOWN, 5, 9), ""),
        (
            PERMIT2,
            "approve(address t, address s, uint160 x, uint48 e)",
            (USDC, KNOWN, 2**160 - 1, 9),
            "without limit: ",
        ),
        (
            PERMIT2,
            "permit(address o, ((address t, uint160 x, uint48 e, uint48 n)[] d, address s, uint256 e) p, bytes g)",
            (TARGET, ([(USDC, 5, 9, 0), (OTHER, 0, 9, 0)], WHO, 9), b""),
            "to an unknown spender",
        ),
    ],
)
def test_allowances_are_told_and_the_dangerous_warned_of(to: str, signature: str, arguments: Any, danger: str) -> None:
    reading = plain(to, signature, *arguments)
    assert len(reading.dangers) == bool(danger) and reading.dangerous is bool(danger)
    assert all(f"an allowance {danger}" in said for said in reading.dangers)
    gives = arguments[1] not in (0, False)
    assert any(said.startswith("allowance: ") for said in reading.warnings) is gives


def test_a_danger_within_a_multicall_is_found(tmp_path: Path) -> None:
    inner = calldata("approve(address s, uint256 v)", WHO, MOST)
    many = plain(BASE.multicall3, "aggregate((address t, bytes c)[] calls)", [(USDC, inner)])
    assert not many.dangers and many.dangerous
    known: tuple[Descriptor, ...] = described(tmp_path, "multicall(bytes[] data)", [{"path": "data", "label": "Bytes"}])
    hidden = read(Call(TARGET, calldata("multicall(bytes[] data)", [inner])), BOOK, ABI, known)
    assert hidden.dangerous and any("DANGER" in line for line in lines(hidden))
    data = inner
    for _ in range(6):
        data = calldata("multicall(bytes[] data)", [data])
    assert read(Call(KNOWN, data), BOOK, ABI).dangerous


def packed(to: str, data: bytes, value: int = 0) -> bytes:
    return b"\0" + bytes.fromhex(to[2:]) + value.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data


def test_a_danger_within_a_safes_batch_is_found() -> None:
    inner = calldata("approve(address s, uint256 v)", WHO, MOST)
    harmless = calldata("transfer(address to, uint256 v)", WHO, 5)
    batch = calldata("multiSend(bytes transactions)", packed(USDC, harmless) + packed(USDC, inner, 7))
    first, second = plain(OTHER, "multiSend(bytes t)", packed(USDC, harmless) + packed(USDC, inner, 7)).nested
    assert values(first)["amount"] == "0.000005 USDC" and not first.dangerous and second.dangerous
    zero = "0x" + "00" * 20
    rest = (1, 0, 0, 0, zero, zero, b"")
    signature = "execTransaction(address t, uint256 v, bytes d, uint8 o, uint256 a, uint256 b, uint256 c, address e, "
    assert plain(OTHER, signature + "address f, bytes g)", OTHER, 0, batch, *rest).dangerous
    cut = plain(OTHER, "multiSend(bytes t)", packed(USDC, inner)[:-1])
    assert cut.dangerous, "an allowance whose bytes are cut off"


def test_an_allowance_with_dirty_bytes_is_a_danger() -> None:
    words = encode(["address", "uint256"], [WHO, 5])
    dirty = keccak(text="approve(address,uint256)")[:4] + b"\1" + words[1:]
    reading = read(Call(USDC, dirty), BOOK, ABI)
    assert reading.fault is not None and reading.dangerous
