"""The document of ``init``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document


class InitDocument(Document):
    """The configuration that was written."""

    SCHEMA: ClassVar[str] = "init"

    config: str = Field(description="the configuration's file")
    written: tuple[str, ...] = Field(description="every file that was written, except the keystore")
    chain: str = Field(description="the chain's name")
    asset: str = Field(description="the symbol of the token to put to work")
    style: str = Field(description="how careful the policy is: `safe`, `balanced` or `high`")
    rpc_env: str = Field(description="the environment variable that holds the RPC URL")
    address: str = Field(description="the wallet's address")
    fees_to_begin_with: str = Field(
        description="how much of the native token to send for fees: an estimate for ten plans, from typical gas"
    )
    keystore: str = Field(description="where its keystore is, or is expected")
