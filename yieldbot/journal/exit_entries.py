"""The kinds of journal entries about ways out of markets: whether they work, what is leaving, and orders to leave."""

from __future__ import annotations

from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitProven:
    """A market's exit was observed to work, for this account."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: MarketId
    """The market."""
    fingerprint: str
    """The market's fingerprint at that time; the proof holds while it stays the same."""
    time: int
    """Unix seconds of the chain."""
    up_to: Amount
    """The amount that came out; the exit of a larger position is rehearsed again."""
    on_chain: bool = False
    """True: real money came out. False: it was a rehearsal on a fork."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRefused:
    """Money put into a market did not come out again: no new money goes in while its fingerprint stays the same."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: MarketId
    """The market."""
    fingerprint: str
    """The market's fingerprint at that time."""
    reason: str
    """Why, in one line for a person."""
    on_chain: bool = False
    """True: it was real money. False: it was a rehearsal on a fork."""
    time: int = 0
    """Unix seconds of the chain; 0 in rows of older programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAsked:
    """Money of ours that is leaving a market with a two-step exit, as read from the chain."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: MarketId
    """The market."""
    asked: Amount
    """What was requested and cannot be collected yet."""
    ready: Amount
    """What can be collected now."""
    back: Amount
    """What a cancellation has returned and is not in the market again yet."""
    until: int | None
    """Unix seconds from which it can be collected; None: when the protocol's operator serves the request."""
    time: int
    """Unix seconds of the chain."""
    entry: bool = False
    """Whether it is a deposit by request, and no exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitEnded:
    """No money of ours is leaving the market any more."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: MarketId
    """The market."""
    time: int
    """Unix seconds of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitOrdered:
    """A person orders a market to be left: until the order is lifted, each cycle takes out what it can, and nothing
    goes in."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: str
    """The market; or ``all/<chain>/<token>`` for every market of that asset."""
    name: str
    """The market's name at that time, for people."""
    by: str
    """Where the order came from: terminal, or the name of an interface."""
    into: str
    """Address of the token that the proceeds are swapped into; empty: they are not swapped."""
    time: int
    """Unix seconds of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitLifted:
    """An order to leave a market is over: money may go in again."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    market_id: str
    """What the order named."""
    by: str
    """Who lifted it."""
