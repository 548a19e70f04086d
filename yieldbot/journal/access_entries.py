"""Journal entries about persons and callers: approvals by signature, and the audit of requests over the network."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass

NEW_PLACE, SPIKE = "new address", "spike"
"""Values of ``AccessNoted.outcome`` for admitted requests that a person should know about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    """A person's signature that approves a plan; it is verified again each time it is counted."""

    plan_id: str
    """The plan."""
    approver: str
    """The person's name in the register."""
    signature: str
    """A wallet's 65 bytes as 0x…, or a passkey's assertion as JSON."""


@dataclass(frozen=True, slots=True)
class SignerCopied:
    """The position up to which the signer's journal has been copied into this one."""

    seq: int
    """The last row that was copied, or left out on purpose."""
    hash: str
    """Its hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessNoted:
    """An audit entry: a request that came over the network, or a change of an API key."""

    by: str
    """The key's name; ``terminal`` for the user of this machine, ``nobody`` for a caller without a valid key."""
    where: str
    """The caller's IP address; empty for the terminal."""
    what: str
    """The request, as ``PUT /v1/halt`` or ``key new reader``; never a secret."""
    outcome: str
    """The result, as ``200``, ``403 no scope halt`` or ``429``."""
    times: int = 1
    """How many equal requests of the same caller within a minute this entry counts."""
