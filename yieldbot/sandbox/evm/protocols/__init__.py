"""Protocols that a sandbox has where it is asked for them, one file each: a module that has ``SANDBOX`` is one. There
is no other list.

The sandbox's own market (``sandbox/market.py``) stands without them, so that plans on it do not change when one more
protocol is known. Who needs them says so: ``running_sandbox(directory, protocols=found())`` (the conformance suite), or
some by their names.
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
    """What a protocol's deployment left on the sandbox."""

    tables: Sequence[Mapping[str, Any]]
    """``[[protocols]]`` of chains/sandbox.toml; for USDC where a table names no assets."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Contracts by a short name, for tests and for people who look around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProtocol:
    """How a protocol is put on a sandbox."""

    protocol: str
    """The adapter's name."""
    deploy: Callable[[Deployer, Mapping[str, Artifact], Tokens], Awaitable[Deployed]]
    """Deploys and populates it, given our own contracts (``contracts/*.sol`` and ``contracts/doubles/*.sol``, by name)
    and the sandbox's tokens. The first account (``Deployer.me``) lends, the second borrows."""
    tolerance_bp: float | None = None
    """How far predictions may be from what is accrued over 30 days, in bp of APY; None where the rate is estimated."""


@cache
def _found() -> dict[str, SandboxProtocol]:
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    known = [module.SANDBOX for module in modules if hasattr(module, "SANDBOX")]
    return {one.protocol: one for one in sorted(known, key=lambda one: str(one.protocol))}


def found() -> tuple[str, ...]:
    """The names of all."""
    return tuple(_found())


def sandbox_protocol(name: str) -> SandboxProtocol:
    """One by its name. Raises ConfigError where there is none."""
    try:
        return _found()[name]
    except KeyError:
        raise ConfigError(f"the sandbox cannot deploy {name!r}; it can deploy {', '.join(found()) or 'none'}") from None
