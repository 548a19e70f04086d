"""Interfaces (typing.Protocol) that adapters of Solana programs implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

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

    model_config = ConfigDict(extra="forbid", defer_build=True)

    program: str
    """The program's address."""


class ReserveParams(ProgramParams):
    """A deployment's table of a lending program."""

    reserves: list[str]
    """One reserve for each asset, in the order of the table's assets."""


class SvmAdapter(Protocol):
    """Reads and instructions of one Solana program. Pure, like YieldAdapter.

    Our associated token accounts for the asset and the share token are created, wrapped and closed by the code that
    builds the transaction; an adapter only names them. It creates any further accounts that a first deposit needs, and
    states their rent in ``MarketState.rent_deposit`` (with that of share accounts that are missing).
    """

    protocol: ClassVar[str]
    """The adapter's name, as [[protocols]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of a [[protocols]] table."""

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        """See ``YieldAdapter.discover``. Market.params must name the asset's ``token_program``."""

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        """The market's state for ``owner`` at ``block`` (a slot), interest accrued up to it."""

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions of one transaction that deposit exactly ``amount``, preceded by the refreshes that they need."""

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions that withdraw at least ``amount`` (rounded up by at most one share); None: the whole
        position."""

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions that claim rewards; empty if the market pays none."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """The message of a custom program error; None if it is another program's."""

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Programs, and the first bytes of their instructions, that the signer may allow for this market."""


class SvmSwapAdapter(Protocol):
    """Reads and instructions of one Solana exchange. Pure. Modules with ``EXCHANGE`` provide one."""

    protocol: ClassVar[str]
    """The adapter's name, as [[exchanges]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of an [[exchanges]] table."""

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """See ``SwapAdapter.pools``."""

    def observe(self, pool: Pool) -> Flow[PoolState]:
        """See ``SwapAdapter.observe``; the returned state's pool carries what ``swap`` needs."""

    def swap(self, pool: Pool, given: Amount, least: Amount, owner: Address) -> SvmInstruction:
        """The instruction that swaps exactly ``given`` in an observed pool for at least ``least``, between our
        associated accounts.

        Raises ValueError if the pool does not exchange these tokens.
        """

    def tags(self, pool: Pool) -> dict[Address, frozenset[bytes]]:
        """See ``SvmAdapter.tags``; for a swap in this pool."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """See ``SvmAdapter.explain_error``."""


class SvmPriceOracle(Protocol):
    """Reads of a Solana program that prices a token in another, by a price that no single swap can move. Pure.

    Modules with ``PRICE_ORACLE`` provide one.
    """

    protocol: ClassVar[str]
    """The oracle's name, as [[witnesses]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of a [[witnesses]] table."""

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """The pools (or accounts) of the program that price these pairs."""

    def price(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        """(the pool, whose params state the kind of price under ``says``; whole token1 for one token0). now: the
        chain's own time, in unix seconds. Raises MarketError if there is no usable price."""


@runtime_checkable
class GrowthOracle(Protocol):
    """A price oracle of a token that grows by itself, as staked SOL does. Pure."""

    def growth(self, pool: Pool) -> Flow[tuple[float, float | None]]:
        """(whole token1 for one token0, what token0 earns against token1, a simple annual fraction; None: its past
        worth is in no account). Raises MarketError if neither is known."""
