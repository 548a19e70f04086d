"""The bytes by which rollups charge a transaction, and reads of their fee oracle."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import (
    GAS_PRICE_ORACLE,
)
from yieldbot.chains.evm.signing.sign import payload, unsigned_of
from yieldbot.journal.journal_entries import TxSigned
from yieldbot.sandbox.evm.rollup import L1Fees

RAW = 12_000 * 10**6
DEAR = L1Fees(base_fee_wei=5 * 10**13, blob_base_fee_wei=10**12, operator_constant_wei=10**12, operator_scalar=10**9)
"""Fee parameters by which a usual transaction pays some 0.00012 ether for its data, and 1,000 wei per gas to the
operator."""


def bytes_of(signed: TxSigned) -> bytes:
    return payload(unsigned_of(signed, signed.max_fee_wei, signed.priority_fee_wei))


async def oracle(node: Node, function: str, kind: str, value: Any) -> int:
    """What a function of the oracle returns, called by an encoder that is not ours."""
    from eth_utils.crypto import keccak

    data = keccak(text=f"{function}({kind})")[:4] + encode([kind], [value])
    said = await node.request("eth_call", [{"to": GAS_PRICE_ORACLE, "data": "0x" + data.hex()}, "latest"])
    return int(said, 16)
