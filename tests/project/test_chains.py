"""chains/*.toml against public lists of addresses (npm packages, ``lists.py``), and their checksums. A row whose
addresses no list has says where they come from (``source``), which ``check`` shows."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from tests.kit import ROOT
from tests.project.lists import NPM, lists
from yieldbot.model.known import MULTICALL3
from yieldbot.model.settings import SAFE_MULTISEND

FILES = sorted((ROOT / "chains").glob("*.toml"))
CHAINS = [path for path in FILES if path.stem != "solana"]
AAVE = {"Aave v3": "", "Aave v3 Prime": "lido", "Aave v3 EtherFi": "etherfi", "Aave v3 Horizon": "horizon"}
"""Our names of Aave's markets, and what the address book adds to the chain's name."""
SPOKE, V4_NAMES = "_TOKENIZATION_SPOKE", {"USDT": {"avalanche": "USDt"}, "WETH": {"avalanche": "WETHe"}}
"""How the address book names Aave v4's tokenization spokes, and symbols that are others there."""
OTHER_DECIMALS = {
    "base": {"0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2": 6, "0x820C137fa70C8691f0e44Dc420a5e53c168921Dc": 18},
    "optimism": {"0x7e7d4467112689329f7E06571eD0E8CbAd4910eE": 18},
}
"""Decimals of tokens that no package lists, by the source in their table."""
PRICED_AS = {"WETH": "ETH", "WBNB": "BNB", "WAVAX": "AVAX", "WPOL": "MATIC", "WXDAI": "DAI", "USDCe": "USDC"} | {
    "BTCB": "BTC",
    "EURe": "EUR",
    "POL": "MATIC",
    "xDAI": "DAI",
    "wS": "S",
    "WMNT": "MNT",
    "WXPL": "XPL",
}
"""What Chainlink's feed of a token is of, where it is not the token's own symbol."""
DOLLARS = {"USDC", "USDCe", "USDT", "DAI", "USDS", "PYUSD", "GHO", "USDe", "FDUSD", "WXDAI", "mUSD"}
SPARK = {  # github.com/sparkdotfi/spark-address-registry, src/SparkLend.sol. Pool, data provider and rewards are the
    # same in github.com/0xVanfer/ethaddr (spark.go), pool, oracle and rewards in Centic-io/defi-state-querier
    # (spark_eth.py), the data provider in rotki/rotki.
    "pool": "0xC13e21B648A5Ee794902342038FF3aDAB66BE987",
    "data_provider": "0xFc21d6d146E6086B8359705C8b28512a983db0cb",
    "oracle": "0x8105f69D9C41644c6A0803fDA7D03Aa70996cFD9",
    "rewards_controller": "0x4370D3b6C9588E02ce9D22e684387859c7Ff5b34",
}


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def number(path: Path) -> str:
    return str(read(path)["chain"]).removeprefix("eip155:")


def addresses(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(r"\b0x[0-9a-fA-F]{40}\b", value)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from addresses(inner)


def others(chain: dict[str, Any]) -> list[Any]:
    return [*chain.get("exchanges", []), *chain.get("registries", [])]


def test_the_chains_are_there() -> None:
    names = {"ethereum", "base", "arbitrum", "optimism", "polygon", "avalanche", "bnb", "gnosis", "unichain", "solana"}
    names |= {"linea", "scroll", "sonic", "mantle", "plasma"}
    assert {path.stem for path in FILES} == names


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_each_address_is_in_a_package_or_its_row_says_where_it_is_from(path: Path) -> None:
    chain, package = read(path), lists()
    known = {address.lower() for address in package["listed"][number(path)]}
    known |= {feed.lower() for feed in addresses(package["chainlink"].get(path.stem, {}))}
    rows = {f"tokens.{name}": table for name, table in chain["tokens"].items()}
    rows |= {f"{table['name']} {i}": table for i, table in enumerate(chain["protocols"] + others(chain))}
    known |= {address.lower() for row in rows.values() if row.get("source") for address in addresses(row)}
    rows |= {
        "the chain": {key: value for key, value in chain.items() if isinstance(value, str) and key != "multicall3"}
    }
    rows |= {"native": chain["native"], "merkl": chain.get("merkl", {})}
    lacking = {name: [a for a in addresses(row) if a.lower() not in known] for name, row in rows.items()}
    assert {name: unknown for name, unknown in lacking.items() if unknown} == {}


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_a_source_is_named_only_where_it_is_needed(path: Path) -> None:
    chain, package = read(path), lists()
    known = {address.lower() for address in package["listed"][number(path)]}
    known |= {feed.lower() for feed in addresses(package["chainlink"].get(path.stem, {}))}
    sourced = [row for row in (*chain["tokens"].values(), *chain["protocols"], *others(chain)) if "source" in row]
    assert [row for row in sourced if all(a.lower() in known for a in addresses(row))] == []


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_aave_addresses_are_the_address_books(path: Path) -> None:
    chain, book = read(path), lists()["aave"]
    tables = [p for p in chain["protocols"] if p["protocol"] == "aave_v3" and p["name"] != "Spark"]
    assert tables or path.stem == "unichain"  # where Aave is not
    by_symbol = {name: token["address"] for name, token in chain["tokens"].items()}
    for table in tables:
        theirs = book[path.stem + AAVE[table["name"]]]
        assert str(theirs["chain"]) == number(path)
        keys = ("pool", "data_provider", "oracle", "rewards_controller")
        assert {k: table[k] for k in keys} == {k: theirs[k] for k in keys}
        assert {by_symbol[name] for name in table["assets"]} <= theirs["decimals"].keys()
    for stata in (p for p in chain["protocols"] if p.get("flavour") == "stata"):
        theirs = book[path.stem]
        assert stata["vaults"] == [theirs["stata"][by_symbol[name]] for name in stata["assets"]]
        assert (stata["pool"], stata["data_provider"]) == (theirs["pool"], theirs["data_provider"])


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_aave_v4_s_tokenization_spokes_are_the_address_books(path: Path) -> None:
    """In the order of the row's assets; the book's names end with the asset's symbol."""
    chain, book = read(path), lists()["aave_v4"].get(path.stem)
    tables = [p for p in chain["protocols"] if p["protocol"] == "aave_v4"]
    assert bool(tables) == bool(book)
    for table in tables:
        hub = table["name"].removeprefix("Aave v4").strip().upper().replace(" ", "_") or "CORE"
        theirs = [book["spokes"][f"{hub}_{V4_NAMES.get(s, {}).get(path.stem, s)}{SPOKE}"] for s in table["assets"]]
        assert table["tokenization_spokes"] == theirs
        assert {chain["tokens"][symbol]["address"] for symbol in table["assets"]} <= set(book["assets"])


def test_spark_is_where_its_registry_says() -> None:
    """No other table lends by Aave's code: what is added is held against a list of its own."""
    tables = [p for path in CHAINS for p in read(path)["protocols"] if p["protocol"] == "aave_v3"]
    (spark,) = (table for table in tables if table["name"] not in AAVE)
    assert spark.pop("name") == "Spark"
    assert {key: spark[key] for key in SPARK} == SPARK
    assert set(spark["assets"]) == {"USDC", "USDT", "DAI", "WETH"}


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_tokens_are_those_of_public_lists(path: Path) -> None:
    chain, package, chain_id = read(path), lists(), number(path)
    uniswap = {t["address"]: t for t in package["tokens"] if str(t["chainId"]) == chain_id}
    known = {address: token["decimals"] for address, token in uniswap.items()} | OTHER_DECIMALS.get(path.stem, {})
    for market in package["aave"].values():
        known |= market["decimals"] if str(market["chain"]) == chain_id else {}
    assert {token["address"]: token["decimals"] for token in chain["tokens"].values()}.items() <= known.items()
    on_chain = {t["address"]: t["symbol"] for t in package["called"] if str(t["chainId"]) == chain_id}
    for name, token in chain["tokens"].items():
        assert on_chain.get(token["address"], name) in (name, *token.get("symbols", ()))
    for name, token in chain["tokens"].items():
        if token["address"] in uniswap:  # USDT0 and DAI.e are what others call the dollars of these names
            called = uniswap[token["address"]]["symbol"].removesuffix("0").removesuffix(".e")
            assert called in (name, {"WPOL": "WMATIC"}.get(name))


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_feeds_are_chainlinks(path: Path) -> None:
    chain, feeds = read(path), lists()["chainlink"].get(path.stem)
    assert {name for name, token in chain["tokens"].items() if token.get("pegged")} <= DOLLARS
    if feeds is None:  # Chainlink's feeds there are in no package
        assert path.stem in ("unichain", "plasma")  # RedStone's, with their source; what Aave's oracle reads
        read_by_aave = lists()["aave"].get(path.stem, {}).get("oracles", {})
        listed = {row["address"]: row["feed"] for row in chain["tokens"].values() if "source" not in row}
        assert listed.items() <= read_by_aave.items() or path.stem == "unichain"
        assert chain["native"]["feed"] in listed.values() or path.stem == "unichain"
        return
    by_pair = {pair.upper().replace("__", "_"): feed for pair, feed in feeds.items()}
    by_pair = {pair.removesuffix("_CALCULATED"): feed for pair, feed in by_pair.items()} | by_pair
    rows = chain["tokens"] | {chain["native"]["symbol"]: chain["native"]}
    for name, row in rows.items():
        unit = row.get("feed_unit", "USD")
        if unit.startswith("0x"):
            assert unit == by_pair["BTC_USD"]
        pair = f"{PRICED_AS.get(name, name).upper()}_{'BTC' if unit.startswith('0x') else PRICED_AS.get(unit, unit)}"
        assert row["feed"] == by_pair[pair], (name, pair)


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_every_address_has_a_right_checksum(path: Path) -> None:
    found = re.findall(r"0x[0-9a-fA-F]{40}\b", path.read_text())
    assert len(found) >= 8
    assert [a for a in found if to_checksum_address(a) != a] == []


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_contracts_that_are_the_same_everywhere_are_there(path: Path) -> None:
    """Multicall3 at its usual address, and Safe's MultiSendCallOnly of 1.4.1 where the chain's Safes use it."""
    chain = read(path)
    assert chain["multicall3"] == MULTICALL3 and "safe_multisend" not in chain
    file = NPM / "@safe-global/safe-deployments/dist/assets/v1.4.1/multi_send_call_only.json"
    lists()
    deployed = json.loads(file.read_text())
    assert "canonical" in deployed["networkAddresses"][number(path)]
    assert deployed["deployments"]["canonical"]["address"] == SAFE_MULTISEND


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_growth_is_read_from_the_token_or_from_chainlinks_exchange_rate_of_it(path: Path) -> None:
    """Staked ether without growth would be held for nothing; each lookback is about a week of the chain's blocks."""
    chain = read(path)
    feeds = {feed: pair.upper() for pair, feed in (lists()["chainlink"].get(path.stem) or {}).items()}
    for name, row in chain["tokens"].items():
        growth = row.get("growth")
        assert (growth is not None) == (name in ("wstETH", "rETH", "weETH", "cbETH")), name
        if growth is not None and growth["call"] == "latestAnswer":
            pair = feeds[growth["contract"]]
            assert pair.startswith(f"{name.upper()}_") and pair.endswith("ETH_EXCHANGE_RATE")
        elif growth is not None:
            assert "contract" not in growth and path.stem == "ethereum"
