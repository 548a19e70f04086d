"""Audit reports (``audits.toml``). A report counts only while the deployed code is exactly the code that was
audited."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

from yieldbot.model.controls import ContractFacts
from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit report about one version of a contract's code."""

    firm: str
    """The auditor."""
    date: date
    """The day of the report."""
    protocol: str
    """Name of the adapter whose protocol the contract belongs to."""
    contract: str
    """What the protocol calls the contract."""
    code_hash: str
    """keccak256 of the deployed code in hex, without 0x, in lower case."""
    source: str
    """Where the report can be read."""


COLUMNS = ("firm", "date", "protocol", "contract", "code_hash", "source")
"""The keys of a row."""


@cache
def audits() -> tuple[Audit, ...]:
    """The audits that are shipped with yieldbot."""
    return read(Path(__file__).with_name("audits.toml").read_text(encoding="utf-8"))


def read(text: str) -> tuple[Audit, ...]:
    """Parse the text of an ``audits.toml``. Raises ValueError for a row whose code_hash is not 32 bytes, since it
    could never match."""
    found = []
    for row in tomllib.loads(text).get("audit", ()):
        if absent := [name for name in COLUMNS if name not in row]:
            raise ValueError(f"a row of {row.get('contract', 'an audit')} lacks {', '.join(absent)}")
        code_hash = str(row["code_hash"]).lower().removeprefix("0x")
        if len(code_hash) != 64 or not set(code_hash) <= set("0123456789abcdef"):
            raise ValueError(
                f"{row.get('firm')}, {row.get('contract')}: code_hash must be 64 hexadecimal digits (keccak256)"
            )
        found.append(
            Audit(
                firm=str(row["firm"]),
                date=row["date"],
                protocol=str(row["protocol"]),
                contract=str(row["contract"]),
                code_hash=code_hash,
                source=str(row["source"]),
            )
        )
    return tuple(found)


def of_code(one: ContractFacts, among: Iterable[Audit]) -> tuple[Audit, ...]:
    """Audits of the code that a contract executes: of its implementation if it is a proxy, else of its own code."""
    runs = (one.implementation_hash if one.implementation is not None else one.code_hash).lower().removeprefix("0x")
    return tuple(audit for audit in among if runs and audit.code_hash == runs)
