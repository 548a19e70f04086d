"""Interfaces (typing.Protocol) that adapters of EVM protocols implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.glance import Glance
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.market import Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import EvmCall


class YieldAdapter(Protocol):
    """Reads and calls of one protocol. Pure: flows yield reads, calls are bytes; nothing here does I/O."""

    protocol: ClassVar[str]
    """The adapter's name, as [[protocols]] tables write it."""
    params: ClassVar[type[BaseModel]]  # schema of the deployment's table in chains/*.toml (extra keys forbidden)
    """Validates the other keys of a [[protocols]] table."""

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        """The deployment's markets for its assets. Raises MarketError if its contracts are not those of the
        protocol."""

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        """The market's state for ``owner`` at ``block``."""

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that deposit exactly ``amount``; each names the exact allowance that it consumes."""

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that withdraw ``amount``; None: the whole position."""

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that claim all of one of the state's rewards for ``owner``; empty if the market pays none."""

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for the claim."""

    def explain_revert(self, data: bytes) -> str | None:
        """The message of a custom error of the protocol; None if it is another one."""

    def spenders(self, market: Market) -> tuple[Address, ...]:
        """Contracts that may receive an allowance of the asset."""

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for this market."""


@runtime_checkable
class TwoStepExits(Protocol):
    """An adapter whose markets may have a two-step exit (``Exit.kind`` COOLDOWN or REQUEST)."""

    def request_exit(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that request the exit of ``amount``; None: of everything that is not leaving yet."""

    def collect_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that collect what ``MarketState.leaving`` states as ready."""

    def cancel_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that cancel the pending request, or redeposit what a cancellation returned."""


@runtime_checkable
class Glancing(Protocol):
    """An adapter that can tell the size of many markets, and the most that each could pay, by a few cheap reads.

    An adapter without it is read in full.
    """

    def glance(self, markets: Sequence[Market], owner: Address, block: BlockRef) -> Flow[tuple[Glance, ...]]:
        """A glance at each of these markets of one deployment; one that is left out must be read in full. Raises
        MarketError where all of them must."""


class SwapAdapter(Protocol):
    """Reads and calls of one exchange. Pure, as YieldAdapter is. A module that has ``EXCHANGE`` is one."""

    protocol: ClassVar[str]
    """The adapter's name, as [[exchanges]] tables write it."""
    params: ClassVar[type[BaseModel]]
    """Validates the other keys of an [[exchanges]] table."""

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """The exchange's pools of these pairs; pairs without one are left out."""

    def observe(self, pool: Pool) -> Flow[PoolState]:
        """A pool's state: everything that its swaps depend on. Raises MarketError where it is no pool."""

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        """Calls that swap exactly ``given`` along ``pools`` (one or two, all of this exchange) for at least ``least``,
        to ``owner``, before ``deadline`` (unix seconds); each names the exact allowance that it consumes.

        Raises MarketError where the deployment names no router, ValueError where the pools do not connect the tokens.
        """

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for swaps along ``pools``."""

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        """Contracts that may receive an allowance of what goes in."""

    def explain_revert(self, data: bytes) -> str | None:
        """Message of a revert of the exchange; None when it is not one of its own."""


@runtime_checkable
class HoldsApart(Protocol):
    """An exchange whose pools' tokens do not lie at the pools' addresses: one contract keeps those of all."""

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """Base units of both tokens of a pool."""


class LiquidityAdapter(Protocol):
    """Reads the liquidity in one exchange's pools. Pure. A module of this folder that has ``LIQUIDITY`` is one."""

    protocol: ClassVar[str]  # the exchange's, whose ``pools`` lists them
    """The exchange's adapter name."""

    def observe(self, pool: Pool, deployment: Deployment) -> Flow[LiquidityPool]:
        """A pool's state. Raises MarketError where it is no pool."""

    def history(self, state: LiquidityPool, lookback_blocks: int) -> Flow[PoolHistory]:
        """What the pool has recorded of its past; with ``lookback_blocks`` 0 no earlier block is read."""

    def owned(
        self, states: Mapping[str, LiquidityPool], deployment: Deployment, owner: Address
    ) -> Flow[tuple[list[PoolPosition], tuple[int, ...]]]:
        """(our positions in pools of ``states``, numbers of our positions in other pools)."""

    def inside(self, position: PoolPosition, lag_blocks: int) -> Flow[tuple[int, int] | None]:
        """(seconds that the price was ever within the position's range, unix seconds) so many blocks ago; None where
        the pool does not record that."""
