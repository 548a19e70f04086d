"""How people are shown the orders to leave markets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.app.memory import folder_of
from yieldbot.decision.orders import ALL
from yieldbot.history import market_names

if TYPE_CHECKING:
    from yieldbot.app.context import Context


def names_of(orders: Sequence[tuple[str, str, str, str]], context: Context) -> list[str]:
    """What each order is about: a market's name, or all markets. Chain and wallet are named as far as others of these
    orders would be called the same without them; the id where two markets of the chain share the name. orders: chain,
    owner, market id and name of each."""
    settings = context.settings
    chains: dict[str, str] = {one.chain: name for name, one in settings.chains.items()}
    wallets: dict[str, str] = {one.address: name for name, one in settings.wallets.items()}
    known = market_names.names(folder_of(context, None)).items()
    shared = {key for key, times in Counter((chain, name) for (chain, _), name in known).items() if times > 1}
    names = []
    for chain, _, market_id, name in orders:
        more = f" ({market_id})" if (chain, name) in shared else ""
        names.append("all markets" if market_id.startswith(f"{ALL}/") else name + more)
    for parts in (
        [f" on {chains.get(chain, chain)}" for chain, *_ in orders],
        [f" of {wallets.get(owner, owner)}" for _, owner, *_ in orders],
        [f" ({market_id})" for _, _, market_id, _ in orders],
    ):
        names = [name + part * (names.count(name) > 1) for name, part in zip(names, parts, strict=True)]
    return names
