"""What a protocol adapter is. One file per protocol in this folder; discovery is by package listing."""

from __future__ import annotations

from typing import ClassVar, Protocol

from pydantic import BaseModel

from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.market import Deployment, Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.tx import EvmCall


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

    def claim(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        """Calls that claim rewards; empty where there are none."""

    def explain_revert(self, data: bytes) -> str | None:
        """A custom error of the protocol in words, or None when it is not one of its own."""

    def spenders(self, market: Market) -> tuple[Address, ...]:
        """Contracts that may receive an allowance of the asset."""

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        """Contracts and four-byte selectors that the signer may allow for this market."""
