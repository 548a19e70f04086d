"""ERC-7730 descriptors, known names, and calldata to be described by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import DecodedTx, KnownNames
from yieldbot.chains.evm.execution.erc7730 import Descriptor, descriptors, parsed
from yieldbot.config.chain import load_chain
from yieldbot.config.load import read_toml
from yieldbot.model.native import native_token
from yieldbot.resources import folder

TARGET = "0x" + "c0" * 20
OTHER = "0x" + "d0" * 20
WHO = "0x" + "ab" * 20
USDC = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"

BASE = load_chain(folder("chains") / "base.toml", read_toml(folder("chains") / "base.toml"), {})
BOOK = KnownNames.of(BASE, native_token(BASE))
ABI = abi_functions(folder("abis"))


def calldata(signature: str, *values: Any) -> bytes:
    function = parsed(signature)
    return bytes(keccak(text=function.signature)[:4] + encode(function.types, values))


def described(tmp_path: Path, signature: str, fields: list[dict[str, Any]], **more: Any) -> tuple[Descriptor, ...]:
    document = {
        "context": {"contract": {"deployments": [{"chainId": 8453, "address": TARGET}]}},
        "metadata": {"owner": "Somebody", "enums": {"mode": {"2": "variable"}}, "constants": {"max": "0xffff"}},
        "display": {"formats": {signature: {"intent": "Do it", "fields": fields}}, **more},
    }
    (tmp_path / "some.json").write_text(json.dumps(document))
    return descriptors(tmp_path)


def values(reading: DecodedTx) -> dict[str, str]:
    assert reading.known and reading.fault is None
    return {field.label: field.value for field in reading.fields}
