"""Protocol adapters, one file each. A module that has ``ADAPTER`` is one; there is no other list."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.protocols.base import YieldAdapter


@cache
def adapters() -> dict[str, YieldAdapter]:
    """Every adapter of this package by its protocol name."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__) if not m.name.startswith("_"))
    found = [module.ADAPTER for module in modules if hasattr(module, "ADAPTER")]
    return {adapter.protocol: adapter for adapter in sorted(found, key=lambda a: str(a.protocol))}
