"""Compares two readings of one thing: what suppliers are owed with what is there, counted shares with existing ones,
and whether a Morpho market's collateral has a price. A doubt stops new money and states both numbers."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.protocols.evm.abi import abi, short

OLD_SECONDS = 30 * 86_400
"""A feed that is older than this counts as abandoned: the slowest Chainlink feeds update daily, those of rates
weekly."""
FEEDS = ("BASE_FEED_1", "BASE_FEED_2", "QUOTE_FEED_1", "QUOTE_FEED_2")
VAULTS = ("BASE_VAULT", "QUOTE_VAULT")
"""What a price may be made of beside feeds: the rate at which a vault converts its shares."""
CONSTANT = (Address("0x" + "00" * 20),)
"""In the place of an oracle's feeds: it is made of feeds and vaults, and has none, so that its price never moves."""


def oracle_read(oracle: Address) -> EthCall:
    """The price of a Morpho market's collateral (IOracle.price)."""
    return abi("morpho_oracle").read(oracle, "price", optional=True)


def feeds_reads(oracle: Address) -> list[EthCall]:
    """Reads of what an oracle is made of (MorphoChainlinkOracleV2); other oracles answer nothing."""
    return [abi("morpho_oracle").read(oracle, name, optional=True) for name in (*FEEDS, *VAULTS)]


def feeds_of(answers: Sequence[bytes]) -> tuple[Address, ...]:
    """The feeds' addresses, from the answers to ``feeds_reads``; CONSTANT: it answers all of them, and has neither
    feeds nor vaults."""
    if len(answers) == len(FEEDS) + len(VAULTS) and all(answer == bytes(32) for answer in answers):
        return CONSTANT
    found = (int.from_bytes(answer[:32], "big") for answer in answers[: len(FEEDS)] if len(answer) == 32)
    return tuple(dict.fromkeys(Address(f"0x{address:040x}") for address in found if 0 < address < 2**160))


def feed_reads(feeds: Sequence[Address]) -> list[EthCall]:
    return [abi("morpho_oracle").read(feed, "latestRoundData", optional=True) for feed in feeds]


def unpriced(oracle: Address, price: bytes, feeds: Sequence[Address], rounds: Sequence[bytes], now: int) -> str | None:
    """Why liquidations could not use a price of the market's collateral; None if they can."""
    where = f"its collateral's oracle {short(oracle)}"
    if len(price) < 32:
        return f"{where} answers nothing"
    if not any(price[:32]):
        return f"{where} answers 0"
    if tuple(feeds) == CONSTANT:
        return f"{where} is hard-coded: it has no feed, so its price never moves"
    for feed, data in zip(feeds, rounds, strict=True):
        age = now - int.from_bytes(data[96:128], "big") if len(data) >= 128 else 0
        if age > OLD_SECONDS:
            return f"{where} goes by a feed, {short(feed)}, that last spoke {age / 86_400:z,.0f} days ago"
    return None
