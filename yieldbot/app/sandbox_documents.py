"""The documents of ``sandbox up | down | warp | status``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


def _absent(value: object) -> bool:
    """Whether a field is left out of the JSON."""
    return value is None


class SolanaSandbox(Part):
    """The sandbox's Solana cluster."""

    rpc_url: str = Field(description="where its node listens")
    wallet: str = Field(description="the account that has play money")
    height: int = Field(description="its present slot")
    timestamp: int = Field(description="that slot's time, unix seconds")
    addresses: dict[str, str] = Field(description="accounts by a short name")


class SandboxDocument(Document):
    """A running sandbox. The fields are those of its EVM chain, or of Solana where that runs alone."""

    directory: str = Field(description="the folder that it runs from")
    config: str = Field(description="its yieldbot.toml")
    rpc_url: str = Field(description="where the node listens")
    wallet: str = Field(description="the account that has play money")
    transactions: int | None = Field(
        default=None,
        exclude_if=_absent,
        description="how many transactions deployed its market; left out where Solana runs alone",
    )
    height: int = Field(description="its present block, or slot")
    timestamp: int | None = Field(
        default=None,
        exclude_if=_absent,
        description="that block's time, in unix seconds; left out where Solana runs alone",
    )
    addresses: dict[str, str] = Field(description="contracts, or accounts, by a short name")
    solana: SolanaSandbox | None = Field(description="the Solana cluster; null: none runs")


class SandboxUpDocument(SandboxDocument):
    """A sandbox that was started."""

    SCHEMA: ClassVar[str] = "sandbox-up"


class SandboxWarpDocument(SandboxDocument):
    """A sandbox on which days have passed."""

    SCHEMA: ClassVar[str] = "sandbox-warp"


class SandboxStatusDocument(SandboxDocument):
    """A running sandbox."""

    SCHEMA: ClassVar[str] = "sandbox-status"


class SandboxDownDocument(Document):
    """A sandbox that was stopped."""

    SCHEMA: ClassVar[str] = "sandbox-down"

    directory: str = Field(description="the folder that it ran from; its files stay")
    stopped: bool = Field(description="whether anything ran there")
    nodes: tuple[str, ...] = Field(description="what was stopped: each node with where it listened")
