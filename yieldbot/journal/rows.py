"""Rows of the journal as they are on the disk, and the hash that chains each of them to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

GENESIS = "0" * 64
"""The first row's value in place of the previous row's hash."""
COLUMNS = "seq, at, kind, chain, owner, plan_id, tx_hash, body, prev, hash"

Row = tuple[int, int, str, str, str, str, str, str, str, str]
"""A row: seq, at, kind, chain, owner, plan_id, tx_hash, body, hash of the row before, its own hash."""

_as_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def row_digest(row: Sequence[Any]) -> str:
    """The hash of a row: of all its members but the hash itself."""
    return hashlib.sha256(_as_json(list(row)).encode()).hexdigest()


def stored_text(stored: bytes) -> str:
    """Decodes stored text. Bytes that are not UTF-8 become surrogates: a damaged text then fails as a changed row, by
    its hash."""
    return stored.decode("utf-8", "surrogateescape")
