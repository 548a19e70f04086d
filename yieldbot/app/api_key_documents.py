"""The documents of ``key``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class ApiKey(Part):
    """A key, without its secret."""

    name: str = Field(description="its name")
    prefix: str = Field(description="the eight characters after `yb_`, by which people recognise it")
    scopes: tuple[str, ...] = Field(description="what it may do: of read, plan, approve, run, halt, keys")
    accounts: tuple[str, ...] | None = Field(description="addresses of the only accounts that it sees; null: all")
    networks: tuple[str, ...] = Field(description="networks that it may be used from, as CIDR; empty: any")
    created_at: int = Field(description="when it was made, in unix seconds")
    expires_at: int | None = Field(description="when the key ends; null: never")
    used_at: int | None = Field(description="when it was last used, to the minute; null: never")
    quota: int | None = Field(
        default=None, description="requests that it may make a day (UTC); null: no limit of its own"
    )
    used_today: int | None = Field(
        default=None, description="requests of today, to a hundredth of the quota; null: it has no quota"
    )
    ended: str | None = Field(description="why the key is not valid any more; null: it is valid")
    ends_soon: bool = Field(description="whether it ends within a week")


class NewKeyDocument(Document):
    """A key that was made just now."""

    SCHEMA: ClassVar[str] = "key-new"

    key: str = Field(description="the key itself: shown this once, and stored nowhere")
    details: ApiKey = Field(description="what it may do")
    overlap_until: int | None = Field(
        default=None, description="after a rotation: until when its predecessor stays valid, in unix seconds"
    )


class KeysDocument(Document):
    """All keys, the oldest first."""

    SCHEMA: ClassVar[str] = "keys"

    keys: tuple[ApiKey, ...] = Field(description="all keys, those that have ended too")


class RevokedKeysDocument(Document):
    """What was revoked."""

    SCHEMA: ClassVar[str] = "key-revoke"

    name: str = Field(description="the name")
    revoked: tuple[str, ...] = Field(description="prefixes of the keys that were valid until now")
