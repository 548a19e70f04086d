"""The input and the output of a module that deploys something on the EVM sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.evm.artifacts import Artifact
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a deployment added to the sandbox."""

    tables: Sequence[Mapping[str, Any]]
    """``[[protocols]]`` tables for chains/sandbox.toml (one without assets is for USDC), or ``[[exchanges]]`` tables of
    an exchange."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Contracts by a short name."""
    registries: Sequence[Mapping[str, Any]] = ()
    """``[[registries]]`` tables for chains/sandbox.toml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that a protocol or an exchange is deployed with."""

    d: Deployer
    """Sends the transactions. The first account (``Deployer.me``) lends, the second borrows."""
    ours: Mapping[str, Artifact]
    """Our own contracts (``contracts/*.sol`` and ``contracts/doubles/*.sol``) by name."""
    units: Mapping[str, dict[str, Artifact]]
    """Contracts of packages, by unit of compile.cjs and name."""
    tokens: Tokens
    """The sandbox's tokens."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Contracts of earlier deployments, by a short name."""


@cache
def modules(package: str) -> tuple[Any, ...]:
    """The ``SANDBOX`` of each module of a package that has one, sorted by protocol."""
    folder = import_module(package)
    known = [import_module(f"{package}.{one.name}") for one in iter_modules(folder.__path__)]
    return tuple(sorted((m.SANDBOX for m in known if hasattr(m, "SANDBOX")), key=lambda one: str(one.protocol)))
