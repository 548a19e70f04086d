"""Chains by the names that people know, where a document has their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from yieldbot.history.networks import NETWORKS, network

if TYPE_CHECKING:
    from yieldbot.app.context import Context


def chain_words(context: Context, configured: bool) -> Mapping[str, str]:
    """By CAIP-2 id the name of each chain: as recordings know it, and of the configuration's chains as their files
    name them. configured: whether the configuration is in use; what only reads a folder loads none. Raises ConfigError
    for a configuration with a fault."""
    known = {chain: name for name, chain in reversed(NETWORKS.items())}  # of several names of one chain the first
    if configured:
        known |= {chain.chain: chain.name for chain in context.settings.chains.values()}
    return known


def network_of(text: str, chains: Mapping[str, str]) -> str:
    """The CAIP-2 id of a chain that a person names. chains: names by id, as ``chain_words``. Raises ConfigError."""
    low = text.strip().lower()
    return next((chain for chain, name in chains.items() if low == name.lower()), None) or network(text)
