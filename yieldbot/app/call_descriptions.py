"""Describes a plan's calls for the person who approves, by the ERC-7730 descriptors of their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.chains.open import chain_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings


def descriptions(context: Context, chain: ChainSettings, owner: Address) -> Callable[[object], list[str]]:
    """A function that describes a rehearsed transaction of ``owner`` by its target's ERC-7730 descriptor; it returns no
    lines if there is none."""
    if context.settings.descriptors is None:
        return lambda tx: []
    return chain_of(chain).describer(owner, context.settings.descriptors, context.complain)
