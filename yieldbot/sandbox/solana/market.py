"""The Solana sandbox's market: SPL mints, price accounts, and doubles of lending programs. All of it is play money."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from functools import partial

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.prices import FULL, PRICE_AT, PRICE_UPDATE_V2, PYTH_RECEIVER
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, SYSTEM_PROGRAM, ata, key_bytes
from yieldbot.sandbox.solana.cluster import Cluster
from yieldbot.sandbox.solana.exchanges import Pair, Published
from yieldbot.sandbox.solana.exchanges import found as exchanges
from yieldbot.sandbox.solana.images import Images, image, mint, named, token_account
from yieldbot.sandbox.solana.protocols import Row, Setting, found
from yieldbot.sandbox.solana.protocols.spl_stake_pool import GROWTH_PPB, pool_token

USDC_DECIMALS, SOL_DECIMALS = 6, 9
IDLE_USDC, IDLE_LAMPORTS = 100_000, 25 * 10**9
PRICE_EXPONENT = -8
PLACES = ("reserves", "banks", "pools")
"""The keys under which a protocol's row lists its markets."""

STANDARD = ("kamino_lend", "marginfi", "save", "spl_stake_pool")
"""The protocols of the sandbox that runs by itself. Tests ask for others by name, so that starting it compiles no
more."""
PRICES = {"SOL": 150.0, "USDC": 1.0, "USDT": 1.0, "stSOL": 177.0}
"""Prices in US dollars that the sandbox's price accounts always state."""
PEGGED = ("USDC", "USDT")
SLOT_SECONDS = 0.4
STAKED_KEPT = 0.945
"""The fraction of the stake's growth that the pool token keeps, after the manager's fee and the unstaked reserve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SvmMarket:
    """Everything that the Solana sandbox holds at its first slot."""

    usdc: Token
    """The USDC double."""
    sol: Token
    """Wrapped SOL."""
    feeds: dict[str, Address]
    """Price accounts by the token's symbol."""
    rows: tuple[Row, ...]
    """Rows of [[protocols]]."""
    images: Images
    """All accounts."""
    each_epoch: tuple[Callable[[Cluster], None], ...]
    """Functions that are called when an epoch begins."""
    tokens: tuple[Token, ...]
    """Every token."""
    exchanges: tuple[Row, ...]
    """Rows of [[exchanges]]."""
    oracles: tuple[Row, ...]
    """Rows of [[witnesses]]: price oracles."""
    published: Published
    """Accounts that are rewritten at every slot."""
    addresses: Mapping[str, str]
    """The exchanges' accounts by name."""


def market(
    chain: ChainId, slot: int, timestamp: int, owner: Address, protocols: Collection[str] = STANDARD
) -> SvmMarket:
    """Every account of the sandbox at its first slot, our wallet's included. protocols: which of ``found()`` it has."""
    usdc = Token(chain, named("sandbox", "USDC"), "USDC", USDC_DECIMALS)
    sol = Token(chain, WRAPPED_SOL, "SOL", SOL_DECIMALS)
    usdt = Token(chain, named("sandbox", "USDT"), "USDT", USDC_DECIMALS)
    stsol = Token(chain, pool_token(), "stSOL", SOL_DECIMALS)
    feeds = {symbol: named("sandbox", f"{symbol}/USD") for symbol in PRICES}
    images: Images = {
        usdc.address: mint(named("sandbox", "mint authority"), 10**18, USDC_DECIMALS),
        usdt.address: mint(named("sandbox", "mint authority"), 10**18, USDC_DECIMALS),
        WRAPPED_SOL: mint(None, 0, SOL_DECIMALS),
        **{feed: price_account(feed, PRICES[symbol], timestamp) for symbol, feed in feeds.items()},
        owner: AccountImage(IDLE_LAMPORTS, SYSTEM_PROGRAM, b""),
        ata(owner, usdc.address): token_account(usdc.address, owner, IDLE_USDC * usdc.one),
    }
    by_symbol = {token.symbol: token for token in (usdc, usdt, sol, stsol)}
    wanted = [one for one in found() if one.protocol in protocols]
    placed = [one.place(Setting(slot=slot, timestamp=timestamp, tokens=by_symbol)) for one in wanted]
    for one in placed:
        images |= one.images
    pairs = (
        Pair(one=usdc, other=usdt, price=1.0, depth=4_000_000.0, fee_pips=100, spacing=1),
        Pair(one=sol, other=usdc, price=PRICES["SOL"], depth=6_000_000.0, fee_pips=400, spacing=4),
        Pair(
            one=stsol,
            other=sol,
            price=PRICES["stSOL"] / PRICES["SOL"],
            depth=60_000.0,
            fee_pips=100,
            spacing=1,
            rated=True,
        ),
    )
    listed = [one.place(pairs) for one in exchanges()]
    for exchange in listed:
        images |= exchange.images
    published = {
        feed: partial(price_account, feed, PRICES[symbol]) for symbol, feed in feeds.items() if symbol != "stSOL"
    }
    published[feeds["stSOL"]] = partial(staked_price, feeds["stSOL"], GROWTH_PPB, timestamp)
    each_epoch = tuple(act for one in placed for act in one.each_epoch)
    return SvmMarket(
        usdc=usdc,
        sol=sol,
        feeds=feeds,
        rows=tuple({"assets": ["USDC"], **row} for one in placed for row in one.rows),
        images=images,
        each_epoch=each_epoch,
        tokens=tuple(by_symbol.values()),
        exchanges=tuple(row for exchange in listed for row in exchange.exchanges),
        oracles=(
            *(row for exchange in listed for row in exchange.oracles),
            *(row for one in placed for row in one.oracles),
        ),
        published={**published, **{at: made for exchange in listed for at, made in exchange.published.items()}},
        addresses={name: at for exchange in listed for name, at in exchange.addresses.items()},
    )


def price_account(feed: Address, usd: float, published_at: int, unsure: float = 0.0005) -> AccountImage:
    """A fully verified Pyth price account (layout: chains/solana/prices.py). unsure: half of its confidence interval,
    as a fraction of the price."""
    data = bytearray(134)
    data[:8] = PRICE_UPDATE_V2
    data[8:40] = key_bytes(feed)
    data[40] = FULL
    price = round(usd * 10**-PRICE_EXPONENT)
    struct.pack_into("<qQiq", data, PRICE_AT, price, round(price * unsure), PRICE_EXPONENT, published_at)
    return image(PYTH_RECEIVER, bytes(data))


def staked_price(feed: Address, growth_ppb: int, began: int, now: int) -> AccountImage:
    """The price account of staked SOL, whose price rises in each epoch about as much as the pool's stake grows."""
    epochs = max(0, int((now - began) / (SLOTS_PER_EPOCH * SLOT_SECONDS)))
    return price_account(feed, PRICES["stSOL"] * (1.0 + growth_ppb / 10**9 * STAKED_KEPT) ** epochs, now)


def chain_toml(name: str, rpc_env: str, chain: ChainId, found: SvmMarket) -> str:
    """chains/<name>.toml: the same format as a real cluster's."""
    lines = [
        f'name = "{name}"',
        f'chain = "{chain}"',
        f'rpc_env = "{rpc_env}"',
        'finality = "finalized"',
        "poll_seconds = 0.1",
        "confirm_timeout_seconds = 90",
        "",
        "[native]",
        'symbol = "SOL"',
        f'feed = "{found.feeds["SOL"]}"',
    ]
    for token in found.tokens:
        lines += ["", f"[tokens.{token.symbol}]", f'address = "{token.address}"', f"decimals = {token.decimals}"]
        if token != found.sol:
            lines.append(f'feed = "{found.feeds[token.symbol]}"')
        if token.symbol in PEGGED:
            lines.append("pegged = true")
    tables = {"protocols": found.rows, "exchanges": found.exchanges, "witnesses": found.oracles}
    for table, rows in tables.items():
        for row in rows:
            lines += ["", f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'
