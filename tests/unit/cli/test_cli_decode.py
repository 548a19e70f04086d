"""``yieldbot decode``: no node, no configuration; what is not known is not described as known."""

from __future__ import annotations

from pathlib import Path

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.unit.cli.program import yieldbot

POOL = "0xA238Dd80C259a72e81d7e4664a9801593F98d1c5"
USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
STRANGER = "0x000000000000000000000000000000000000dEaD"
SUPPLY = (
    "0x"
    + (
        keccak(text="supply(address,uint256,address,uint16)")[:4]
        + encode(["address", "uint256", "address", "uint16"], [USDC, 12_000 * 10**6, STRANGER, 0])
    ).hex()
)


def test_a_call_of_a_listed_contract_is_told_in_words(tmp_path: Path) -> None:
    for chain in ("base", "8453", "eip155:8453"):
        ended = yieldbot("decode", SUPPLY, "--to", POOL, "--chain", chain, cwd=tmp_path)
        assert ended.code == 0
        assert ended.out.startswith("supply: supply(address,uint256,address,uint16) of Aave v3 [abis]\n")
        assert f"asset: {USDC} (USDC)\n  amount: 12,000 USDC\n  onBehalfOf: {STRANGER}\n" in ended.out


def test_the_same_bytes_to_a_stranger_are_unknown(tmp_path: Path) -> None:
    ended = yieldbot("decode", SUPPLY, "--to", STRANGER, "--chain", "base", cwd=tmp_path)
    assert ended.code == 0 and ended.out.startswith("UNKNOWN CONTRACT: what it does cannot be told.")
    document = yieldbot("decode", SUPPLY, "--to", STRANGER, "--chain", "base", "--json", cwd=tmp_path).document
    assert document["schema"] == "yieldbot/decode/v1" and document["known"] is False and document["contract"] is None


def test_bad_input_is_told_in_one_line(tmp_path: Path) -> None:
    for words, said in (
        (("zz", "--to", POOL, "--chain", "base"), "CALLDATA is no bytes"),
        ((SUPPLY, "--to", POOL.lower(), "--chain", "base"), "--to: "),
        ((SUPPLY, "--to", POOL, "--chain", "nowhere"), "--chain nowhere: no file of chains/ describes it"),
        (
            (SUPPLY, "--to", POOL, "--chain", "base", "--descriptors", "none"),
            "none is no folder of ERC-7730 descriptors",
        ),
    ):
        ended = yieldbot("decode", *words, cwd=tmp_path)
        assert ended.code == 2 and said in ended.line
    (tmp_path / "deep.json").write_text("[" * 100_000)
    ended = yieldbot("decode", SUPPLY, "--to", POOL, "--chain", "base", "--descriptors", ".", cwd=tmp_path)
    assert ended.code == 2 and "deep.json is no ERC-7730 descriptor" in ended.line
