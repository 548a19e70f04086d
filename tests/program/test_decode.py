"""``yieldbot decode``: no node, no configuration; what is not known is not described as known."""

from __future__ import annotations

import json
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.kit.cli.decode import POOL, STRANGER, SUPPLY, USDC
from tests.kit.program import yieldbot

KEY = "(address,address,uint24,int24,address)"


def test_a_call_of_a_listed_contract_is_told_in_words(tmp_path: Path) -> None:
    for chain in ("base", "8453", "eip155:8453"):
        ended = yieldbot("decode", SUPPLY, "--to", POOL, "--chain", chain, cwd=tmp_path)
        assert ended.code == 0
        assert ended.out.startswith("supply: supply(address,uint256,address,uint16) of Aave v3 [abis]\n")
        assert f"asset: {USDC} (USDC)\n  amount: 12,000 USDC\n  onBehalfOf: {STRANGER}\n" in ended.out


def test_the_same_bytes_to_a_stranger_are_unknown(tmp_path: Path) -> None:
    ended = yieldbot("decode", SUPPLY, "--to", STRANGER, "--chain", "base", cwd=tmp_path)
    assert ended.code == 0 and ended.out.startswith("UNKNOWN CONTRACT: what it does is unknown.")
    document = yieldbot("decode", SUPPLY, "--to", STRANGER, "--chain", "base", "--json", cwd=tmp_path).document
    assert document["schema"] == "yieldbot/decode/v1" and document["known"] is False and document["contract"] is None


def test_a_swap_in_uniswap_v4_is_told_action_by_action(tmp_path: Path) -> None:
    usdc, weth = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
    router = "0x66a9893cC07D91D95644AEDD05D03f95e1dBA8Af"
    no_hooks = "0x" + "00" * 20

    def call(hooks: str = no_hooks, commands: bytes = b"\x10", data: bytes = b"") -> str:
        key = (usdc, weth, 3000, 60, hooks)
        swap = encode([f"({KEY},bool,uint128,uint128,bytes)"], [(key, True, 3000 * 10**6, 10**18, data)])
        ends = [encode(["address", "uint256", "bool"], [usdc, 3000 * 10**6, True])]
        ends.append(encode(["address", "uint256"], [weth, 10**18]))
        plan = encode(["bytes", "bytes[]"], [b"\x06\x0b\x0f", [swap, *ends]])
        execute = "execute(bytes,bytes[],uint256)"
        outer = encode(["bytes", "bytes[]", "uint256"], [commands, [plan], 1_800_000_000])
        return "0x" + (keccak(text=execute)[:4] + outer).hex()

    ended = yieldbot("decode", call(), "--to", router, "--chain", "ethereum", cwd=tmp_path)
    assert ended.out.splitlines() == [
        "execute: execute(bytes,bytes[],uint256) of Uniswap v4 [abis]",
        "  1.: swap 3,000 USDC for at least 1 WETH in the pool of 0.3% and spacing 60, no hooks",
        "  2.: pay 3,000 USDC, from the caller",
        "  3.: send all that comes out, at least 1 WETH, to the caller",
        "  deadline: 2027-01-15 08:00:00 UTC",
    ]
    hooked = yieldbot("decode", call(STRANGER, data=b"x"), "--to", router, "--chain", "ethereum", cwd=tmp_path)
    assert f"HOOKS {STRANGER}, with data for them: 0x78" in hooked.out
    other = yieldbot("decode", call(commands=b"\x04"), "--to", router, "--chain", "ethereum", cwd=tmp_path)
    assert "commands: 0x04" in other.out and "swap 3,000" not in other.out, "another command is shown as it is"
    permit = keccak(text="approve(address,address,uint160,uint48)")[:4] + encode(
        ["address", "address", "uint160", "uint48"], [usdc, router, 5, 1_800_000_000]
    )
    permit2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
    told = yieldbot("decode", "0x" + permit.hex(), "--to", permit2, "--chain", "ethereum", cwd=tmp_path)
    assert "of Permit2 [abis]" in told.out and f"spender: {router} (Uniswap v4)" in told.out


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
    assert ended.code == 0 and "deep.json is no ERC-7730 descriptor and is left out" in ended.line
    for words, said in (
        ((), "give CALLDATA with --chain ID, or a message to sign with --typed FILE.json"),
        (("--typed", "deep.json"), "--typed deep.json is not a JSON file"),
        (("--typed", "nowhere.json"), "nowhere.json is not a regular file"),
        (("--typed", "deep.json", "--to", POOL), "--to cannot be used with --typed"),
    ):
        ended = yieldbot("decode", *words, cwd=tmp_path)
        assert ended.code == 2 and said in ended.line


def test_a_message_to_sign_is_told_with_what_it_allows(tmp_path: Path) -> None:
    message = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Permit": [{"name": "spender", "type": "address"}, {"name": "value", "type": "uint256"}],
        },
        "primaryType": "Permit",
        "domain": {"name": "USD Coin", "chainId": 8453},
        "message": {"spender": STRANGER, "value": str(2**256 - 1)},
    }
    domain = message["types"]["EIP712Domain"]  # type: ignore[index]
    domain.append({"name": "verifyingContract", "type": "address"})
    message["domain"]["verifyingContract"] = USDC  # type: ignore[index]
    (tmp_path / "permit.json").write_text(json.dumps(message))
    ended = yieldbot("decode", "--typed", "permit.json", cwd=tmp_path)
    assert ended.code == 4
    assert ended.out.startswith("sign a message Permit for USDC, which no descriptor describes; field by field:\n")
    assert f"  spender: {STRANGER}\n" in ended.out and f"  domain verifyingContract: {USDC} (USDC)\n" in ended.out
    allowed = f"{STRANGER} may take USDC WITHOUT LIMIT ({2**256 - 1}), for ever"
    assert f"  DANGER: an allowance without limit and to an unknown spender: {allowed}\n" in ended.out
    document = yieldbot("decode", "--typed", "permit.json", "--json", cwd=tmp_path).document
    assert document["chain_id"] == "eip155:8453" and document["warnings"] == [f"allowance: {allowed}"]
    other = yieldbot("decode", "--typed", "permit.json", "--chain", "ethereum", cwd=tmp_path)
    assert other.code == 2 and "--chain ethereum: the message is for eip155:8453" in other.line
    message["message"]["more"] = 1  # type: ignore[index]
    ended = yieldbot("decode", "--typed", "-", given=json.dumps(message), cwd=tmp_path)
    assert ended.code == 2 and "'more', which its type does not name: it would not be signed" in ended.line


def test_an_allowance_without_limit_ends_with_4(tmp_path: Path) -> None:
    for raw, code in ((5, 0), (2**256 - 1, 4), (0, 0)):
        approve = keccak(text="approve(address,uint256)")[:4] + encode(["address", "uint256"], [POOL, raw])
        ended = yieldbot("decode", "0x" + approve.hex(), "--to", USDC, "--chain", "base", cwd=tmp_path)
        assert ended.code == code, ended.out
        assert ("DANGER: an allowance without limit: " in ended.out) == (code == 4)


ROUTER02 = "0x2626664c2603336E57B271c5C0b26F421741e481"
WETH = "0x4200000000000000000000000000000000000006"


def exact_input(way: bytes, given: int, least: int) -> bytes:
    terms = (way, STRANGER, given, least)
    return keccak(text="exactInput((bytes,address,uint256,uint256))")[:4] + encode(
        ["(bytes,address,uint256,uint256)"], [terms]
    )


def by_deadline(deadline: int, *calls: bytes) -> str:
    selector = keccak(text="multicall(uint256,bytes[])")[:4]
    return "0x" + (selector + encode(["uint256", "bytes[]"], [deadline, list(calls)])).hex()


def test_a_swap_by_its_deadline_is_told_with_its_tokens(tmp_path: Path) -> None:
    way = bytes.fromhex(USDC[2:]) + (500).to_bytes(3, "big") + bytes.fromhex(WETH[2:])
    swap = exact_input(way, 1_500 * 10**6, 5 * 10**17)
    ended = yieldbot("decode", by_deadline(1_800_000_000, swap), "--to", ROUTER02, "--chain", "base", cwd=tmp_path)
    assert ended.code == 0
    first, deadline, inner, *fields = ended.out.splitlines()
    assert first == "multicall: multicall(uint256,bytes[]) of Uniswap v3 [abis]"
    assert deadline == "  deadline: 2027-01-15 08:00:00 UTC"
    assert inner == "  exactInput: exactInput((bytes,address,uint256,uint256)) of Uniswap v3 [abis]"
    assert fields[0].startswith(f"    params.path: {USDC} (USDC) > 0.05 % > {WETH}")
    assert fields[1:3] == [f"    params.recipient: {STRANGER}", "    params.amountIn: 1,500 USDC"]
    assert len(fields) == 4 and fields[3].startswith("    params.amountOutMinimum: ")
    document = yieldbot(
        "decode",
        by_deadline(1_800_000_000, swap, b"\x01\x02\x03\x04"),
        "--to",
        ROUTER02,
        "--chain",
        "base",
        "--json",
        cwd=tmp_path,
    ).document
    one, other = document["nested"]
    assert one["function"].startswith("exactInput(") and other["function"] is None
    assert "nothing that is known here describes the function 0x01020304" in other["fault"]
    for path in (way[:-1], b""):  # no way: its bytes, and base units
        said = by_deadline(1, exact_input(path, 7, 8))
        ended = yieldbot("decode", said, "--to", ROUTER02, "--chain", "base", cwd=tmp_path)
        assert f"params.path: 0x{path.hex()}\n" in ended.out and "params.amountIn: 7\n" in ended.out


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Readers differ in which of two values they take: what is shown would not be what is signed."""
    safe, twice = f'"spender": "{STRANGER}"', f'"spender": "{POOL}"'
    whole = {
        "types": {"Permit": [{"name": "spender", "type": "address"}, {"name": "value", "type": "uint256"}]},
        "primaryType": "Permit",
        "domain": {"chainId": 8453, "verifyingContract": USDC},
        "message": {"spender": STRANGER, "value": 5},
    }
    (tmp_path / "twice.json").write_text(json.dumps(whole).replace(safe, f"{safe}, {twice}"))
    ended = yieldbot("decode", "--typed", "twice.json", cwd=tmp_path)
    assert ended.code == 2 and "the key 'spender' stands twice" in ended.line and "\n" not in ended.line.strip()
    (tmp_path / "twice.json").write_text(json.dumps(whole).replace('"chainId": 8453', '"chainId": 1, "chainId": 8453'))
    assert yieldbot("decode", "--typed", "twice.json", cwd=tmp_path).code == 2
    (tmp_path / "once.json").write_text(json.dumps(whole))
    assert yieldbot("decode", "--typed", "once.json", cwd=tmp_path).code == 4


def test_an_accounts_code_is_told_as_the_whole_account(tmp_path: Path) -> None:
    """EIP-7702, as nodes and as wallets write it."""

    def told(document: object) -> tuple[int, str]:
        (tmp_path / "code.json").write_text(json.dumps(document))
        ended = yieldbot("decode", "--typed", "code.json", cwd=tmp_path)
        return ended.code, ended.out + ended.err

    code, said = told({"chainId": 8453, "address": STRANGER, "nonce": 7})
    assert code == 4 and f"DANGER: control of the whole account: the code of {STRANGER} runs as the account" in said
    code, said = told({"chainId": "0x0", "contractAddress": STRANGER, "nonce": "0x7"})
    assert code == 4 and "on EVERY chain" in said
    zero = {"chainId": 8453, "address": "0x" + "00" * 20, "nonce": 7}
    assert told(zero)[0] == 0
    assert told({"type": "0x4", "authorizationList": [zero, {**zero, "address": STRANGER}]})[0] == 4
    assert told({**zero, "address": "0x12"})[0] == 2
    assert told({"authorizationList": [{}]})[0] == 2


def test_control_handed_to_a_stranger_ends_with_its_exit_code(tmp_path: Path) -> None:
    comet = "0xb125E6687d4313864e53df431d5425969c15Eb2F"
    for who, expected in ((STRANGER, 4), (POOL, 0)):
        call = keccak(text="allow(address,bool)")[:4] + encode(["address", "bool"], [who, True])
        ended = yieldbot("decode", "0x" + call.hex(), "--to", comet, "--chain", "base", cwd=tmp_path)
        assert ended.code == expected and f"{who}" in ended.out
        assert ("DANGER: control handed to an unknown address: " in ended.out) is (expected == 4)
