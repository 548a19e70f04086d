"""Audit reports of exactly the code that is on the chain (``audits.toml``): others do not count."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from yieldbot.model.controls import ContractFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One report about one code."""

    firm: str
    """Who made it."""
    date: date
    """The day of the report."""
    protocol: str
    """Whose contract it is: the adapter's name."""
    contract: str
    """What the protocol calls the contract."""
    code_hash: str
    """keccak256 of the deployed code in hex, without 0x, in lower case."""
    source: str
    """Where the report can be read."""


@cache
def audits() -> tuple[Audit, ...]:
    """The list that is shipped."""
    return read(Path(__file__).with_name("audits.toml").read_text(encoding="utf-8"))


def read(text: str) -> tuple[Audit, ...]:
    """A list as ``audits.toml`` has it. Raises ValueError for a row without a hash of 32 bytes, which could never
    count."""
    found = []
    for row in tomllib.loads(text).get("audit", ()):
        code_hash = str(row["code_hash"]).lower().removeprefix("0x")
        if len(code_hash) != 64 or not set(code_hash) <= set("0123456789abcdef"):
            raise ValueError(f"{row.get('firm')}, {row.get('contract')}: code_hash is no keccak256 of a code")
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
    """The audits of what a contract runs: of its implementation where it is a proxy, else of its own code."""
    runs = (one.implementation_hash if one.implementation is not None else one.code_hash).lower().removeprefix("0x")
    return tuple(audit for audit in among if runs and audit.code_hash == runs)
