"""Readers of registries, one file each, in the folder of their chain family. A module is one if it has ``REGISTRY``;
there is no other list. Pure: flows yield reads, and nothing here does I/O."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldbot.protocols.evm.registries.base import RegistryReader
    from yieldbot.protocols.solana.registries.base import SvmRegistryReader


@cache
def registries() -> dict[str, RegistryReader]:
    """Every reader of EVM registries by its kind."""
    return _of("evm")


@cache
def svm_registries() -> dict[str, SvmRegistryReader]:
    """Every reader of Solana registries by its kind."""
    return _of("solana")


def _of(family: str) -> dict[str, Any]:
    package = import_module(f"yieldbot.protocols.{family}.registries")
    modules = (import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__))
    mine = [module.REGISTRY for module in modules if hasattr(module, "REGISTRY")]
    return {reader.kind: reader for reader in sorted(mine, key=lambda one: str(one.kind))}
