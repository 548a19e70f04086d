"""What execution needs to know about one wallet on one Solana cluster, and one leg as its adapter built it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
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
    from yieldbot.execution.wayout import ExitRehearsal

SYSTEM = Address("11111111111111111111111111111111")


class SvmSigner(Protocol):
    """Holds one key, and signs only approved transactions."""

    @property
    def address(self) -> Address:
        """The key's address."""

    def sign(self, approved: SvmApproved) -> SvmSigned:
        """The signed transaction. Raises SafetyError when the bytes are not exactly what was approved, ConfigError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One wallet on one cluster: everything that execution needs. Live and dry run differ in these values, not in a
    mode."""

    nodes: Quorum
    """The cluster, by a quorum of its nodes."""
    settings: ChainSettings
    """The cluster's settings."""
    owner: Address
    """The account's address."""
    journal: Journal
    """What was intended and signed."""
    signer: SvmSigner
    """Holds the account's key."""
    explain: Callable[[Address, int], str | None] = lambda program, code: None
    """Turns a program and its own error number into a reason for a person, or None."""
    tolerance_bps: float = 1.0
    """How far a balance change on the chain may be from the simulated one."""
    max_cost_lamports: int | None = None
    """Highest total fee of one transaction, derived from the plan's gain; None: only ``bounds`` apply."""
    now: Callable[[], int] = lambda: int(time.time())
    """The clock that plans expire by: unix seconds."""
    halted: Callable[[], str | None] = lambda: None
    """Returns why the kill switch is set (execution/halt.py), or None; called again before each signature."""
    limits: Callable[[Sequence[Leg]], Declined | None] = lambda legs: None
    """Returns why the policy's limits forbid legs now (chains/leg_limits.py), or None; called before a leg begins."""

    @property
    def native(self) -> Token:
        """SOL, as the token in which fees are paid."""
        return native_token(self.settings)

    @property
    def bounds(self) -> SvmLimits:
        """The cluster's limits in its settings: fees, compute units, lookup tables."""
        assert self.settings.svm is not None  # only a cluster's settings get here
        return self.settings.svm


@dataclass(frozen=True, slots=True, kw_only=True)
class LegWork:
    """A leg of a plan, from which transactions can be built."""

    index: int
    """Its place in the plan's legs, from 0."""
    leg: Leg
    """The leg as carried out now; its amount is at most the plan's."""
    market: Market
    """The leg's market; for a swap a placeholder with the exchange's name."""
    calls: tuple[SvmInstruction, ...]
    """The adapter's instructions, in order."""
    share_token: Token | None
    """The token of the market's shares; None if the position is no token."""
    tags: Mapping[Address, frozenset[bytes]]
    """Programs that may be called, with the tags (first bytes) of their instructions, as the adapter lists them."""
    token_program: Address
    """The token program of the asset's mint."""
    share_program: Address
    """The token program of the shares' mint."""
    native: bool = False
    """True: the asset is SOL, and the program takes lamports instead of wrapped SOL."""
    entry_cost_bps: float = 0.0
    """Fees on a deposit that the decision counted with, in bp of the amount."""
    observe: Callable[[BlockRef], Flow[MarketState]] | None = None
    """The adapter's reads of our position; None: its value is not compared after the leg."""
    swaps: tuple[SwapTerms, ...] = ()
    """The terms of each of a swap's instructions, in order; none for other kinds of legs."""
    expires_at: int | None = None
    """Unix seconds from which it is neither signed nor sent; None: as long as the approval is valid."""
    out: ExitRehearsal[SvmInstruction] | None = None
    """How the exit is rehearsed after a deposit; None for other kinds of legs."""
    most_shares: int = 0
    """Most shares, in base units, that a withdrawal may give back; 0 for other kinds of legs."""

    @property
    def wanted(self) -> Token | None:
        """The token that a swap brings; None for other kinds of legs."""
        return self.leg.gets.token if self.leg.kind is LegKind.SWAP and self.leg.gets is not None else None

    @property
    def programs(self) -> dict[Token, Address]:
        """The token program of each token that the leg moves. Tokens that swaps bring belong to SPL Token."""
        found = {self.asset: self.token_program}
        if self.share_token is not None:
            found[self.share_token] = self.share_program
        if self.wanted is not None:
            found[self.wanted] = TOKEN_PROGRAM
        return found

    @property
    def asset(self) -> Token:
        """The leg's asset."""
        return self.leg.amount.token

    @property
    def description(self) -> str:
        """What the leg does, in one line for the person who approves: the descriptions of its instructions, in
        order."""
        return "; ".join(call.description for call in self.calls if call.description) or self.leg.kind.value

    @property
    def about(self) -> Address:
        """The leg's main program: that of the adapter's last instruction."""
        return self.calls[-1].program
