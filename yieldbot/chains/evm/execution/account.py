"""What execution needs to know about one wallet on one chain, and one leg as its adapter built it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.chains.evm.node.client import Node
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
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
"""Makes a fork of the chain at a block. The fork's next block has the time that the chain's own next block will
have."""


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
    """Functions that the judge can decode, by selector (``abi_functions``). Calls of any other function are not
    signed."""
    explain: Callable[[bytes], str | None] = _unexplained
    """Turns revert bytes into a reason for a person, or None: the ``explain_revert`` of all adapters."""
    tolerance_bps: float = 1.0
    """How far a balance change on the chain may differ from the simulated one."""
    max_gas: int = 8_000_000
    """Highest gas limit of one transaction."""
    max_cost_wei: int | None = None
    """Highest total fee of one transaction, derived from the plan's gain; None: only the fee ceiling limits it."""
    now: Callable[[], int] = lambda: int(time.time())
    """The clock that plans expire by: unix seconds."""
    halted: Callable[[], str | None] = _not_halted
    """Returns why the kill switch is set (execution/halt.py), or None; called again before each signature."""
    limits: Callable[[Sequence[Leg]], Declined | None] = _no_limits
    """Returns why the policy's limits forbid legs now (chains/leg_limits.py), or None; called before a leg begins."""
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
    """A leg of a plan, from which transactions can be built."""

    index: int
    """Its place in the plan's legs, from 0."""
    leg: Leg
    """The leg as carried out now; its amount is at most the plan's."""
    market: Market
    """The leg's market; for a swap a placeholder with the exchange's name and router."""
    calls: tuple[EvmCall, ...]
    """The adapter's calls, in order, without those that set allowances; none for a leg of liquidity."""
    share_token: Token | None
    """The token of the market's shares; None if the position is no token."""
    targets: Mapping[Address, frozenset[bytes]]
    """Contracts that may be called, with the selectors of each, as the adapter lists them for the market."""
    spenders: Sequence[Address]
    """Contracts that may be given an allowance, as the adapter lists them for the market."""
    known: frozenset[Address] = field(default_factory=frozenset)
    """Further addresses that arguments of the role ``market`` may hold."""
    observe: Callable[[BlockRef], Flow[MarketState]] | None = None
    """The adapter's reads of our position at a block; None: its value is not compared after the leg."""
    entry_cost_bps: float = 0.0
    """Fees on a deposit that the decision counted with, in bp of the amount."""
    swaps: tuple[SwapTerms, ...] = ()
    """The terms of each part of a swap; none for other kinds of legs."""
    lasts_seconds: int | None = None
    """Seconds until the calls' own deadline, after which they revert; None: they have none."""
    provides: Provides | None = None
    """The steps of a leg of liquidity, each built from what the step before it left; None for other legs."""
    most_shares: int = 0
    """Most shares, in base units, that a withdrawal may give back; 0 for other kinds of legs."""
    out: ExitRehearsal[EvmCall] | None = None
    """How the exit is rehearsed after a deposit; None: it is not."""
    requests: list[int] = field(default_factory=list)
    """Ids of requests made to the market on this fork (EIP-7540), so that ``observe`` reads them too."""
    again: Callable[[MarketState, Amount | None], LegWork] | None = None
    """Builds the same leg again after an earlier leg of the plan changed its market. Arguments: the market's new state,
    and the wallet's balance of the asset (None: it does not limit the leg)."""

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
        """Contracts (lower case) that may log a Transfer from our account: the watched tokens, and the market itself
        (some markets keep our balance as a token that they do not name as their shares)."""
        return frozenset(address.lower() for address in (*(t.address for t in self.watched), self.market.address))
