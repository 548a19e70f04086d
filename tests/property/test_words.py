"""Our words against eth_abi's, both ways, and damaged answers."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.model.abi_words import (
    aggregate3,
    aggregate3_answers,
    is_flat,
    is_static,
    pack,
    pack_flat,
    struct_of,
    unpack,
    unpack_flat,
    unpack_struct,
)

address = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
BY_TYPE = {
    "address": address,
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes4": st.binary(min_size=4, max_size=4),
    "uint8": st.integers(0, 2**8 - 1),
    "uint40": st.integers(0, 2**40 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
}
typed = st.lists(
    st.sampled_from(sorted(BY_TYPE)).flatmap(lambda kind: st.tuples(st.just(kind), BY_TYPE[kind])), max_size=8
)
FLAT = (
    BY_TYPE
    | {"bytes": st.binary(max_size=70), "string": st.text(max_size=40)}
    | {f"{kind}[]": st.lists(of, max_size=5).map(tuple) for kind, of in BY_TYPE.items()}
)
flat = st.lists(st.sampled_from(sorted(FLAT)).flatmap(lambda kind: st.tuples(st.just(kind), FLAT[kind])), max_size=5)
struct = st.recursive(
    st.sampled_from(sorted(BY_TYPE)).flatmap(lambda kind: st.tuples(st.just(kind), BY_TYPE[kind])),
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(
        lambda parts: (f"({','.join(kind for kind, _ in parts)})", tuple(value for _, value in parts))
    ),
    max_leaves=9,
).filter(lambda one: one[0].startswith("("))
calls = st.lists(st.tuples(address, st.binary(max_size=100)), max_size=12)
answers = st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=12)


@given(typed)
def test_static_values_are_encoded_and_decoded_as_eth_abi_does(rows: list[tuple[str, object]]) -> None:
    types, values = [kind for kind, _ in rows], [value for _, value in rows]
    assert is_static(tuple(types))
    data = pack(types, values)
    assert data == encode(types, values)
    assert unpack(types, data) == tuple(decode(types, data)) == tuple(values)


@given(flat)
def test_texts_bytes_and_arrays_are_encoded_and_decoded_as_eth_abi_does(rows: list[tuple[str, object]]) -> None:
    types, values = [kind for kind, _ in rows], [value for _, value in rows]
    assert is_flat(tuple(types))
    data = pack_flat(types, values)
    assert data == encode(types, values)
    assert unpack_flat(types, data) == tuple(decode(types, data)) == tuple(values)


@given(flat, st.integers(0, 2000), st.integers(0, 255))
def test_damaged_texts_and_arrays_are_refused_or_read_as_eth_abi_does(
    rows: list[tuple[str, object]], at: int, byte: int
) -> None:
    types = [kind for kind, _ in rows]
    good = bytearray(encode(types, [value for _, value in rows]) or b"\0")
    good[at % len(good)] = byte
    for data in (bytes(good), bytes(good[: at % len(good)])):
        try:
            found = unpack_flat(types, data)
        except ValueError:
            continue
        assert found == tuple(decode(types, data))


@given(struct)
def test_a_struct_is_decoded_as_eth_abi_does(one: tuple[str, tuple[object, ...]]) -> None:
    kind, value = one
    data, inner = encode([kind], [value]), struct_of(kind)
    assert inner is not None and unpack_struct(inner, data) == decode([kind], data)[0] == value
    with pytest.raises(ValueError):
        unpack_struct(inner, data[:-1])


def test_a_struct_of_texts_and_what_is_no_struct_are_left_to_eth_abi() -> None:
    assert [struct_of(kind) for kind in ("(uint256,string)", "uint256", "(uint256[])", "(uint8)[]")] == [None] * 4


@given(calls)
def test_aggregate3_is_encoded_as_eth_abi_does(rows: list[tuple[str, bytes]]) -> None:
    assert aggregate3(rows) == encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in rows]])


@given(answers)
def test_answers_are_decoded_as_eth_abi_does(rows: list[tuple[bool, bytes]]) -> None:
    assert aggregate3_answers(encode(["(bool,bytes)[]"], [rows])) == rows


@given(answers, st.integers(0, 2000), st.integers(0, 255))
def test_damage_is_an_error_or_an_answer_but_never_a_crash(rows: list[tuple[bool, bytes]], at: int, byte: int) -> None:
    good = bytearray(encode(["(bool,bytes)[]"], [rows]))
    good[at % len(good)] = byte
    for data in (bytes(good), bytes(good[: at % len(good)])):
        try:
            found = aggregate3_answers(data)
        except ValueError:
            continue
        assert all(isinstance(ok, bool) and isinstance(answer, bytes) for ok, answer in found)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint256", -1),
        ("int64", 2**63),
        ("address", "0x12"),
        ("address", 5),
        ("bytes32", b"x"),
        ("bool", None),
    ],
)
def test_what_a_type_cannot_hold_is_refused(kind: str, value: object) -> None:
    if kind == "bool":
        assert pack(["bool"], [value]) == bytes(32)
    else:
        with pytest.raises(ValueError):
            pack([kind], [value])


def test_words_outside_their_type_are_refused() -> None:
    for kind in ("bool", "uint8", "address", "int64"):
        with pytest.raises(ValueError):
            unpack([kind], b"\x7f" + bytes(31))
    with pytest.raises(ValueError):
        unpack(["uint256", "uint256"], bytes(63))
