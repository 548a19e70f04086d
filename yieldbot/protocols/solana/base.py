"""Protocols (typing) that adapters of Solana programs implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.tx import SvmInstruction


class ProgramParams(BaseModel):
    """A deployment's table of one program."""

    model_config = ConfigDict(extra="forbid")

    program: str
    """The program's address."""


class ReserveParams(ProgramParams):
    """A deployment's table of a lending program."""

    reserves: list[str]
    """One reserve for each asset, in the same order."""


class SvmAdapter(Protocol):
    """Reads and instructions of one Solana program. Pure, as YieldAdapter is.

    Our associated token accounts of the asset and the share token are created, wrapped and closed by what builds the
    transaction; an adapter only names them. Further accounts that a first deposit needs it creates itself, and states
    their rent in ``MarketState.rent_deposit`` (with that of share accounts that are missing).
    """

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        """As YieldAdapter. Market.params must name the asset's ``token_program``."""

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        """The market's state for ``owner`` at ``block`` (a slot), interest accrued up to it."""

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions, all of one transaction, that deposit exactly ``amount``; refreshes before it included."""

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions that withdraw at least ``amount`` (at most one share more), or everything for None."""

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions that claim rewards; empty where there are none."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """Message of a custom program error; None when it is not one of its own."""

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Programs, and the first bytes of their instructions, that the signer may allow for this market."""


class SvmSwapAdapter(Protocol):
    """Reads and instructions of one Solana exchange. Pure. A module that has ``EXCHANGE`` is one."""

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """As SwapAdapter."""

    def observe(self, pool: Pool) -> Flow[PoolState]:
        """As SwapAdapter; the returned state's pool carries what ``swap`` needs."""

    def swap(self, pool: Pool, given: Amount, least: Amount, owner: Address) -> SvmInstruction:
        """The instruction that swaps exactly ``given`` in an observed pool for at least ``least``, between our
        associated accounts.

        Raises ValueError where the pool does not exchange these tokens.
        """

    def tags(self, pool: Pool) -> dict[Address, frozenset[bytes]]:
        """As SvmAdapter, for a swap in this pool."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """As SvmAdapter."""


class SvmPriceOracle(Protocol):
    """Reads of a Solana program that prices a token in another, by a price that no single swap can move. Pure.

    A module that has ``PRICE_ORACLE`` is one.
    """

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """The program's pools (or accounts) that price these pairs."""

    def price(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        """(the pool, with what kind of price it is as ``says`` among its params; whole token1 for one token0).

        now: the chain's own time, unix seconds. Raises MarketError where there is no usable price.
        """
