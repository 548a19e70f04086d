"""A Safe's transactions as bytes: calls packed for MultiSendCallOnly, the hash that owners sign, and the call that
executes it. Pure.

Source of the hash and of the packing: Safe v1.4.1, ``Safe.encodeTransactionData`` and ``MultiSendCallOnly.multiSend``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.tx import EvmCall

CALL, DELEGATE_CALL = 0, 1
NOBODY = Address("0x" + "00" * 20)
MOST_SIGNATURES = 100
"""Most signatures for which a fee is computed: a threshold is a number from outside."""
MULTI_SEND = "multiSend(bytes)"
EXEC = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
FIELDS = (
    *(("to", "address"), ("value", "uint256"), ("data", "bytes"), ("operation", "uint8"), ("safeTxGas", "uint256")),
    *(("baseGas", "uint256"), ("gasPrice", "uint256"), ("gasToken", "address"), ("refundReceiver", "address")),
    ("nonce", "uint256"),
)
"""The members of the EIP-712 type SafeTx, in order."""


@dataclass(frozen=True, slots=True)
class SafeTx:
    """A Safe transaction without a refund: whoever executes it pays the gas."""

    safe: Address
    """The Safe's address."""
    chain: int
    """The chain's number."""
    to: Address
    """The contract that the Safe calls: MultiSendCallOnly."""
    data: bytes
    """The calldata of that call."""
    operation: int
    """CALL or DELEGATE_CALL."""
    nonce: int
    """The Safe's nonce."""
    gas: int = 0
    """Gas that the call gets at least (``safeTxGas``). 0: where the call fails, the whole transaction reverts and may
    be executed later; above 0: it uses up its nonce, and those behind it can be executed (Safe.sol, GS013)."""

    @property
    def message(self) -> dict[str, Any]:
        """The values of FIELDS, by name."""
        zeros = {"value": 0, "safeTxGas": 0, "baseGas": 0, "gasPrice": 0, "gasToken": NOBODY, "refundReceiver": NOBODY}
        mine = {"to": self.to, "data": self.data, "operation": self.operation, "safeTxGas": self.gas}
        return zeros | mine | {"nonce": self.nonce}

    @property
    def hash(self) -> bytes:
        """The 32 bytes that owners sign: EIP-712 with the domain (chainId, verifyingContract)."""
        from eth_account.messages import encode_typed_data

        types = {"SafeTx": [{"name": name, "type": kind} for name, kind in FIELDS]}
        domain = {"chainId": self.chain, "verifyingContract": self.safe}
        signable = encode_typed_data(domain, types, self.message)
        return bytes(keccak(b"\x19" + signable.version + signable.header + signable.body))


def packed(calls: Sequence[EvmCall]) -> bytes:
    """Calls packed for MultiSendCallOnly; each is operation (1 byte), target (20), value (32), length (32) and
    calldata."""
    return b"".join(
        bytes([CALL])
        + bytes.fromhex(call.to[2:])
        + call.value.to_bytes(32, "big")
        + len(call.data).to_bytes(32, "big")
        + call.data
        for call in calls
    )


def unpacked(data: bytes) -> list[tuple[int, str, int, bytes]]:
    """(operation, target, wei, calldata) of each packed call. Raises ValueError for bytes that are not exactly such
    calls."""
    found, at = [], 0
    while at < len(data):
        head = data[at : at + 85]
        length = int.from_bytes(head[53:], "big")
        if len(head) < 85 or at + 85 + length > len(data):
            raise ValueError("the batch ends in the middle of a call")
        to, value = "0x" + head[1:21].hex(), int.from_bytes(head[21:53], "big")
        found.append((head[0], to, value, data[at + 85 : at + 85 + length]))
        at += 85 + length
    return found


def batch(safe: Address, chain: int, calls: Sequence[EvmCall], multi_send: Address, nonce: int, gas: int = 0) -> SafeTx:
    """The calls as one Safe transaction. multi_send: the address of MultiSendCallOnly. nonce: the Safe's. gas: see
    ``SafeTx.gas``."""
    from eth_abi.abi import encode

    data = selector(MULTI_SEND) + bytes(encode(["bytes"], [packed(calls)]))
    return SafeTx(safe, chain, multi_send, data, DELEGATE_CALL, nonce, gas)


def calls_in(tx: SafeTx, multi_send: Address) -> list[tuple[str, bytes]]:
    """(target, calldata) of each call, decoded again from the transaction's final bytes. Raises ValueError for anything
    other than a MultiSendCallOnly batch of calls without value."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError

    if tx.to.lower() != multi_send.lower() or tx.operation != DELEGATE_CALL or tx.data[:4] != selector(MULTI_SEND):
        raise ValueError("it is no multiSend of the chain's MultiSendCallOnly")
    try:
        (inner,) = decode(["bytes"], tx.data[4:])
    except (DecodingError, OverflowError):
        raise ValueError("its bytes are no exact call of multiSend") from None
    if bytes(encode(["bytes"], [inner])) != tx.data[4:]:
        raise ValueError("its bytes are no exact call of multiSend")
    calls = unpacked(inner)
    if any(operation != CALL or value for operation, _, value, _ in calls):
        raise ValueError("one of its calls delegates or sends value")
    return [(to, data) for _, to, _, data in calls]


def unsigned_yet(threshold: int) -> bytes:
    """Placeholders for ``threshold`` signatures that compress as badly as real ones: the OP stack's fee depends on
    that."""
    places = [hashlib.sha512(bytes([n])).digest() for n in range(min(threshold, MOST_SIGNATURES))]
    return b"".join(place + b"\x1c" for place in places)


def exec_data(tx: SafeTx, signatures: bytes) -> bytes:
    """The calldata of the Safe's ``execTransaction``."""
    from eth_abi.abi import encode

    values = [tx.message[name] for name, _ in FIELDS[:-1]]
    return selector(EXEC) + bytes(encode([kind for _, kind in FIELDS[:-1]] + ["bytes"], [*values, signatures]))
