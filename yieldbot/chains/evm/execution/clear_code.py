"""Clear signing of EIP-7702 authorizations, by which a contract's code runs as the account.

They are not typed data: the signature is over 0x05 and the RLP of chain, address and nonce. They come as JSON from
nodes (a transaction's ``authorizationList``, or one item of it) and from wallets (``contractAddress``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.clear import DecodedTx, KnownNames
from yieldbot.chains.evm.execution.erc7730 import ShownField
from yieldbot.chains.evm.execution.erc7730.values import as_number
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass

NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Authorization:
    """One EIP-7702 authorization."""

    chain: int
    """The chain's number; 0: every chain."""
    address: str
    """The contract whose code runs as the account; the zero address removes the code."""
    nonce: int
    """The account's nonce at which it is valid."""


def authorizations(document: Any) -> tuple[Authorization, ...]:
    """The authorizations in a JSON document; none where it is something else. Raises ConfigError for damaged ones."""
    if not isinstance(document, Mapping) or "types" in document or "domain" in document:
        return ()
    listed = document.get("authorizationList", [document])
    rows = listed if isinstance(listed, list) else [listed]
    made = []
    for row in rows:
        if not isinstance(row, Mapping) or "nonce" not in row or not {"address", "contractAddress"} & set(row):
            if "authorizationList" not in document:
                return ()
            raise ConfigError("the file's authorizationList is no list of EIP-7702 authorizations: give it whole")
        addresses = {str(row[name]) for name in ("address", "contractAddress") if name in row}
        chain, nonce = as_number(row.get("chainId", row.get("chain_id"))), as_number(row["nonce"])
        address = addresses.pop()
        if addresses or chain is None or nonce is None or len(address) != 42 or not _is_hex(address):
            raise ConfigError("the file's EIP-7702 authorization needs chainId, one address and nonce: give it whole")
        made.append(Authorization(chain, address, nonce))
    return tuple(made)


def read_authorizations(codes: tuple[Authorization, ...], book: KnownNames) -> DecodedTx:
    """What signing them does. Each one that sets code is a danger, whoever wrote the code: it controls the whole
    account."""
    fields, dangers = list[ShownField](), list[str]()
    for place, one in enumerate(codes):
        where = "on EVERY chain" if one.chain == 0 else f"on chain {one.chain}"
        path = f"[{place}]"
        fields.append(ShownField("code", book.named(one.address), (path,)))
        fields.append(ShownField("chain", where.removeprefix("on "), (path,)))
        fields.append(ShownField("nonce", str(one.nonce), (path,)))
        if one.address.lower() != NOBODY:
            dangers.append(
                f"control of the whole account: the code of {book.named(one.address)} runs as the account {where}, and "
                "may do everything with all it holds until another authorization is sent"
            )
    intent = (
        "hand the account to a contract's code (EIP-7702)" if dangers else "take the account's code away (EIP-7702)"
    )
    return DecodedTx(True, None, None, None, intent, tuple(fields), dangers=tuple(dangers), typed=False)


def _is_hex(address: str) -> bool:
    from eth_utils.address import is_hex_address

    return bool(is_hex_address(address))
