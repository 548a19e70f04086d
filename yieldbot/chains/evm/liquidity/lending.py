"""What a liquidity position's tokens would earn by lending instead."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.allocator.assess import assess, haircut_bps
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.observe import observe
from yieldbot.errors import ConfigError, MarketError
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind, MarketState, Snapshot, Status
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings, Job, Wallet
from yieldbot.protocols import adapters


@dataclass(frozen=True, slots=True)
class Lending:
    """The lending markets of one token."""

    token: Token
    """The token."""
    snapshot: Snapshot | None
    """Its markets with their costs; None: it has no market, or no feed."""

    def best(self, amount: Amount, horizon_seconds: float, policy: Policy) -> tuple[float, str] | None:
        """(simple annual rate net of the policy's haircut, market's name) of the market that would pay most for
        ``amount``; None if no market takes it."""

        if self.snapshot is None:
            return None
        vetoed = {one.market_id for one in assess(self.snapshot, policy) if one.vetoes}
        rates = []
        for state in self.snapshot.states.values():
            if state.market.kind is Kind.IDLE or state.status is not Status.ACTIVE or state.market.id in vetoed:
                continue
            if state.capacity is not None and not state.capacity:
                continue
            rates.append((_rate(state, amount, horizon_seconds) - haircut_bps(state, policy) / 1e4, state))
        if not rates:
            return None
        rate, state = max(rates, key=lambda one: one[0])
        return rate, state.market.name


def _rate(state: MarketState, amount: Amount, horizon_seconds: float) -> float:
    """The simple annual rate of a market for ``amount``, or for as much of it as the market takes."""
    most = amount if state.capacity is None else min(amount, state.held + state.capacity)
    return state.curve.apr(float(most), horizon_seconds)


async def lending(
    node: Node, chain: ChainSettings, wallet: Wallet, block: BlockRef, tokens: Sequence[Token]
) -> dict[Token, Lending]:
    """The lending markets of each token, at ``block``."""

    found = {}
    for token in tokens:
        snapshot: Snapshot | None = None
        if any(token in deployment.assets for deployment in chain.deployments) and token.address in chain.feeds:
            try:
                snapshot = await observe(node, Job(wallet=wallet, chain=chain, asset=token), adapters(), block)
            except (ConfigError, MarketError):
                snapshot = None
        found[token] = Lending(token, snapshot)
    return found
