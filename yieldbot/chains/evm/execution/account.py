"""What execution needs of one wallet on one chain, and one leg as its adapter built it."""

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
from yieldbot.model.reads import Flow
from yieldbot.model.settings import ChainSettings
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import GWEI

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import AbiFunction
    from yieldbot.chains.evm.liquidity.order import Provides
    from yieldbot.chains.evm.signing.sign import EvmSigner
    from yieldbot.execution.wayout import ExitRehearsal


ForkFactory = Callable[[BlockRef], AbstractAsyncContextManager[Node]]
"""Makes a fork of the chain at a block. Its next block has the time that the chain's own next block will have."""


def _unexplained(_: bytes) -> str | None:
    return None


def _not_halted() -> str | None:
    return None


def _no_limits(_: Sequence[Leg]) -> Declined | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One wallet on one chain: everything that execution needs. Live and dry run differ in these values, not in a
    mode."""

    node: Node
    """The chain, by a quorum of its endpoints."""
    settings: ChainSettings
    """The chain's settings."""
    owner: Address
    """The account's address."""
    journal: Journal
    """What was intended and signed."""
    signer: EvmSigner
    """Holds the account's key."""
    fork: ForkFactory
    """Makes the forks for rehearsals and simulations."""
    abi: Mapping[bytes, tuple[AbiFunction, ...]]
    """Functions that the judge can decode, by selector (``abi_functions``). Calls of others are not signed."""
    explain: Callable[[bytes], str | None] = _unexplained
    """From revert bytes a reason for a person, or None: the ``explain_revert`` of all adapters."""
    tolerance_bps: float = 1.0
    """How far a balance change on the chain may be from the simulated one."""
    max_gas: int = 8_000_000
    """The most gas that one transaction may use."""
    max_cost_wei: int | None = None
    """The most that one transaction may pay in fees, as the plan's gain allows; None: only the fee ceiling bounds
    it."""
    now: Callable[[], int] = lambda: int(time.time())
    """The clock that plans expire by: unix seconds."""
    halted: Callable[[], str | None] = _not_halted
    """Why the kill switch is set (execution/halt.py), None while it is not; called again before each signature."""
    limits: Callable[[Sequence[Leg]], Declined | None] = _no_limits
    """Why the policy's limits forbid legs now (chains/leg_limits.py); called before a leg begins."""
    pays_gas: bool = True
    """Whether the account pays for gas itself; a Safe's gas is paid by whoever executes."""

    @property
    def native(self) -> Token:
        """The chain's coin."""
        return native_token(self.settings)

    @property
    def max_fee_wei(self) -> int:
        """The ceiling of the chain's settings, in wei per gas."""
        return int(self.settings.max_fee_gwei * GWEI)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegWork:
    """A leg of a plan, ready to be built into transactions."""

    index: int
    """Its place in the plan's legs, from 0."""
    leg: Leg
    """What is done now; its amount is the plan's at most."""
    market: Market
    """The leg's market; of a swap a stand-in with the exchange's name and router."""
    calls: tuple[EvmCall, ...]
    """The adapter's calls, in order, without allowances; none for a leg of liquidity."""
    share_token: Token | None
    """The market's shares; None where a position is no token."""
    targets: Mapping[Address, frozenset[bytes]]
    """Contracts that may be called, with the selectors of each, as the adapter lists them for the market."""
    spenders: Sequence[Address]
    """Contracts that may be given an allowance, as the adapter lists them for the market."""
    known: frozenset[Address] = field(default_factory=frozenset)
    """Further addresses that may stand in arguments of the role ``market``."""
    observe: Callable[[BlockRef], Flow[MarketState]] | None = None
    """The adapter's reads of our position at a block; None: its value after the leg is not compared."""
    entry_cost_bps: float = 0.0
    """Fees of a deposit that the decision counted with, in bp of the amount."""
    swaps: tuple[SwapTerms, ...] = ()
    """The terms of each part of a swap; none for other kinds of legs."""
    lasts_seconds: int | None = None
    """Seconds after which the calls' own deadline is over, so that they revert; None: they have none."""
    provides: Provides | None = None
    """The steps of a leg of liquidity, each of which is built from what the one before it left; None for other legs."""
    most_shares: int = 0
    """The most shares, in base units, that a withdrawal may give back; 0 for other kinds of legs."""
    out: ExitRehearsal[EvmCall] | None = None
    """How the exit is rehearsed after a deposit; None where it is not."""
    requests: list[int] = field(default_factory=list)
    """Ids of the requests made of the market on this fork (EIP-7540), so that ``observe`` reads them too."""
    again: Callable[[MarketState, Amount | None], LegWork] | None = None
    """Builds the same leg again after an earlier leg of the plan changed its market: from the market's new state and
    the wallet's balance of the asset (None: that does not bound the leg)."""

    @property
    def description(self) -> str:
        """What it does, in one line for the person who approves."""
        return self.provides.description if self.provides else self.calls[-1].description

    @property
    def watched(self) -> tuple[Token, ...]:
        """Tokens whose balances are compared before and after: the asset, the shares, what the leg brings, a pool's
        tokens."""
        tokens = [self.leg.amount.token, self.share_token, self.leg.gets.token if self.leg.gets else None]
        tokens += self.provides.tokens if self.provides else ()
        return tuple(dict.fromkeys(token for token in tokens if token))

    @property
    def may_move(self) -> frozenset[str]:
        """Contracts, in lower case, that may log a Transfer from our account: the watched tokens and the market itself
        (some markets keep our balance as a token without naming it as their shares)."""
        return frozenset(address.lower() for address in (*(t.address for t in self.watched), self.market.address))
