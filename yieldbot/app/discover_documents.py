"""The document of ``discover``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class DiscoveredMarket(Part):
    """One market that a registry lists and its contract confirms."""

    key: str = Field(description="the market's id or address, which identifies it")
    registry: str = Field(description="name of the registry that lists it")
    protocol: str | None = Field(description="adapter that would read it; null: none does")
    name: str = Field(description="the name that its contract states, or what it lends against: anybody may choose it")
    asset: str = Field(description="symbol of its asset in the chain's file")
    supplied: float = Field(description="what is supplied to it, in whole tokens")
    state: str = Field(description="listed (in the chain's file), found (not in it), or gone")
    new: bool = Field(description="whether it was first confirmed since the last complete reading before this one")
    block: int | None = Field(description="block of the event that listed it; null: the list has no events")
    age_days: float | None = Field(
        description="about how many days ago it was created; of a list without events: how long it has been known here"
    )
    first_seen: int | None = Field(description="unix seconds at which it was first confirmed here")
    gone_since: int | None = Field(description="unix seconds since which it is gone; null: it is there")
    collateral: str | None = Field(description="address of its only collateral")
    collateral_symbol: str | None = Field(description="symbol that the collateral's contract states")
    collateral_limit: float | None = Field(
        description="loan to value at which its borrowers are liquidated, as a fraction"
    )
    curator: str | None = Field(description="address that decides where its money lies")
    quoted_apy: float | None = Field(
        description="its yield now as an effective annual fraction, as `markets` has it; of a principal token what a "
        "purchase of a hundredth of its pool fixes until expiry; null: it was not read in full"
    )
    expiry: int | None = Field(description="unix seconds from which its principal token is redeemed; null: it has none")
    exit_cost: float | None = Field(
        description="fraction of such a purchase that is lost if it is sold again at once; null: it has no fixed rate"
    )
    liquidity: float | None = Field(description="what could be taken out now, in whole tokens; null: as quoted")
    safety: int | None = Field(
        description="its safety grade from 0 to 100: of a listed market as in `markets`, of others without a look at "
        "who controls it and without history, so that it may rise or fall once it is pinned; null: as quoted"
    )
    letter: str | None = Field(description="the grade's letter")
    flags: tuple[str, ...] = Field(description="what is odd about it, as phrases")
    unfit: str | None = Field(description="why it cannot be pinned; null: it can")


class DiscoveredRegistry(Part):
    """One registry."""

    name: str = Field(description="its name in the chain's file")
    kind: str = Field(description="name of its reader")
    address: str = Field(description="its contract or program")
    entries: int = Field(description="markets that it lists, of any asset")
    shown: int = Field(description="its markets in this document")
    since_block: int | None = Field(description="block from which its events were read; null: it has a list")
    cut: str | None = Field(description="why its list is not complete; null: it is")
    previous_run: int | None = Field(description="unix seconds of the last complete reading before this one")
    notes: tuple[str, ...] = Field(description="what is odd: events that it cannot have emitted, events left out")
    failure: str | None = Field(description="why it could not be read; null: it was")


class DiscoveredPool(Part):
    """One pool of an exchange, which the exchange's own contract lists: it needs no pin."""

    key: str = Field(description="the pool's address, or its id where one contract keeps all pools")
    name: str = Field(description="its exchange and fee")
    protocol: str = Field(description="adapter that reads it")
    tokens: tuple[str, str] = Field(description="symbols of its two tokens in the chain's file")
    held: tuple[float, ...] = Field(
        description="what it holds of each, in whole tokens: anybody may have sent it there"
    )
    used_for: tuple[str, ...] = Field(
        description="what jobs read it for: swaps, and liquidity that plans provide; empty: no job of yours reads it"
    )


class DiscoveredChain(Part):
    """One chain."""

    chain: str = Field(description="its name")
    height: str = Field(default="block", description="what the chain counts: `block` or `slot`")
    block: int | None = Field(description="block at which contracts were read; null: the chain was skipped")
    registries: tuple[DiscoveredRegistry, ...] = Field(description="its registries")
    markets: tuple[DiscoveredMarket, ...] = Field(description="the markets that pass the filters, the largest first")
    hidden: int = Field(description="markets that do not pass the filters")
    pools: tuple[DiscoveredPool, ...] = Field(
        default=(),
        description="pools of the jobs' assets and other tokens of the chain's file that hold something, by asset, the "
        "largest first; none where a filter is given that pools have nothing for",
    )
    unread_pools: tuple[str, ...] = Field(default=(), description="why pools could not be read, a line each")
    curators: tuple[str, ...] = Field(
        default=(),
        description="addresses that decide where found markets' money lies, those of most markets first: what a "
        "curator filter takes",
    )
    no_such_curator: str | None = Field(
        default=None,
        description="which curators found markets have, where none has the one that was asked for; null: as asked for",
    )
    skipped: str | None = Field(description="why the chain was skipped; null: it was not")


class DiscoverDocument(Document):
    """What there is on each chain, what is new, and what is gone."""

    SCHEMA: ClassVar[str] = "discover"

    chains: tuple[DiscoveredChain, ...] = Field(description="the chains")
    exit_code: int = Field(description="1 where a chain, a registry or pools could not be read, else 0")
