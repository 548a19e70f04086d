"""Incentives that markets pay on top of their yield, and the proofs needed to claim them."""

from __future__ import annotations

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId


@dataclass(frozen=True, slots=True)
class Proof:
    """Merkle proof of one leaf of a distribution tree."""

    total_raw: int
    """Total ever earned, in base units, including what was claimed already."""
    siblings: tuple[bytes, ...]
    """The hashes on the path to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """An incentive that a market pays on top of its yield and that must be claimed."""

    token: Token
    """The token that is paid."""
    claimable: Amount
    """What claiming now would bring us."""
    in_wallet: Amount
    """Our wallet's balance of that token."""
    raw_per_second: float
    """Base units of the token that all depositors together receive each second."""
    ends_at: int | None
    """Unix seconds at which it ends; None: no end known."""
    others: float
    """What all other depositors hold, in the unit by which the reward is divided: whole tokens of the market's
    asset."""
    distributor: Address
    """The contract that is claimed from."""
    gas: int
    """Typical gas of a claim."""
    proof: Proof | None = None
    """The Merkle proof that a claim needs; None: it needs none."""
    price: float | None = None
    """Whole asset tokens for one whole reward token, by the feeds; None without a feed. Set by ``observe``."""
    claim_cost: float = 0.0
    """Cost of a claim now, in whole asset tokens. Set by ``observe``."""

    def claim_id(self, market_id: MarketId) -> MarketId:
        """The id that its claim is journalled under, which is no market's (``is_market``)."""
        return MarketId(f"claim/{market_id}/{self.token.address.lower()}")
