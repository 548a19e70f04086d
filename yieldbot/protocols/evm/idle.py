"""The wallet itself as a market: earns nothing, accepts anything, pays at once. Rewards that Merkl owes the wallet are
its rewards."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Kind, Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.merkl import merkl_claim, merkl_targets
from yieldbot.protocols.idle import idle_state


class IdleParams(BaseModel):
    """The wallet has no table of its own."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Idle:
    """Tokens in the wallet."""

    protocol: ClassVar[str] = "idle"
    params: ClassVar[type[BaseModel]] = IdleParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        yield ()
        return tuple(
            Market(
                MarketId(f"idle/{evm_number(token.chain)}/{token.address.lower()}"),
                self.protocol,
                Kind.IDLE,
                token.chain,
                deployment.name,
                token,
                token.address,
            )
            for token in deployment.assets
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        erc20 = abi("erc20")
        (data,) = yield [erc20.read(market.asset.address, "balanceOf", owner)]
        return idle_state(market, block, Amount(market.asset, erc20.one("balanceOf", data)))

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return merkl_claim(reward, owner)

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return merkl_targets(reward)

    def explain_revert(self, data: bytes) -> str | None:
        return None

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return ()

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        return {}


ADAPTER = Idle()
