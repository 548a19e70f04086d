"""Prices from feeds with Chainlink's AggregatorV3 interface; flows, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yieldbot.chains.evm.erc20 import DECIMALS
from yieldbot.chains.evm.rollups import NOTHING_BESIDE, TypicalFee
from yieldbot.errors import MarketError
from yieldbot.model import bounds
from yieldbot.model.exchange import Price
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState, Reward
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.settings import Job

LATEST_ROUND_DATA = bytes.fromhex("feaf968c")  # latestRoundData()
GET_ETH_BALANCE = bytes.fromhex("4d2301cc")  # Multicall3.getEthBalance(address)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision needs beside the markets: our native balance, the two prices that turn gas into the asset, and
    ``told``: those of the chain's tokens that have a feed, by token address, for rewards; beside: what transactions
    pay beside their gas."""

    native_balance_wei: int
    native: Price | None
    asset: Price | None
    told: Mapping[Address, Price] = field(default_factory=dict)
    beside: TypicalFee = NOTHING_BESIDE

    def fees(self, base_fee_wei: int, priority_fee_wei: int) -> ChainFees:
        """Gas prices in terms of the asset. Raises MarketError where a feed is missing: gas could not be weighed."""
        if self.native is None or self.asset is None:
            raise MarketError(
                "no price for gas: name a USD feed for the native token and for the asset in chains/*.toml"
            )
        native_price = self.native.usd / self.asset.usd
        return ChainFees(base_fee_wei, priority_fee_wei, native_price, self.beside.tx_wei, self.beside.unit_wei)


NOT_PRICED = "rewards-not-priced"


def priced(state: MarketState, around: Surroundings, fees: ChainFees) -> MarketState:
    """The state with the price of each reward and what claiming it costs; a reward without a feed is flagged. Pure."""
    if not state.rewards:
        return state
    own = around.told.get(state.market.asset.address, around.asset)  # of several assets, gas is in the first one's
    scale = around.asset.usd / own.usd if around.asset is not None and own is not None else 1.0
    rewards = tuple(
        replace(reward, price=_price_of(reward, state, around, own), claim_cost=fees.cost(reward.gas) * scale)
        for reward in state.rewards
    )
    lacks = any(r.price is None and (r.claimable or r.raw_per_second) for r in rewards)
    return replace(state, rewards=rewards, flags=(*state.flags, NOT_PRICED) if lacks else state.flags)


def _price_of(reward: Reward, state: MarketState, around: Surroundings, own: Price | None) -> float | None:
    """Whole asset tokens for one of the reward's; 1 where it is the asset itself."""
    if reward.token == state.market.asset:
        return 1.0
    usd = around.told.get(reward.token.address)
    return usd.usd / own.usd if usd is not None and own is not None else None


def feed_price(address: Address, now: int | None = None) -> Flow[Price]:
    """One feed's price in one round. ``now``: the chain's own time, where it is known. Raises MarketError for an answer
    that is no price: not positive, not finite, of decimals or a time that cannot be.

    Source of the interface: Chainlink AggregatorV3Interface, ``latestRoundData`` words 1 (answer) and 3 (updatedAt).
    """
    decimals, data = yield [EthCall(address, DECIMALS), EthCall(address, LATEST_ROUND_DATA)]
    if len(data) < 160:
        raise MarketError(f"{address} is not a price feed")
    answer = int.from_bytes(data[32:64], "big", signed=True)
    if answer <= 0:
        raise MarketError(f"feed {address} answers {answer}")
    try:
        places = bounds.decimals(int.from_bytes(decimals[-32:], "big"))
        usd = bounds.price(answer / 10**places)
        return Price(usd, bounds.told_at(int.from_bytes(data[96:128], "big"), now))
    except (ValueError, OverflowError) as impossible:
        raise MarketError(f"feed {address}: {impossible}") from None


def native_balance(multicall3: Address, owner: Address) -> Flow[int]:
    """Our native balance in wei, read in the same round as everything else."""
    (data,) = yield [EthCall(multicall3, GET_ETH_BALANCE + bytes(12) + bytes.fromhex(owner[2:]))]
    return int.from_bytes(data[:32], "big")


def decimals_of(token: Address) -> Flow[int]:
    """A token's own word on its decimals (EIP-20), read in the same round as everything else."""
    (data,) = yield [EthCall(token, DECIMALS)]
    try:
        return bounds.decimals(int.from_bytes(data[-32:], "big"))
    except ValueError as impossible:
        raise MarketError(f"{token}: {impossible}") from None


def gas_feeds(job: Job) -> tuple[Address | None, Address | None]:
    """The feed addresses of the job's native token and of its asset."""
    return job.chain.native_feed, job.chain.feeds.get(job.asset.address)
