"""Readers of registries, one file each, in the folder of their chain family. A module is one if it has ``REGISTRY``;
there is no other list. Pure: flows yield reads, and nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from yieldbot.protocols import Found

if TYPE_CHECKING:
    from yieldbot.protocols.evm.registries.base import RegistryReader
    from yieldbot.protocols.solana.registries.base import SvmRegistryReader


@cache
def registries() -> Mapping[str, RegistryReader]:
    """Every reader of EVM registries by its kind."""
    return Found("yieldbot.protocols.evm.registries", "REGISTRY", "kind")


@cache
def svm_registries() -> Mapping[str, SvmRegistryReader]:
    """Every reader of Solana registries by its kind."""
    return Found("yieldbot.protocols.solana.registries", "REGISTRY", "kind")
