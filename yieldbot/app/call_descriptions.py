"""Descriptions of a plan's calls by the ERC-7730 descriptors of their targets, for the person who approves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.clear import Book, Call, lines, read
from yieldbot.chains.evm.execution.erc7730 import descriptors
from yieldbot.model.native import native_token

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings
    from yieldbot.model.tx import EvmCall


def descriptions(context: Context, chain: ChainSettings, owner: Address) -> Callable[[EvmCall], list[str]]:
    """Describes a call of ``owner`` by its target's ERC-7730 descriptor; no line where there is none."""
    if context.settings.descriptors is None:
        return lambda call: []

    book, known = Book.of(chain, native_token(chain)), descriptors(context.settings.descriptors, context.complain)

    def described(call: EvmCall) -> list[str]:
        reading = read(Call(call.to, call.data, call.value, owner), book, {}, known)
        return list(lines(reading)) if reading.source else []

    return described
