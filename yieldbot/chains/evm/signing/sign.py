"""What all signers of EVM chains share: they only take an ApprovedTx, and only return bytes with the approved digest.

Digest: keccak-256(0x02 || rlp([chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data,
accessList])), https://eips.ethereum.org/EIPS/eip-1559.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from yieldbot.errors import SafetyError
from yieldbot.execution.file_signer import Openable
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.keccak import keccak
from yieldbot.model.tx import ApprovedTx, SignedTx, UnsignedTx

if TYPE_CHECKING:
    from yieldbot.journal.journal_entries import TxSigned

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of secp256k1 (SEC 2, 2.4.1, https://www.secg.org/sec2-v2.pdf)."""


class EvmSigner(Protocol):
    """Holds one key. The first signature may ask a person, for a passphrase or on a device."""

    @property
    def address(self) -> Address:
        """The key's address."""

    def sign(self, approved: ApprovedTx) -> SignedTx:
        """The signed transaction. Raises SafetyError when the bytes are not exactly what was approved."""


class WalletSigner(EvmSigner, Openable, Protocol):
    """A signer whose key can be checked before it is needed."""


def fields(tx: UnsignedTx) -> dict[str, Any]:
    """The transaction as a dict for eth-account."""
    return {
        "type": 2,
        "chainId": evm_number(tx.chain),
        "nonce": tx.nonce,
        "maxPriorityFeePerGas": tx.priority_fee_wei,
        "maxFeePerGas": tx.max_fee_wei,
        "gas": tx.gas,
        "to": bytes.fromhex(tx.to[2:]),  # as bytes: eth-account refuses text that is not in checksum form
        "value": tx.value,
        "data": tx.data,
        "accessList": [],
    }


def unsigned_of(signed: TxSigned, max_fee_wei: int, priority_fee_wei: int) -> UnsignedTx:
    """A journalled transaction decoded from its signed bytes, with other fees."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from eth_utils.address import to_checksum_address
    from hexbytes import HexBytes

    read = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    return UnsignedTx(
        chain=signed.chain,
        sender=signed.owner,
        to=Address(to_checksum_address(bytes(read["to"]))),
        data=bytes(read["data"]),
        value=int(read["value"]),
        nonce=int(read["nonce"]),
        gas=int(read["gas"]),
        max_fee_wei=max_fee_wei,
        priority_fee_wei=min(priority_fee_wei, max_fee_wei),
        description=signed.words,
        plan_id=signed.plan_id,
        leg=signed.leg,
        market_id=signed.market_id,
    )


def is_by(signed: TxSigned, owner: Address) -> bool:
    """Whether journalled bytes are signed by ``owner``'s key, and have the hash in the entry. Pure.

    Somebody who can write the journal's file can add a valid row, but cannot make our signature.
    """
    from eth_account import Account as Keys

    try:
        sender = str(Keys.recover_transaction(signed.raw))
    except Exception:  # as in ``verified``
        return False
    return sender.lower() == owner.lower() and signed.hash == "0x" + keccak(signed.raw).hex()


def payload(tx: UnsignedTx) -> bytes:
    """The bytes that ``digest`` hashes, and that a device receives: 0x02 || rlp([...])."""
    import rlp

    return b"\x02" + bytes(rlp.encode([value for name, value in fields(tx).items() if name != "type"]))


def digest(tx: UnsignedTx) -> bytes:
    """The 32 bytes that a signature of this transaction signs."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    return bytes(TypedTransaction.from_dict(fields(tx)).hash())


def verified(approved: ApprovedTx, raw: bytes) -> SignedTx:
    """Signed bytes as a SignedTx, once they are decoded again: digest and sender must be the approved ones.

    Raises SafetyError DIGEST_MISMATCH or WRONG_KEY.
    """
    from eth_account import Account as Keys
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    tx = approved.simulated.tx
    try:
        from_bytes = bytes(TypedTransaction.from_bytes(HexBytes(raw)).hash())
        sender = str(Keys.recover_transaction(raw))
    except Exception:  # rlp, eth-keys and eth-account raise a dozen unrelated errors for bytes that cannot be decoded
        raise SafetyError("DIGEST_MISMATCH", "the signer gave bytes that are no EIP-1559 transaction") from None
    if not from_bytes == approved.digest == digest(tx):
        raise SafetyError("DIGEST_MISMATCH", f"the bytes signed are not those approved: {tx.description}")
    if sender.lower() != tx.sender.lower():
        raise SafetyError("WRONG_KEY", f"the key signs for {sender}, the transaction is {tx.sender}'s")
    return SignedTx(approved, raw, "0x" + keccak(raw).hex())


def to_sign(approved: ApprovedTx) -> bytes:
    """The approved digest, after computing it again from the transaction. Raises SafetyError DIGEST_MISMATCH when they
    differ."""
    tx = approved.simulated.tx
    if approved.digest != digest(tx):
        raise SafetyError("DIGEST_MISMATCH", f"the approval is of another transaction than {tx.description}")
    return approved.digest


def assembled(approved: ApprovedTx, address: Address, r: int, s: int) -> SignedTx:
    """The signed transaction with a signature (r, s) from outside: with low s (EIP-2), and the parity that recovers
    ``address``.

    Raises SafetyError: WRONG_KEY when the signature is not that account's over this transaction; see ``verified``.
    """
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    tx = approved.simulated.tx
    if (found := _low_s_and_parity(digest(tx), address, r, s)) is None:
        raise SafetyError("WRONG_KEY", f"what came back is no signature of {address} over {tx.description}")
    s, parity = found
    signed = TypedTransaction.from_dict(fields(tx) | {"v": parity, "r": r, "s": s})
    return verified(approved, bytes(signed.encode()))


def with_parity(digest: bytes, address: Address, r: int, s: int) -> bytes:
    """A signature (r, s) from outside as r, s, v in 65 bytes (low s; v is 27 or 28). Raises SafetyError WRONG_KEY if it
    is not ``address``'s."""
    if (found := _low_s_and_parity(digest, address, r, s)) is None:
        raise SafetyError("WRONG_KEY", f"what came back is no signature of {address}")
    s, parity = found
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])


def _low_s_and_parity(digest: bytes, address: Address, r: int, s: int) -> tuple[int, int] | None:
    """(the lower of the two valid s (EIP-2), the parity, 0 or 1, that recovers ``address``); None if neither parity
    does."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    s = min(s, CURVE_ORDER - s)
    for parity in (0, 1):
        try:
            recovered = Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
        except (BadSignature, ValidationError):
            continue
        if recovered.to_checksum_address().lower() == address.lower():
            return s, parity
    return None


def address_of(public_key: bytes) -> Address:
    """The address of a public key in 64 bytes, x and y. Raises ValueError for another length."""
    from eth_keys.datatypes import PublicKey
    from eth_utils.exceptions import ValidationError

    try:
        return Address(str(PublicKey(public_key).to_checksum_address()))
    except ValidationError:
        raise ValueError("no public key of 64 bytes") from None
