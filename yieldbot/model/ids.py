"""Identity: chains and addresses. A thing is identified by chain and address, never by symbol."""

from __future__ import annotations

import re
from typing import NewType

ChainId = NewType("ChainId", str)
"""CAIP-2 chain id, as ``eip155:8453`` or ``solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp``."""

Address = NewType("Address", str)
"""EVM: in EIP-55 checksum form. Solana: a public key in base58, whose case matters."""

MarketId = NewType("MarketId", str)
"""``<protocol>/<chain reference>/<address or key>[/<asset>]``, stable across runs.

EVM: in lower case. Solana: the reference is ``solana``, keys keep their case."""

NO_MARKETS = ("swap/", "claim/")
"""Prefixes of the ids of swaps and claims, which are journalled under an id but concern no market."""

HARDENED = 1 << 31
LONGEST_PATH = 10

_CAIP2 = re.compile(r"^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$")


def chain_id(text: str) -> ChainId:
    """Parse a CAIP-2 id. Raises ValueError on any other shape."""
    if not _CAIP2.fullmatch(text):
        raise ValueError(f"{text!r} is not a CAIP-2 chain id such as eip155:1")
    return ChainId(text)


def is_market(market_id: str) -> bool:
    """Whether an id is a market's, and not that of a swap or claim."""
    return not market_id.startswith(NO_MARKETS)


def hd_path(text: str) -> tuple[int, ...]:
    """The child numbers of a BIP-32 path, m/44'/60'/0'/0/0; hardened ones (' or h) have bit 31. Raises ValueError."""
    first, *parts = text.strip().split("/")
    path = []
    for part in parts:
        digits = part.removesuffix("'").removesuffix("h")
        if not (digits.isascii() and digits.isdigit() and int(digits) < HARDENED and len(part) - len(digits) <= 1):
            raise ValueError(f"{text!r} is no BIP-32 path: write one such as m/44'/60'/0'/0/0")
        path.append(int(digits) + (HARDENED if part != digits else 0))
    if first != "m" or not 1 <= len(path) <= LONGEST_PATH:
        raise ValueError(f"{text!r} is no BIP-32 path: write one such as m/44'/60'/0'/0/0")
    return tuple(path)


def evm_chain(number: int) -> ChainId:
    """The CAIP-2 id of an EVM chain's number."""
    return ChainId(f"eip155:{number}")


def evm_number(chain: ChainId) -> int:
    """The EVM chain number of a CAIP-2 id. Raises ValueError for other namespaces."""
    namespace, _, reference = chain.partition(":")
    if namespace != "eip155":
        raise ValueError(f"{chain} is not an EVM chain")
    return int(reference)


def svm_chain(genesis_hash: str) -> ChainId:
    """The CAIP-2 id of a Solana cluster: the first 32 characters of its genesis hash in base58 (CAIP-30)."""
    return ChainId(f"solana:{genesis_hash[:32]}")


def market_chain(chain: ChainId) -> str:
    """The chain's part of a MarketId: an EVM chain's number, or ``solana``."""
    return "solana" if chain.startswith("solana:") else str(evm_number(chain))
