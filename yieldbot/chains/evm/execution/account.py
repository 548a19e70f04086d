"""The wiring of one wallet on one chain, and one leg as its adapter built it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yieldbot.chains.evm.node.client import Node
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState
from yieldbot.model.native import native_token
from yieldbot.model.plan import Declined, Leg
from yieldbot.model.policy import ChainSettings
from yieldbot.model.reads import Flow
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import GWEI

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import AbiFunction
    from yieldbot.chains.evm.liquidity.order import Provides
    from yieldbot.chains.evm.signing.sign import Signer
    from yieldbot.execution.wayout import WayOut


ForkFactory = Callable[[BlockRef], AbstractAsyncContextManager[Node]]
"""A fork of the chain at a block; its clock stands at the chain's own time of the next block."""


def _no_words(_: bytes) -> str | None:
    return None


def _not_halted() -> str | None:
    return None


def _no_limits(_: Sequence[Leg]) -> Declined | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One wallet on one chain: everything that execution needs, and no mode.

    abi: what the policy can decode, by selector (``abi_functions``); a selector that is not there is not signed.
    explain: revert bytes in words, or None (all adapters' ``explain_revert`` joined). tolerance_bps: how far a real
    balance change may lie from the simulated one. max_gas: the most that one transaction may use. now: unix seconds
    by the clock that plans expire by. max_cost_wei: the most that one leg may pay for gas, None for no bound but the
    fee ceiling. halted: why nothing may be signed or sent (execution/halt.py), asked again before each signature.
    limits: why legs are beyond what the policy lets into markets (protections.py), asked before a leg begins.
    pays_gas: whether the account itself pays for gas (a Safe's is paid by who executes).
    """

    node: Node
    settings: ChainSettings
    owner: Address
    journal: Journal
    signer: Signer
    fork: ForkFactory
    abi: Mapping[bytes, tuple[AbiFunction, ...]]
    explain: Callable[[bytes], str | None] = _no_words
    tolerance_bps: float = 1.0
    max_gas: int = 8_000_000
    max_cost_wei: int | None = None
    now: Callable[[], int] = lambda: int(time.time())
    halted: Callable[[], str | None] = _not_halted
    limits: Callable[[Sequence[Leg]], Declined | None] = _no_limits
    pays_gas: bool = True

    @property
    def native(self) -> Token:
        return native_token(self.settings)

    @property
    def max_fee_wei(self) -> int:
        """The ceiling of wei per gas."""
        return int(self.settings.max_fee_gwei * GWEI)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegWork:
    """A leg of a plan, ready to be built into transactions.

    index: its place in the plan's legs; leg: what is done now, never more than the plan's. targets, spenders: what the
    adapter lists for the market; nothing else may be called or given an allowance. observe: the adapter's reads of our
    position there, None where what a deposit is worth afterwards is not looked at. swaps: the terms of a
    swap's parts; none for other legs. lasts_seconds: after which its calls would revert (a deadline), None for no such
    end. provides: a leg of liquidity, whose calls are made one after another; then ``calls`` are none. out: how the way
    out is rehearsed after a deposit, None where it is not.
    entry_cost_bps: what of a deposit is known to go in fees.
    """

    index: int
    leg: Leg
    market: Market
    calls: tuple[EvmCall, ...]
    share_token: Token | None
    targets: Mapping[Address, frozenset[bytes]]
    spenders: Sequence[Address]
    known: frozenset[Address] = field(default_factory=frozenset)
    observe: Callable[[BlockRef], Flow[MarketState]] | None = None
    entry_cost_bps: float = 0.0
    swaps: tuple[SwapTerms, ...] = ()
    lasts_seconds: int | None = None
    provides: Provides | None = None
    most_shares: int = 0
    """The most shares, in raw units, that a withdrawal of this leg may give back; none for every other leg."""
    out: WayOut[EvmCall] | None = None
    requests: list[int] = field(default_factory=list)
    """Numbers of the requests that were made of the market on this fork, by which ``observe`` asks for them too."""
    again: Callable[[MarketState, Amount | None], LegWork] | None = None
    """The same leg from a newer state of its market, which an earlier leg of the plan has changed, and from what the
    wallet has of the asset then (None where that does not bound it)."""

    @property
    def description(self) -> str:
        """What it does, in a line."""
        return self.provides.description if self.provides else self.calls[-1].description

    @property
    def watched(self) -> tuple[Token, ...]:
        """Tokens whose balances this leg moves: the asset, the shares, and what a swap brings."""
        tokens = [self.leg.amount.token, self.share_token, self.leg.gets.token if self.leg.gets else None]
        tokens += self.provides.tokens if self.provides else ()
        return tuple(dict.fromkeys(token for token in tokens if token))

    @property
    def may_move(self) -> frozenset[str]:
        """Lower-case contracts that may say that we transferred something: the watched tokens and the market itself
        (a market can keep our balance in its own contract without naming it a share token)."""
        return frozenset(address.lower() for address in (*(t.address for t in self.watched), self.market.address))
