"""Plain tokens, batches and allowances without any descriptor: known, told in words, and warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.kit.evm.clear import ABI, BASE, BOOK, OTHER, TARGET, USDC, WHO, calldata, described, values
from tests.kit.evm.dangers import KNOWN, MOST, PERMIT2, SIGNED, packed
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, lines, read
from yieldbot.chains.evm.execution.erc7730 import Descriptor


def plain(to: str, signature: str, *arguments: Any, value: int = 0) -> DecodedTx:
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
