"""Protocols of the EVM sandbox: every module here with a ``SANDBOX`` can be deployed on it.

Those of the sandbox's own market are named in ``sandbox/market.py`` (``STANDARD``). The others are not part of it, so
plans on it do not change when a protocol is added: request all with ``running_sandbox(directory, protocols=found())``,
as the conformance suite does, or some by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.sandbox.artifacts import Artifact
from yieldbot.sandbox.deployer import Deployer
from yieldbot.sandbox.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a protocol's deployment added to the sandbox."""

    tables: Sequence[Mapping[str, Any]]
    """``[[protocols]]`` tables for chains/sandbox.toml; a table without assets is for USDC."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Contracts by a short name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a protocol is deployed with."""

    d: Deployer
    """Sends the transactions. The first account (``Deployer.me``) lends, the second borrows."""
    ours: Mapping[str, Artifact]
    """Our own contracts (``contracts/*.sol`` and ``contracts/doubles/*.sol``) by name."""
    units: Mapping[str, dict[str, Artifact]]
    """Contracts of packages, by unit of compile.cjs and name."""
    tokens: Tokens
    """The sandbox's tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProtocol:
    """How a protocol is deployed on a sandbox."""

    protocol: str
    """The adapter's name."""
    deploy: Callable[[Site], Awaitable[Deployed]]
    """Deploys and populates it."""
    tolerance_bp: float | None = None
    """How far predicted and accrued yield over 30 days may differ, in bp of APY; None: the rate is only estimated."""


@cache
def _found() -> dict[str, SandboxProtocol]:
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    known = [module.SANDBOX for module in modules if hasattr(module, "SANDBOX")]
    return {one.protocol: one for one in sorted(known, key=lambda one: str(one.protocol))}


def found() -> tuple[str, ...]:
    """The names of all protocols here."""
    return tuple(_found())


def sandbox_protocol(name: str) -> SandboxProtocol:
    """The protocol of this name. Raises ConfigError if there is none."""
    try:
        return _found()[name]
    except KeyError:
        raise ConfigError(f"the sandbox cannot deploy {name!r}; it can deploy {', '.join(found()) or 'none'}") from None
