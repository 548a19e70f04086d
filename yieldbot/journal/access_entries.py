"""Journal entries about persons and callers: approvals by signature, and the audit of doors that others can reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    """A person's signature that approves a plan; whether it is theirs is checked whenever it counts."""

    plan_id: str
    """The plan."""
    approver: str
    """The person's name in the register."""
    signature: str
    """A wallet's 65 bytes as 0x…, or a passkey's assertion as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessNoted:
    """What somebody asked of a door that others can reach, or what was done to a key: the audit."""

    by: str
    """The key's name; ``terminal`` for the machine's own user, ``nobody`` for a caller without a key that counts."""
    where: str
    """The IP address that it came from; empty at a terminal."""
    what: str
    """What was asked, as ``PUT /v1/halt`` or ``key new reader``; never a secret."""
    outcome: str
    """How it ended, as ``200``, ``403 no scope halt`` or ``429``."""
    times: int = 1
    """How often: the same from the same caller within a minute is one entry."""
