"""Scopes, and the caller on whose behalf a use case is run for a request over the network."""

from __future__ import annotations

from enum import StrEnum

from yieldbot.errors import YieldbotError
from yieldbot.model.dataclass import dataclass


class Scope(StrEnum):
    """One kind of right. No scope includes another."""

    READ = "read"
    """See markets, positions, plans and the journal."""
    PLAN = "plan"
    """Make plans, which then wait for a person."""
    APPROVE = "approve"
    """Submit a person's signature that approves a plan, or reject a plan."""
    RUN = "run"
    """Start a run, whose plans are rehearsed and wait for a person."""
    HALT = "halt"
    """Stop all signing, and lift the halt."""
    KEYS = "keys"
    """List and revoke API keys. None is made by a key, whatever its scopes."""


class Forbidden(YieldbotError):
    """The caller's key has no right to this."""

    def __init__(self, scope: Scope, name: str) -> None:
        super().__init__(f"key {name} has no scope `{scope}`: make one with `yieldbot key new NAME --scope {scope}`")
        self.scope = scope
        """The scope that would be needed."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with its scopes."""

    name: str
    """The key's name, as in the journal's audit."""
    scopes: frozenset[Scope]
    """The scopes of the caller's key."""
    accounts: frozenset[str] | None = None
    """Addresses of the only accounts that it may see, in lower case on EVM chains; None: all."""
    prefix: str = ""
    """Public beginning of the caller's key, which identifies it; empty: the caller has no key."""

    def need(self, scope: Scope) -> None:
        """Raises Forbidden without this scope."""
        if scope not in self.scopes:
            raise Forbidden(scope, self.name)

    def sees(self, owner: str) -> bool:
        """Whether the caller may see an account."""
        return self.accounts is None or normal(owner) in self.accounts


def normal(address: str) -> str:
    """An address in the form in which accounts are compared: EVM addresses in lower case, Solana's as they are."""
    return address.lower() if address.startswith(("0x", "0X")) else address
