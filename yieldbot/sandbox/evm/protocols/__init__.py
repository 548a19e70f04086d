"""Protocols of the EVM sandbox: every module here with a ``SANDBOX`` can be deployed on it.

Those of the sandbox's own market are named in ``evm/market.py`` (``STANDARD``). The others are not part of it, so
plans on it do not change when a protocol is added: request all with ``running_sandbox(directory, protocols=found())``,
as the conformance suite does, or some by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.evm.site import Deployed, Site, modules


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProtocol:
    """How a protocol is deployed on a sandbox."""

    protocol: str
    """The adapter's name."""
    name: str = ""
    """What ``sandbox up --with`` calls it, which is its file's name; empty: as its adapter."""
    deploy: Callable[[Site], Awaitable[Deployed]]
    """Deploys the protocol and its initial deposits and loans."""
    tolerance_bp: Mapping[str, float] = field(default_factory=dict)
    """How far predicted and accrued yield over 30 days may differ, in bp of APY, by the protocol's name or the flavour
    of its vaults; a missing one is not checked, since its yield is only an estimate."""


def _found() -> dict[str, SandboxProtocol]:
    return {one.name or one.protocol: one for one in modules(__name__)}


def found() -> tuple[str, ...]:
    """The names of all protocols here."""
    return tuple(_found())


def sandbox_protocol(name: str) -> SandboxProtocol:
    """The protocol of this name. Raises ConfigError if there is none."""
    try:
        return _found()[name]
    except KeyError:
        raise ConfigError(f"the sandbox cannot deploy {name!r}; it can deploy {', '.join(found()) or 'none'}") from None
