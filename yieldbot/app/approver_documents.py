"""The documents of ``approver``."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class Person(Part):
    """A person who may approve."""

    name: str = Field(description="their name")
    kind: str = Field(description="`wallet` or `passkey`")
    address: str | None = Field(description="a wallet's address; null: a passkey")
    origin: str | None = Field(description="the page that a passkey belongs to; null: a wallet")
    check_code: str = Field(
        default="", description="a part of the key's SHA-256, which two persons compare by voice; as `7QK4-M2XD-9RTA`"
    )


class ApproversDocument(Document):
    """The register of persons who may approve."""

    SCHEMA: ClassVar[str] = "approvers"

    needed: int = Field(description="how many must sign a plan (`policy.approvals_needed`); 0: none need to")
    approvers: tuple[Person, ...] = Field(description="the persons")


class ToSignDocument(Document):
    """The text of a plan that a person signs."""

    SCHEMA: ClassVar[str] = "approval-request"

    plan_id: str = Field(description="the plan")
    typed: dict[str, Any] = Field(description="the EIP-712 document, as a wallet's `eth_signTypedData_v4` takes it")
    challenge: str = Field(description="a passkey's challenge: the same message's 32 bytes as 0x...")
    signed_by: tuple[str, ...] = Field(description="the persons who have signed it, in order")
    needed: int = Field(description="how many persons must sign it")


class SignedPlanDocument(Document):
    """A plan with the persons who have signed it."""

    SCHEMA: ClassVar[str] = "approval-given"

    plan_id: str = Field(description="the plan")
    signed_by: tuple[str, ...] = Field(description="the persons who have signed it, in order")
    needed: int = Field(description="how many persons must sign it")
    enough: bool = Field(description="whether `approve` now carries it out")
