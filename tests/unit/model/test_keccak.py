"""keccak-256 by the vectors of its authors, and what its import leaves behind."""

from __future__ import annotations

import sys

from yieldbot.model.keccak import keccak


def test_the_hash_is_that_of_the_authors_vectors_and_hides_nothing_from_others() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak(b"\xcc").hex() == "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a"
    assert keccak(b"a" * 200).hex() != keccak(b"a" * 201).hex()
    assert sys.modules.get("cffi", "not imported") is not None
