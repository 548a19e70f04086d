"""Calls in words: by descriptors and by our own ABIs; what is not known is never described as known."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.evm.clear import ABI, BOOK, OTHER, TARGET, USDC, calldata, described, values
from yieldbot.chains.evm.execution.abi_calls import AbiFunction
from yieldbot.chains.evm.execution.clear import Call, KnownNames, lines, read
from yieldbot.chains.evm.execution.erc7730 import Descriptor, at, descriptors, leaves, parsed, plain, tree, unit
from yieldbot.errors import ConfigError

POOL = "0xa238dd80c259a72e81d7e4664a9801593f98d1c5"


@pytest.mark.parametrize(
    ("kind", "params", "raw", "shown"),
    [
        ("raw", {}, 7, "7"),
        ("tokenAmount", {"token": USDC}, 12_000_500_000, "12,000.5 USDC"),
        ("tokenAmount", {"token": OTHER}, 12, f"12 base units of {OTHER}"),
        ("tokenAmount", {}, 12, "12 base units of an unnamed token"),
        (
            "tokenAmount",
            {"token": USDC, "threshold": "$.metadata.constants.max", "message": "All"},
            65_535,
            "All USDC (65535)",
        ),
        ("tokenAmount", {"token": OTHER, "nativeCurrencyAddress": [OTHER]}, 10**18, "1 ETH"),
        ("amount", {}, 5 * 10**17, "0.5 ETH"),
        ("date", {"encoding": "timestamp"}, 1_700_000_000, "2023-11-14 22:13:20 UTC"),
        ("date", {"encoding": "timestamp"}, 2**200, str(2**200)),
        ("date", {"encoding": "blockheight"}, 17, "block 17"),
        ("duration", {}, 8250, "02:17:30"),
        ("enum", {"$ref": "$.metadata.enums.mode"}, 2, "variable (2)"),
        ("enum", {"$ref": "$.metadata.enums.mode"}, 3, "3"),
        ("unit", {"base": "%", "decimals": 4}, 3000, "0.3%"),
        ("unit", {"base": "W", "prefix": True}, 1_500_000, "1.5MW"),
        ("a format of tomorrow", {}, 9, "9"),
    ],
)
def test_each_format(tmp_path: Path, kind: str, params: dict[str, Any], raw: int, shown: str) -> None:
    known = described(tmp_path, "f(uint256 x)", [{"path": "x", "label": "X", "format": kind, "params": params}])
    assert values(read(Call(TARGET, calldata("f(uint256 x)", raw)), BOOK, ABI, known)) == {"X": shown}


def test_paths_reach_into_tuples_arrays_bytes_and_the_transaction(tmp_path: Path) -> None:
    signature = "f((address[] route, bytes packed) p, uint256[] n)"
    fields = [
        {"path": "n.[-1]", "label": "last", "format": "tokenAmount", "params": {"tokenPath": "p.route.[0]"}},
        {"path": "#.n.[0:2]", "label": "first", "format": "tokenAmount", "params": {"tokenPath": "p.packed.[-20:]"}},
        {"path": "p", "fields": [{"path": "route.[]", "label": "hop", "format": "addressName"}]},
        {"path": "@.value", "label": "sent", "format": "amount"},
        {"path": "nowhere.[3].x", "label": "gone"},
    ]
    packed = b"\1\2\3" + bytes.fromhex(USDC[2:])
    data = calldata(signature, ([USDC, OTHER], packed), [1_000_000, 2_000_000, 3_000_000])
    reading = read(Call(TARGET, data, 10**18), BOOK, ABI, described(tmp_path, signature, fields))
    shown = [(field.label, field.value.lower()) for field in reading.fields]
    assert shown == [
        ("last", "3 usdc"),
        ("first", "1 usdc"),
        ("first", "2 usdc"),
        ("hop", f"{USDC} (usdc)"),
        ("hop", OTHER),
        ("sent", "1 eth"),
        ("p.packed", "0x" + packed.hex()),  # what no field speaks of is shown as well
    ]


def test_definitions_visibility_and_nested_calls(tmp_path: Path) -> None:
    signature = "run(address who, bytes inner, uint256 dust)"
    fields = [
        {"$ref": "$.display.definitions.target", "path": "who"},
        {"path": "inner", "label": "Inside", "format": "calldata", "params": {"calleePath": "who"}},
        {"path": "dust", "label": "Dust", "visible": "never"},
    ]
    known = described(tmp_path, signature, fields, definitions={"target": {"label": "Whom", "format": "addressName"}})
    inside = calldata("approve(address spender, uint256 value)", OTHER, 12_000 * 10**6)
    reading = read(Call(TARGET, calldata(signature, USDC, inside, 3)), BOOK, ABI, known)
    assert [(f.label, f.visible) for f in reading.fields] == [("Whom", True), ("Inside", True), ("Dust", False)]
    (nested,) = reading.nested
    assert nested.known and nested.contract == "USDC" and values(nested)["amount"] == "12,000 USDC"
    assert "  approve: approve(address,uint256) of USDC [abis]" in list(lines(reading))


def test_calls_within_calls_end_somewhere(tmp_path: Path) -> None:
    signature = "again(bytes inner)"
    known = described(tmp_path, signature, [{"path": "inner", "format": "calldata", "params": {"callee": TARGET}}])
    data = calldata(signature, b"")
    for _ in range(12):
        data = calldata(signature, data)
    reading, depth = read(Call(TARGET, data), BOOK, ABI, known), 0
    while reading.nested:
        (reading,), depth = reading.nested, depth + 1
    assert depth == 4


def test_a_selector_alone_makes_nothing_known() -> None:
    data = calldata("approve(address spender, uint256 value)", OTHER, 5)
    reading = read(Call(OTHER, data), BOOK, ABI)
    assert not reading.known and reading.contract is None
    assert next(iter(lines(reading))).startswith("UNKNOWN CONTRACT: what it does is unknown. If it is approve(")
    assert read(Call(USDC, data), BOOK, ABI).known
    assert values(read(Call(USDC, data), BOOK, ABI))["amount"] == "0.000005 USDC"


def test_bytes_behind_the_arguments_are_counted() -> None:
    data = calldata("supply(address asset, uint256 amount, address onBehalfOf, uint16 referralCode)", USDC, 5, OTHER, 0)
    assert read(Call(POOL, data), BOOK, ABI).fault is None
    longer = read(Call(POOL, data + b"\7" * 363), BOOK, ABI)
    assert longer.fault is None and values(longer) == values(read(Call(POOL, data), BOOK, ABI))
    assert longer.warnings == ("363 bytes behind the arguments, which the function does not read",)
    assert "  note: 363 bytes behind" in "\n".join(lines(longer)) and not longer.dangerous
    shorter = read(Call(POOL, data[:-1]), BOOK, ABI)
    assert shorter.fault is not None and "not an exact call of supply(" in shorter.fault
    assert "nothing that is known here" in (read(Call(POOL, b"\1\2\3\4"), BOOK, ABI).fault or "")


def test_a_descriptor_of_another_address_or_chain_says_nothing(tmp_path: Path) -> None:
    known = described(tmp_path, "f(uint256 x)", [{"path": "x"}])
    assert not read(Call(OTHER, calldata("f(uint256 x)", 1)), BOOK, ABI, known).known


def test_words_of_others_cannot_steer_the_terminal(tmp_path: Path) -> None:
    fields = [{"path": "x", "label": "a\x1b[2Jb\u202e\nc"}]
    reading = read(Call(TARGET, calldata("f(uint256 x)", 1)), BOOK, ABI, described(tmp_path, "f(uint256 x)", fields))
    assert "".join(lines(reading)).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"context": {"contract": {"deployments": [{}]}}, "display": {}}',
        "[" * 100_000,
        '{"includes": "../../etc/passwd"}',
        '{"includes": "bad.json"}',
        '{"context": {"contract": {"deployments": [{"chainId": 1, "address": "0x01"}]}}, "display": {"formats": {}},'
        ' "display": {"formats": {"f(uint256 y)": {"intent": "another"}}}}',
    ],
)
def test_a_broken_descriptor_loses_itself_alone_and_is_named_once(tmp_path: Path, text: str) -> None:
    described(tmp_path, "f(uint256 x)", [{"path": "x", "label": "X"}])
    (tmp_path / "bad.json").write_text(text)
    lost: list[str] = []
    known = descriptors(tmp_path, lost.append)
    assert [one.file for one in known] == ["some.json"]
    (line,) = lost
    assert "bad.json is no ERC-7730 descriptor and is left out" in line and line.isprintable()
    with pytest.raises(ConfigError, match="is no folder of ERC-7730 descriptors"):
        descriptors(tmp_path / "nowhere")


def test_an_include_is_taken_under_the_file(tmp_path: Path) -> None:
    known = described(tmp_path, "f(uint256 x)", [{"path": "x", "label": "X"}])
    over = {
        "includes": "some.json",
        "context": {"contract": {"deployments": [{"chainId": 8453, "address": OTHER}]}},
    }
    (tmp_path / "zz.json").write_text(json.dumps(over))
    known = descriptors(tmp_path)
    assert values(read(Call(OTHER, calldata("f(uint256 x)", 4)), BOOK, ABI, known)) == {"X": "4"}


@pytest.mark.parametrize(
    "signature", ["", "f", "f(", "f(uint256", "f(uint256))", "f(uint256) g", "(uint256 x)", "f(;)"]
)
def test_what_is_no_signature(signature: str) -> None:
    with pytest.raises(ValueError):
        parsed(signature)


def test_a_signature_with_everything() -> None:
    function = parsed("g((address a, (uint x, bytes[2] y)[] b) t, uint8[][3] , string calldata s)")
    assert function.signature == "g((address,(uint256,bytes[2])[]),uint8[][3],string)"


@given(st.binary(max_size=400), st.sampled_from(sorted(ABI)))
def test_any_bytes_can_be_read(data: bytes, selector: bytes) -> None:
    for whole in (data, selector + data):
        for target in (POOL, OTHER, USDC):
            assert list(lines(read(Call(target, whole), BOOK, ABI)))


@given(st.integers(-(10**40), 10**40), st.integers(0, 40), st.booleans())
def test_units_lose_nothing(raw: int, decimals: int, prefix: bool) -> None:
    from decimal import Decimal, localcontext

    shown = unit(raw, decimals, "", prefix)
    power = {"k": 3, "M": 6, "G": 9, "T": 12}.get(shown[-1], 0)
    with localcontext() as context:
        context.prec = 100
        assert Decimal(shown.rstrip("kMGT")).scaleb(power + decimals) == raw


@cache
def shared() -> tuple[Descriptor, ...]:
    where = os.environ.get("YIELDBOT_DATA")
    if not where or not (Path(where) / "erc7730").is_dir():
        pytest.skip("YIELDBOT_DATA does not name a folder with recorded data (erc7730)")
    return descriptors(Path(where) / "erc7730")


def _values_of(function: AbiFunction, data: st.DataObject) -> tuple[Any, ...]:
    from hypothesis import strategies

    def one(kind: str, components: Any) -> Any:
        if kind.endswith("]"):
            inner = kind[: kind.rindex("[")]
            return [one(inner, components) for _ in range(data.draw(strategies.integers(1, 3)))]
        if kind == "tuple":
            return tuple(one(str(c["type"]), c.get("components")) for c in components)
        if kind == "address":
            return "0x" + data.draw(strategies.binary(min_size=20, max_size=20)).hex()
        if kind == "bool":
            return data.draw(strategies.booleans())
        if kind == "string":
            return data.draw(strategies.text(max_size=5))
        if kind == "bytes":
            return data.draw(strategies.binary(max_size=50))
        if kind.startswith("bytes"):
            return data.draw(strategies.binary(min_size=int(kind[5:]), max_size=int(kind[5:])))
        bits = int(kind.removeprefix("uint").removeprefix("int") or 256)
        return data.draw(strategies.integers(0, 2 ** (bits - 1) - 1))

    return tuple(one(str(i["type"]), i.get("components")) for i in function.inputs)


@given(st.data())
def test_every_function_of_real_descriptors_shows_every_argument(data: st.DataObject) -> None:
    known = shared()
    descriptor = data.draw(st.sampled_from([one for one in known if one.formats]))
    selector, rule = data.draw(st.sampled_from(sorted(descriptor.formats.items(), key=lambda pair: pair[0])))
    chain, address = sorted(descriptor.deployments)[0]
    given_values = _values_of(rule.function, data)
    call = Call(address, selector + encode(rule.function.types, given_values))
    reading = read(call, KnownNames(chain, BOOK.native, BOOK.names, BOOK.tokens), ABI, known)
    assert reading.known and reading.fault is None and reading.intent
    root = tree(rule.function.inputs, given_values)
    shown = {path for field in reading.fields for path in field.paths}
    for path, node in leaves(root):
        assert any(path == one or path.startswith(f"{one}.") for one in shown), path
        assert at(root, path) == [(path, node)] and plain(node) is not None
