"""keccak-256, the hash of Ethereum: of addresses, functions, events and what is signed."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


def keccak(data: bytes) -> bytes:
    """The 32 bytes of keccak-256 (the padding of 2011, not that of SHA-3)."""
    found: bytes = _module().new(data=data, digest_bits=256).digest()
    return found


@cache
def _module() -> Any:
    """pycryptodome's module. It calls its C code through cffi where that is installed, whose parser of C takes longer
    to load than all else here, and otherwise through ctypes, which is as fast: so cffi is hidden while it is
    imported."""
    hidden = "cffi" not in sys.modules
    if hidden:
        sys.modules["cffi"] = None  # type: ignore[assignment]
    try:
        from Crypto.Hash import keccak as module
    finally:
        if hidden:
            del sys.modules["cffi"]
    return module
