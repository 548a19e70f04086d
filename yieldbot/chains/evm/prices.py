"""Prices of feeds with Chainlink's AggregatorV3 interface. Flows, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from yieldbot.chains.evm.erc20 import DECIMALS
from yieldbot.chains.evm.rollups import NOTHING_BESIDE, TypicalFee
from yieldbot.errors import MarketError
from yieldbot.model import bounds
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Price
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.settings import Job

LATEST_ROUND_DATA = bytes.fromhex("feaf968c")  # latestRoundData()
GET_ETH_BALANCE = bytes.fromhex("4d2301cc")  # Multicall3.getEthBalance(address)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Balances, prices and fees that a decision needs in addition to the markets."""

    native_balance_wei: int
    """Our native balance."""
    native: Price | None
    """The native token's US dollar price; None: it has no feed."""
    asset: Price | None
    """The US dollar price of the job's first asset; None: it has no feed."""
    usd: Mapping[Address, Price] = field(default_factory=dict)
    """US dollar prices by token address, for those of the chain's tokens that have a feed; used to value rewards."""
    beside: TypicalFee = NOTHING_BESIDE
    """What transactions pay in addition to their gas."""

    def fees(self, base_fee_wei: int, priority_fee_wei: int) -> ChainFees:
        """Gas prices in terms of the first asset. Raises MarketError if a feed is missing, so that gas has no price."""
        if self.native is None or self.asset is None:
            raise MarketError(
                "no price for gas: name a USD feed for the native token and for the asset in chains/*.toml"
            )
        native_price = self.native.usd / self.asset.usd
        unit_wei = self.beside.of_unit(base_fee_wei + priority_fee_wei)
        return ChainFees(base_fee_wei, priority_fee_wei, native_price, self.beside.tx_wei, unit_wei)


NOT_PRICED = "rewards-not-priced"


def priced(state: MarketState, around: Surroundings, fees: ChainFees) -> MarketState:
    """The state with the price of each reward and the cost of claiming it; flagged if a reward has no feed. Pure."""
    if not state.rewards:
        return state
    own = around.usd.get(state.market.asset.address, around.asset)  # of several assets, gas is in the first one's
    scale = around.asset.usd / own.usd if around.asset is not None and own is not None else 1.0
    rewards = tuple(
        replace(reward, price=_price_of(reward, state, around, own), claim_cost=fees.cost(reward.gas) * scale)
        for reward in state.rewards
    )
    lacks = any(r.price is None and (r.claimable or r.raw_per_second) for r in rewards)
    return replace(state, rewards=rewards, flags=(*state.flags, NOT_PRICED) if lacks else state.flags)


def _price_of(reward: Reward, state: MarketState, around: Surroundings, own: Price | None) -> float | None:
    """Whole asset tokens for one whole reward token; 1 if it is the asset itself; None if it has no feed."""
    if reward.token == state.market.asset:
        return 1.0
    usd = around.usd.get(reward.token.address)
    return usd.usd / own.usd if usd is not None and own is not None else None


def feed_price(address: Address, now: int | None = None, unit: Address | None = None) -> Flow[Price]:
    """A feed's price in US dollars, in one round. now: the chain's own time, if known. unit: the dollar feed of the
    token that the feed counts in; None: it counts in dollars. The older of two feeds is the price's time. Raises
    MarketError for an impossible price, decimals or time (``model/bounds.py``).

    Source: Chainlink AggregatorV3Interface, ``latestRoundData`` words 1 (answer) and 3 (updatedAt).
    """
    named = (address,) if unit is None else (address, unit)
    answers = yield [EthCall(feed, data) for feed in named for data in (DECIMALS, LATEST_ROUND_DATA)]
    price, *others = (_parsed(feed, answers[2 * i], answers[2 * i + 1], now) for i, feed in enumerate(named))
    for other in others:
        try:
            usd = bounds.price(price.usd * other.usd)
        except (ValueError, OverflowError) as impossible:
            raise MarketError(f"feed {address} by {unit}: {impossible}") from None
        price = Price(usd, min(price.updated_at, other.updated_at))
    return price


def _parsed(address: Address, decimals: bytes, data: bytes, now: int | None) -> Price:
    """One feed's price in its own unit. Raises MarketError."""
    if len(data) < 160:
        raise MarketError(f"{address} is not a price feed")
    answer = int.from_bytes(data[32:64], "big", signed=True)
    if answer <= 0:
        raise MarketError(f"feed {address} answers {answer}")
    try:
        places = bounds.decimals(int.from_bytes(decimals[-32:], "big"))
        usd = bounds.price(answer / 10**places)
        return Price(usd, bounds.feed_time(int.from_bytes(data[96:128], "big"), now))
    except (ValueError, OverflowError) as impossible:
        raise MarketError(f"feed {address}: {impossible}") from None


def native_balance(multicall3: Address, owner: Address) -> Flow[int]:
    """Our native balance in wei, in one round (Multicall3.getEthBalance)."""
    (data,) = yield [EthCall(multicall3, GET_ETH_BALANCE + bytes(12) + bytes.fromhex(owner[2:]))]
    return int.from_bytes(data[:32], "big")


def decimals_of(token: Address) -> Flow[int]:
    """A token's decimals (EIP-20), in one round. Raises MarketError for an impossible number."""
    (data,) = yield [EthCall(token, DECIMALS)]
    try:
        return bounds.decimals(int.from_bytes(data[-32:], "big"))
    except ValueError as impossible:
        raise MarketError(f"{token}: {impossible}") from None


def gas_feeds(job: Job) -> tuple[Address | None, Address | None]:
    """Feed addresses of the chain's native token and of the job's first asset."""
    return job.chain.native_feed, job.chain.feeds.get(job.asset.address)
