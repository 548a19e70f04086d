"""What two tokens of a position would earn lent out instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.market import Kind, MarketState, Snapshot, Status
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings, Wallet
from yieldbot.protocols import adapters


@dataclass(frozen=True, slots=True)
class Lending:
    """The markets that a token could be in instead, with what gas costs it."""

    token: Token
    snapshot: Snapshot | None

    def best(self, amount: Amount, horizon_seconds: float, policy: Policy) -> tuple[float, str] | None:
        """The highest simple rate a year that this much would earn, net of the policy's haircut, and where; None where
        no market takes it."""
        from yieldbot.allocator.assess import assess, haircut_bps

        if self.snapshot is None:
            return None
        vetoed = {one.market_id for one in assess(self.snapshot, policy) if one.vetoes}
        rates = []
        for state in self.snapshot.states.values():
            if state.market.kind is Kind.IDLE or state.status is not Status.ACTIVE or state.market.id in vetoed:
                continue
            if state.capacity is not None and not state.capacity:
                continue
            rates.append((_rate(state, amount, horizon_seconds) - haircut_bps(state.market, policy) / 1e4, state))
        if not rates:
            return None
        rate, state = max(rates, key=lambda one: one[0])
        return rate, state.market.name


def _rate(state: MarketState, amount: Amount, horizon_seconds: float) -> float:
    most = amount if state.capacity is None else min(amount, state.held + state.capacity)
    return state.curve.apr(float(most), horizon_seconds)


async def lending(
    node: Node, chain: ChainSettings, wallet: Wallet, block: BlockRef, tokens: Sequence[Token]
) -> dict[Token, Lending]:
    """What there is for each of these tokens, at the same block. A token without a market or a feed has none."""
    from yieldbot.chains.evm.observe import observe
    from yieldbot.errors import ConfigError
    from yieldbot.model.settings import Job

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
