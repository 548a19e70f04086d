"""What a protocol adapter is. One file per protocol in this folder; discovery is by package listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LpHistory, LpPosition, LpState
from yieldbot.model.market import Deployment, Market, MarketState, Reward
from yieldbot.model.reads import Flow
from yieldbot.model.tx import EvmCall, SvmInstruction


class YieldAdapter(Protocol):
    """Reads and calls of one protocol. Pure: flows yield reads, calls are bytes; nothing here does I/O."""

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]  # schema of the deployment's table in chains/*.toml (extra keys forbidden)

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        """The deployment's markets for its assets. Raises MarketError when the deployment is not what it claims."""

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        """The market's state for ``owner`` at ``block``."""

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that deposit exactly ``amount``; each names the exact allowance that it consumes."""

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that withdraw ``amount``, or the whole position for None."""

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that claim all of one of the state's rewards for ``owner``; empty where there is no such."""

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        """As ``targets``, of a claim: nothing else may be called by it."""

    def explain_revert(self, data: bytes) -> str | None:
        """A custom error of the protocol in words, or None when it is not one of its own."""

    def spenders(self, market: Market) -> tuple[Address, ...]:
        """Contracts that may receive an allowance of the asset."""

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for this market."""


@runtime_checkable
class InSteps(Protocol):
    """An adapter some of whose markets are left in two steps (``Exit.kind`` COOLDOWN or REQUEST)."""

    def request_exit(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that begin the way out of ``amount``, or of all that is inside for None."""

    def collect_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that bring what ``MarketState.leaving`` says is ready."""

    def cancel_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that call back what is asked for, or take in again what was called back."""


class SwapAdapter(Protocol):
    """Reads and calls of one exchange. Pure, as YieldAdapter is. A module that has ``EXCHANGE`` is one."""

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """The exchange's pools of these pairs, those that have none left out."""

    def observe(self, pool: Pool) -> Flow[PoolState]:
        """All of a pool that swaps in it need. Raises MarketError for what is none."""

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        """Calls that swap exactly ``given`` along ``pools`` (one or two, all of this exchange) for at least ``least``,
        to ``owner``, before ``deadline`` (unix seconds); each names the exact allowance that it consumes.

        Raises MarketError where the deployment names no router, ValueError where the pools do not lead there.
        """

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for swaps along ``pools``."""

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        """Contracts that may receive an allowance of what goes in."""

    def explain_revert(self, data: bytes) -> str | None:
        """A revert of the exchange in words, or None when it is not one of its own."""


class LiquidityAdapter(Protocol):
    """Reads of liquidity in one exchange's pools. Pure. A module of this folder that has ``LIQUIDITY`` is one."""

    protocol: ClassVar[str]  # the exchange's, whose ``pools`` lists them

    def observe(self, pool: Pool, deployment: Deployment) -> Flow[LpState]:
        """A pool as it is. Raises MarketError for what is none."""

    def record(self, state: LpState, lookback_blocks: int) -> Flow[LpHistory]:
        """What the pool recorded of its past; with a lookback of 0 no earlier block is read."""

    def owned(
        self, states: Mapping[str, LpState], deployment: Deployment, owner: Address
    ) -> Flow[tuple[list[LpPosition], tuple[int, ...]]]:
        """Our positions in the pools among ``states`` (by id), and the numbers of those in other pools."""

    def inside(self, position: LpPosition, lag_blocks: int) -> Flow[tuple[int, int] | None]:
        """(seconds ever spent within its range, the time) some blocks ago; None where that is not told."""


class SvmAdapter(Protocol):
    """Reads and instructions of one Solana program. Pure, as YieldAdapter is.

    Accounts of the asset's and the share token's mints that are ours (associated token accounts) are created, wrapped
    and closed by what builds the transaction; an adapter only names them. What a first deposit creates beside them it
    creates itself, and says its rent in ``MarketState.rent_deposit`` (share accounts' rent included while they lack).
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
        """Instructions that withdraw at least ``amount`` (by less than one share more), or everything for None."""

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        """Instructions that claim rewards; empty where there are none."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """A custom program error in words, or None when it is not one of its own."""

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Programs, and the first bytes of their instructions, that the signer may allow for this market."""


class SvmSwapAdapter(Protocol):
    """Reads and instructions of one Solana exchange. Pure. A module that has ``EXCHANGE`` of the family svm is one."""

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """As SwapAdapter."""

    def observe(self, pool: Pool) -> Flow[PoolState]:
        """As SwapAdapter; the state's own pool carries what ``swap`` needs of it."""

    def swap(self, pool: Pool, given: Amount, least: Amount, owner: Address) -> SvmInstruction:
        """The instruction that swaps exactly ``given`` in a pool of a state for at least ``least``, out of and into
        our associated accounts. Raises ValueError where the pool does not lead there."""

    def tags(self, pool: Pool) -> dict[Address, frozenset[bytes]]:
        """As SvmAdapter, of a swap in this pool."""

    def explain_error(self, program: Address, code: int) -> str | None:
        """As SvmAdapter."""


class SvmWitness(Protocol):
    """Reads of a Solana program that says what a token is worth in another, which no one swap can move. Pure. A module
    that has ``WITNESS`` is one."""

    protocol: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        """Where these pairs are priced."""

    def mean(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        """The pool with ``says`` among its params (what the price is, in words), and whole token1 for one token0.
        ``now``: the chain's own time. Raises MarketError where it does not say."""
