"""A person's signature over an EIP-712 document, made with a keystore: an approval, never a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.signing.keystore import decrypted
from yieldbot.errors import SafetyError
from yieldbot.execution.keyfile import read_private

DOMAIN = {"name": "yieldbot", "version": "1"}


def sign_approval(path: Path, passphrase: str, document: Mapping[str, Any]) -> str:
    """The signature as 0x and 65 bytes. Only a document of our own domain and type is signed, so its digest cannot be
    that of a transaction, permit or order.

    Raises ConfigError for a keystore that cannot be opened, SafetyError for another document.
    """
    if document.get("domain") != DOMAIN or document.get("primaryType") != "Approval":
        raise SafetyError("NOT_AN_APPROVAL", "only approvals of plans are signed here")
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    key = decrypted(read_private(path), path, passphrase)
    signed = Account.sign_message(encode_typed_data(full_message=dict(document)), key)
    return "0x" + bytes(signed.signature).hex()
