"""Where a table has many markets: a glance at each, and the choice of those that are read in full."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.candidates import candidates
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.contradiction import impossible
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Price
from yieldbot.model.glance import MANY, Glance
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Market
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.base import Glancing, YieldAdapter


@dataclass(frozen=True, slots=True)
class Listing:
    """The markets of one table."""

    markets: tuple[Market, ...]
    """All of them."""
    glances: tuple[Glance, ...] = ()
    """A glance at each, if there are many; none for those that must be read in full."""


def listing(
    adapter: YieldAdapter, deployment: Deployment, assets: Collection[Token], owner: Address, block: BlockRef
) -> Flow[Listing]:
    """A deployment's markets; with a glance at each, if many of them are of our assets. Markets whose glance fails or
    cannot be true have none, and are read in full."""
    markets = yield from adapter.discover(deployment)
    ours = [replace(market, deployment=deployment.name) for market in markets if market.asset in assets]
    if len(ours) <= MANY or not isinstance(adapter, Glancing):
        return Listing(markets)
    try:
        glances = yield from adapter.glance(ours, owner, block)
    except MarketError:
        return Listing(markets)
    return Listing(markets, tuple(glance for glance in glances if not impossible(glance)))


def idle_tokens(token: Token, owner: Address) -> Flow[float]:
    """Whole tokens in the wallet."""
    erc20 = abi("erc20")
    (data,) = yield [erc20.read(token.address, "balanceOf", owner)]
    return float(erc20.one("balanceOf", data) / token.one)


def left_unread(
    glances: Sequence[Glance],
    idle: Iterable[tuple[Token, float | MarketError]],
    usd: Mapping[Token, Price],
    full: Collection[MarketId],
) -> dict[MarketId, Glance]:
    """The markets that need not be read in full, each with its glance. Pure.

    idle: whole tokens of each asset in the wallet. usd: prices of assets that can be swapped into each other. full:
    markets that are read in full whatever their glance shows.
    """
    if not glances:
        return {}
    own = {token: 0.0 if isinstance(amount, MarketError) else amount for token, amount in idle}
    for glance in glances:
        if glance.held:
            own[glance.market.asset] = own.get(glance.market.asset, 0.0) + float(glance.held)
    worth = sum(amount * usd[token].usd for token, amount in own.items() if token in usd)
    money = {token: worth / usd[token].usd if token in usd and usd[token].usd else own[token] for token in own}
    chosen = candidates(glances, money) | {*full}
    return {glance.market.id: glance for glance in glances if glance.market.id not in chosen}
