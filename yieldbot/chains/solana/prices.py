"""Prices of Pyth's price accounts on Solana. Flows, no I/O."""

from __future__ import annotations

import struct

from yieldbot.errors import MarketError
from yieldbot.model import bounds
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols.solana.layout import key_bytes

PYTH_RECEIVER = Address("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ")
PRICE_UPDATE_V2 = bytes.fromhex("22f123639d7ef4cd")
"""sha256("account:PriceUpdateV2")[:8], Anchor's discriminator."""
FULL = 1
"""VerificationLevel::Full: signed by a quorum of Wormhole's guardians. Its enum takes one byte, Partial two."""
AUTHORITY_AT, LEVEL_AT, PRICE_AT = 8, 40, 73
"""Offsets: discriminator 8 bytes, write_authority 32 (a feed's account is its own authority, so only Pyth's push oracle
can write it: pyth-push-oracle, update_price_feed), verification_level 1, feed_id 32; then price i64, conf u64, exponent
i32, publish_time i64 (pyth-solana-receiver-sdk price_update.rs, borsh)."""
OLDEST_SECONDS = 86_400
"""A price older than this is refused."""
MOST_UNCERTAIN = 0.05
"""A price is refused if half of its confidence interval exceeds this fraction of it."""


def feed_price(address: Address, now: int) -> Flow[Price]:
    """A feed's price, in one round. now: the chain's own time. Raises MarketError for an account that is not a Pyth
    price account, that others can write, or whose price is not fully verified, older than a day, not positive or too
    uncertain."""
    (data,) = yield [SvmAccount(address, PYTH_RECEIVER)]
    if len(data) < PRICE_AT + 28 or data[:8] != PRICE_UPDATE_V2:
        raise MarketError(f"{address} is no Pyth price account")
    if data[AUTHORITY_AT : AUTHORITY_AT + 32] != key_bytes(address):
        raise MarketError(f"{address} is no feed's own account: who holds it may write any feed's price there")
    if data[LEVEL_AT] != FULL:
        raise MarketError(f"Pyth price account {address} is not fully verified")
    price, confidence, exponent, published_at = struct.unpack_from("<qQiq", data, PRICE_AT)
    if price <= 0 or not -18 <= exponent <= 18 or confidence > MOST_UNCERTAIN * price:
        raise MarketError(f"Pyth price account {address} says {price} +- {confidence} e{exponent}")
    if now - published_at > OLDEST_SECONDS:
        raise MarketError(f"Pyth price account {address} was last written {(now - published_at) / 3600:z.0f} h ago")
    try:
        return Price(bounds.price(price * 10.0**exponent), bounds.feed_time(published_at, now), confidence / price)
    except ValueError as impossible:
        raise MarketError(f"Pyth price account {address}: {impossible}") from None
