"""Protocols that can be deployed on a sandbox on request: every module here with a ``SANDBOX``.

The sandbox's own market (``sandbox/market.py``) does not include them, so plans on it do not change when a protocol is
added. Request all with ``running_sandbox(directory, protocols=found())``, as the conformance suite does, or some by
name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.sandbox.aave import Tokens
from yieldbot.sandbox.artifacts import Artifact
from yieldbot.sandbox.deployer import Deployer


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a protocol's deployment added to the sandbox."""

    tables: Sequence[Mapping[str, Any]]
    """``[[protocols]]`` tables for chains/sandbox.toml; a table without assets is for USDC."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Contracts by a short name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProtocol:
    """How a protocol is deployed on a sandbox."""

    protocol: str
    """The adapter's name."""
    deploy: Callable[[Deployer, Mapping[str, Artifact], Tokens], Awaitable[Deployed]]
    """Deploys and populates it, given our own contracts (``contracts/*.sol`` and ``contracts/doubles/*.sol``, by name)
    and the sandbox's tokens. The first account (``Deployer.me``) lends, the second borrows."""
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
