"""Incentives paid by Aave's RewardsController and Compound's CometRewards: reads that are made together with a market's
own.

Every read is optional: a reward that cannot be read is flagged, and its market is observed without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.math.aave import RAY
from yieldbot.math.comet import BASE_INDEX_SCALE, CometTotals
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.gas import CLAIMS
from yieldbot.model.ids import Address
from yieldbot.model.market import Market
from yieldbot.model.reads import EthCall
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import abi, checksum, label, short

UNREAD = "rewards-not-read"
BELOW_MINIMUM = "rewards-below-minimum"
MOST = 8
"""Most reward tokens of one market that are read."""
MOST_DECIMALS = 36
FACTOR_SCALE = 10**18
"""Scale of the multiplier that newer CometRewards have as the fourth word of their configuration."""

Found = tuple[tuple[Reward, ...], tuple[str, ...]]
"""Rewards, and flags of the market for what could not be read."""


def _token_reads(token: Address, owner: Address) -> list[EthCall]:
    erc20 = abi("erc20")
    return [
        erc20.read(token, "decimals", optional=True),
        erc20.read(token, "symbol", optional=True),
        erc20.read(token, "balanceOf", owner, optional=True),
    ]


def _token(market: Market, address: Address, answers: Sequence[bytes]) -> Amount:
    """A reward token and our balance of it. Raises ValueError for a token without its standard functions."""
    erc20 = abi("erc20")
    places, name, balance = answers
    decimals = erc20.one("decimals", places)
    if decimals > MOST_DECIMALS:
        raise ValueError(f"{address} has {decimals} decimals")
    symbol = label(name) or short(address)
    return Amount(Token(market.chain, address, symbol, decimals), erc20.one("balanceOf", balance))


def aave_listing(controller: Address, a_token: Address) -> EthCall:
    """The read of an aToken's reward tokens."""
    return abi("aave_rewards").read(controller, "getRewardsByAsset", a_token, optional=True)


def aave_listed(answer: bytes) -> tuple[Address, ...] | None:
    """Addresses of an aToken's reward tokens; None if the controller's answer is malformed."""
    if answer == (32).to_bytes(32, "big") + bytes(32):  # none, recognised without loading a decoder
        return ()
    try:
        return tuple(checksum(each) for each in abi("aave_rewards").one("getRewardsByAsset", answer)[:MOST])
    except Exception:  # a contract may answer anything
        return None


def aave_reads(where: Mapping[str, Any], owner: Address) -> list[list[EthCall]]:
    """Five reads for each reward token in a market's params, for ``aave_rewards``."""
    if not where.get("rewards"):
        return []
    rewards, controller, a_token = abi("aave_rewards"), Address(where["rewards_controller"]), where["a_token"]
    return [
        [
            rewards.read(controller, "getRewardsData", a_token, token, optional=True),
            rewards.read(controller, "getUserRewards", [a_token], owner, token, optional=True),
            *_token_reads(token, owner),
        ]
        for token in where["rewards"]
    ]


def aave_rewards(
    market: Market, answers: Sequence[Sequence[bytes]], scaled_supply_raw: int, index_ray: int, held: int
) -> Found:
    """Rewards from the answers to ``aave_reads``. Emissions are divided by scaled balances
    (RewardsDistributor._getAssetIndex).

    index_ray and held (base units): at the snapshot's block.
    """
    where, rewards, one = market.params, abi("aave_rewards"), market.asset.one
    if where.get("rewards_controller") is None:
        return (), ()
    flags = {UNREAD} if where.get("rewards") is None else set()
    found: list[Reward] = []
    for token, (data, owed, *about) in zip(where.get("rewards") or (), answers, strict=True):
        try:
            wallet = _token(market, token, about)
            _, per_second, _, ends_at = rewards.decode("getRewardsData", data)
            claimable = Amount(wallet.token, rewards.one("getUserRewards", owed))
        except Exception:  # a contract may answer anything
            flags.add(UNREAD)
            continue
        found.append(
            Reward(
                token=wallet.token,
                claimable=claimable,
                in_wallet=wallet,
                raw_per_second=float(per_second),
                ends_at=ends_at,
                others=max(0, scaled_supply_raw * index_ray // RAY - held) / one,
                distributor=where["rewards_controller"],
                gas=CLAIMS["aave_v3"],
            )
        )
    return tuple(found), tuple(sorted(flags))


def aave_claim(market: Market, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
    """Claim all of one reward token, by a function that can only pay the caller."""
    data = abi("aave_rewards").encode(
        "claimRewardsToSelf", [market.params["a_token"]], MAX_UINT256, reward.token.address
    )
    return (EvmCall(reward.distributor, data, 0, _description(market, reward, owner)),)


COMET_TERMS = ("baseTrackingSupplySpeed", "trackingIndexScale", "baseMinForRewards")


def comet_listing(rewards: Address, comet: Address) -> list[EthCall]:
    """Four reads, for ``comet_listed``."""
    read = abi("comet_rewards").read
    return [
        *(read(comet, name, optional=True) for name in COMET_TERMS),
        read(rewards, "rewardConfig", comet, optional=True),
    ]


def comet_listed(rewards: Address, answers: Sequence[bytes]) -> dict[str, Any] | None:
    """The data for a market's params under ``rewards``; None if something does not answer.

    speed and scale: Comet.trackingSupplyIndex grows by speed * seconds * baseScale / totalSupplyBase. multiplier: that
    of newer CometRewards, 1e18 if there is none.
    """
    terms = abi("comet_rewards")
    *about, config = answers
    try:
        speed, scale, least = (terms.one(name, answer) for name, answer in zip(COMET_TERMS, about, strict=True))
        token = terms.one("rewardConfig", config)
    except Exception:  # a contract may answer anything
        return None
    more = config[96:128]
    multiplier = int.from_bytes(more, "big") if len(more) == 32 else FACTOR_SCALE
    if int(token, 16) == 0 or scale == 0:
        return None
    return {
        "distributor": rewards,
        "token": token,
        "speed": speed,
        "scale": scale,
        "least": least,
        "multiplier": multiplier,
    }


def comet_reads(market: Market, owner: Address) -> list[EthCall]:
    """Five reads, for ``comet_rewards``. The last one accrues our account when it is called, so it must come after all
    other reads of the Comet."""
    if (terms := market.params.get("rewards")) is None:
        return []
    rewards, token = terms["distributor"], terms["token"]
    return [
        *_token_reads(token, owner),
        abi("erc20").read(token, "balanceOf", rewards, optional=True),
        abi("comet_rewards").read(rewards, "getRewardOwed", market.address, owner, optional=True),
    ]


def comet_rewards(market: Market, answers: Sequence[bytes], totals: CometTotals, held: int, now: int) -> Found:
    """Rewards from the answers to ``comet_reads``. They are divided by principal (CometCore.updateBaseBalance).

    They last as long as the contract's balance, or for ever if it pays nothing. now: unix seconds; held: base units.
    """
    terms = market.params.get("rewards")
    if terms is None:
        return (), (UNREAD,) if market.params.get("rewards_address") else ()
    *about, funds, claim = answers
    try:
        wallet = _token(market, terms["token"], about)
        funds_raw = abi("erc20").one("balanceOf", funds)
        token, owed = abi("comet_rewards").decode("getRewardOwed", claim)
        if token.lower() != terms["token"].lower():
            raise ValueError("it owes another token than it is configured for")
    except Exception:  # a contract may answer anything
        return (), (UNREAD,)
    # accrued * rescaleFactor: base units of the token, whatever the scale in between
    per_second = terms["speed"] / terms["scale"] * wallet.token.one * terms["multiplier"] / FACTOR_SCALE
    others_principal = totals.supply_principal - held * BASE_INDEX_SCALE // totals.supply_index
    below = others_principal < terms["least"]
    if below:
        per_second = 0.0
    reward = Reward(
        token=wallet.token,
        claimable=Amount(wallet.token, owed),
        in_wallet=wallet,
        raw_per_second=per_second,
        ends_at=now + int(min(funds_raw / per_second, 2**40)) if per_second else None,
        others=max(0, totals.supplied_raw - held) / market.asset.one,
        distributor=terms["distributor"],
        gas=CLAIMS["compound_v3"],
    )
    return (reward,), (BELOW_MINIMUM,) if below and terms["speed"] else ()


def comet_claim(market: Market, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
    """Claim what is owed; it goes to the account that earned it."""
    data = abi("comet_rewards").encode("claim", market.address, owner, True)
    return (EvmCall(reward.distributor, data, 0, _description(market, reward, owner)),)


def _description(market: Market, reward: Reward, owner: Address) -> str:
    return f"claim {reward.claimable} from {market.name} for {short(owner)}"
