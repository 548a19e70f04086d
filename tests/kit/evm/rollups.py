"""Signed transactions as a rollup is shown them."""

from __future__ import annotations

from yieldbot.chains.evm.signing.sign import payload, unsigned_of
from yieldbot.journal.journal_entries import TxSigned


def bytes_of(signed: TxSigned) -> bytes:
    return payload(unsigned_of(signed, signed.max_fee_wei, signed.priority_fee_wei))
