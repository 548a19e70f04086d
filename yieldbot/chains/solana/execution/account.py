"""The wiring of one wallet on one Solana cluster, and one leg as its adapter built it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Market, MarketState
from yieldbot.model.native import native_token
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.reads import Flow
from yieldbot.model.settings import ChainSettings, SvmLimits
from yieldbot.model.solana_tx import SvmApproved, SvmSigned
from yieldbot.model.tx import SvmInstruction

if TYPE_CHECKING:
    from yieldbot.execution.wayout import WayOut

SYSTEM = Address("11111111111111111111111111111111")


class Signer(Protocol):
    """Signs what the policy approved, and nothing else."""

    @property
    def address(self) -> Address: ...

    def sign(self, approved: SvmApproved) -> SvmSigned: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One wallet on one cluster: everything that execution needs, and no mode.

    explain: a program's own error number in words, or None. tolerance_bps: how far a real balance change may lie from
    the simulated one. max_cost_lamports: the most that one leg may pay in fees, None for no bound but the limits'.
    now: unix seconds by the clock that plans expire by. halted: why nothing may be signed or sent, asked again before
    each signature. limits: why legs are beyond what the policy lets into markets.
    """

    nodes: Quorum
    settings: ChainSettings
    owner: Address
    journal: Journal
    signer: Signer
    explain: Callable[[Address, int], str | None] = lambda program, code: None
    tolerance_bps: float = 1.0
    max_cost_lamports: int | None = None
    now: Callable[[], int] = lambda: int(time.time())
    halted: Callable[[], str | None] = lambda: None
    limits: Callable[[Sequence[Leg]], Declined | None] = lambda legs: None

    @property
    def native(self) -> Token:
        return native_token(self.settings)

    @property
    def bounds(self) -> SvmLimits:
        """The cluster's own limits."""
        assert self.settings.svm is not None  # the session is made of a cluster's settings alone
        return self.settings.svm


@dataclass(frozen=True, slots=True, kw_only=True)
class LegWork:
    """A leg of a plan, ready to be built into transactions.

    index: its place in the plan's legs; leg: what is done now, never more than the plan's. calls: the adapter's
    instructions. tags: programs and the first bytes of their instructions that the adapter lists for the market.
    token_program: of the asset's mint; share_program: of the share token's. native: the asset is SOL and the program
    takes lamports, not wrapped SOL. entry_cost_bps: what of a deposit is known to go in fees. observe: the adapter's
    reads of our position there. swaps: of a swap the terms of each of its calls, in their order; expires_at: unix
    seconds from which on it is neither signed nor sent, None for no such bound but the approval's. out: of a deposit,
    how its way out is rehearsed; None for other legs.
    """

    index: int
    leg: Leg
    market: Market
    calls: tuple[SvmInstruction, ...]
    share_token: Token | None
    tags: Mapping[Address, frozenset[bytes]]
    token_program: Address
    share_program: Address
    native: bool = False
    entry_cost_bps: float = 0.0
    observe: Callable[[BlockRef], Flow[MarketState]] | None = None
    swaps: tuple[SwapTerms, ...] = ()
    expires_at: int | None = None
    out: WayOut[SvmInstruction] | None = None
    most_shares: int = 0
    """The most shares, in raw units, that a withdrawal of this leg may give back; none for every other leg."""

    @property
    def wanted(self) -> Token | None:
        """What a swap brings; None for any other leg."""
        return self.leg.gets.token if self.leg.kind is LegKind.SWAP and self.leg.gets is not None else None

    @property
    def programs(self) -> dict[Token, Address]:
        """The tokens that the leg moves, by the programs of their mints; what swaps bring is SPL Token's own."""
        found = {self.asset: self.token_program}
        if self.share_token is not None:
            found[self.share_token] = self.share_program
        if self.wanted is not None:
            found[self.wanted] = TOKEN_PROGRAM
        return found

    @property
    def asset(self) -> Token:
        return self.leg.amount.token

    @property
    def description(self) -> str:
        """What the leg does, in its adapter's words: all that its instructions do, in their order."""
        return "; ".join(call.description for call in self.calls if call.description) or self.leg.kind.value

    @property
    def about(self) -> Address:
        """The program that the leg is about: that of the adapter's last instruction."""
        return self.calls[-1].program
