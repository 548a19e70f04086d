"""The ids of chains by the names that recordings use, and addresses of tokens that recordings name only by symbol."""

from __future__ import annotations

from yieldbot.errors import ConfigError
from yieldbot.model.ids import chain_id

ETHEREUM = "eip155:1"
NETWORKS = {
    "ethereum": ETHEREUM,
    "mainnet": ETHEREUM,
    "optimism": "eip155:10",
    "op mainnet": "eip155:10",
    "bnb": "eip155:56",
    "bsc": "eip155:56",
    "binance": "eip155:56",
    "gnosis": "eip155:100",
    "xdai": "eip155:100",
    "polygon": "eip155:137",
    "sonic": "eip155:146",
    "fantom": "eip155:250",
    "zksync": "eip155:324",
    "zksync era": "eip155:324",
    "metis": "eip155:1088",
    "soneium": "eip155:1868",
    "mantle": "eip155:5000",
    "base": "eip155:8453",
    "plasma": "eip155:9745",
    "arbitrum": "eip155:42161",
    "celo": "eip155:42220",
    "avalanche": "eip155:43114",
    "linea": "eip155:59144",
    "ink": "eip155:57073",
    "unichain": "eip155:130",
    "scroll": "eip155:534352",
    "solana": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
}
"""CAIP-2 ids by the names that recordings and the chains' own sites use, in lower case."""

ETHEREUM_TOKENS = {
    "USDC": "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48",
    "USDT": "0xdac17f958d2ee523a2206206994597c13d831ec7",
    "DAI": "0x6b175474e89094c44da98b954eedeac495271d0f",
    "SAI": "0x89d24a6b4ccb1b6faa2625fe562bdd9a23260359",
    "WBTC": "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599",
    "WETH": "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
}
"""Addresses on Ethereum, in lower case, of the symbols in recordings of Ethereum. Source: the issuers' own pages."""

AAVE_V3_POOLS = {
    ETHEREUM: "0x87870bca3f3fd6335c3f4ce8392d69350b4fa4e2",
    "eip155:10": "0x794a61358d6845594f94dc1db02a252b5b4814ad",
    "eip155:137": "0x794a61358d6845594f94dc1db02a252b5b4814ad",
    "eip155:8453": "0xa238dd80c259a72e81d7e4664a9801593f98d1c5",
    "eip155:56": "0x6807dc923806fe8fd134338eabca509979a7e0cb",
    "eip155:100": "0xb50201558b00496a145fe76f7424749556e326d8",
    "eip155:42161": "0x794a61358d6845594f94dc1db02a252b5b4814ad",
    "eip155:43114": "0x794a61358d6845594f94dc1db02a252b5b4814ad",
    "eip155:146": "0x5362dbb1e601abf3a4c14c22ffeda64042e5eaa3",
    "eip155:5000": "0x458f293454fe0d67ec0655f3672301301dd51422",
    "eip155:9745": "0x925a2a7214ed92428b5b1b090f80b25700095e12",
    "eip155:59144": "0xc47b8c00b0f69a36fa203ffeac0334874574a8ac",
    "eip155:534352": "0x11fcfe756c05ad438e312a7fd934381537d3cffe",
}
"""Address of Aave v3's main pool, in lower case, by chain of chains/*.toml; it is part of a market's id."""

DOLLARS = frozenset(
    {
        "USDC",
        "USDT",
        "USDT0",
        "DAI",
        "SAI",
        "USDS",
        "GHO",
        "FRAX",
        "LUSD",
        "USDBC",
        "USDC.E",
        "USDT.E",
        "DAI.E",
        "PYUSD",
        "RLUSD",
        "CRVUSD",
        "USDE",
        "USDTB",
        "FDUSD",
        "USDD",
        "TUSD",
        "USDP",
        "BUSD",
        "GUSD",
        "SUSD",
        "MAI",
        "MIMATIC",
        "AUSD",
        "MUSD",
        "USDG",
        "XDAI",
        "WXDAI",
        "M.USDC",
        "M.USDT",
        "M.DAI",
        "USDM",
    }
)
"""Symbols, in capitals, of tokens pegged to the dollar. If a recording has amounts in dollars only, they are taken
as whole tokens for these assets, and left out for all others."""


def network(text: str) -> str:
    """The CAIP-2 id of a chain from its id, its number or its name. Raises ConfigError for anything else."""
    said = text.strip()
    known = NETWORKS.get(said.lower())
    if known:
        return known
    if said.isascii() and said.isdigit():
        return f"eip155:{int(said)}"
    try:
        if "-" in said.partition(":")[0]:
            raise ValueError("no namespace of a chain has a dash: its folder would be another's")
        return chain_id(said)
    except ValueError:
        raise ConfigError(
            f"{said!r} names no chain that is known: write its CAIP-2 id (eip155:8453), its number, or one of "
            f"{', '.join(sorted(NETWORKS))}"
        ) from None


def is_dollar(symbol: str) -> bool:
    """Whether a symbol names a token that is pegged to the dollar."""
    return symbol.upper().replace("₮", "T") in DOLLARS  # Tether writes its coin USD₮0
