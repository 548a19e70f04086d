"""chains/*.toml against Aave's own address books and Uniswap's token list (npm packages), and their checksums.

Feeds are Chainlink's, as Aave's book of 2024 named them (later ones name Aave's own adapters over them). What is in
none of these is listed here, with where else it was found.
"""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from tests.kit import ROOT

NPM = ROOT / "node_modules"
BOOK = NPM / "@aave-dao/aave-address-book/dist/AaveAddressBook.mjs"
BOOK_2024 = NPM / "@bgd-labs/aave-address-book/dist/AaveAddressBook.mjs"
UNISWAP = NPM / "@uniswap/default-token-list/build/uniswap-default.tokenlist.json"
FILES = sorted((ROOT / "chains").glob("*.toml"))
CHAINS = [path for path in FILES if path.stem != "solana"]
READ = """
const book = await import(process.argv[1]);
const out = {};
for (const [name, b] of Object.entries(book)) {
  if (name.startsWith('AaveV3') && b.POOL) out[name] = {
    chain: b.CHAIN_ID, pool: b.POOL, data_provider: b.AAVE_PROTOCOL_DATA_PROVIDER, oracle: b.ORACLE,
    rewards_controller: b.DEFAULT_INCENTIVES_CONTROLLER,
    decimals: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.decimals])),
    stata: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.STATA_TOKEN])),
    feeds: Object.fromEntries(Object.values(b.ASSETS).map((a) => [a.UNDERLYING, a.ORACLE])),
  };
}
console.log(JSON.stringify(out));
"""


# USDT: the Superchain token list (github.com/ethereum-optimism/ethereum-optimism.github.io, data/USDT). COMP:
# Compound's own deployments (github.com/compound-finance/comet, deployments/optimism).
OTHER_TOKENS = {
    "base": {"0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2": 6},
    "optimism": {"0x7e7d4467112689329f7E06571eD0E8CbAd4910eE": 18},
}
# WBTC's own feeds, where Aave goes by BTC's, and cbBTC's: Compound's deployments (Arbitrum, Optimism, Polygon, Base).
# DAI and USDT on Base, COMP: Chainlink's directory (reference-data-directory.vercel.app).
OTHER_FEEDS = {
    "ethereum": {"COMP": "0xdbd020CAeF83eFd542f4De03e3cF0C28A4428bd5"},
    "base": {
        "USDT": "0xf19d560eB8d2ADf07BD6D13ed03e1D11215721F9",
        "DAI": "0x591e79239a7d679378eC8c847e5038150364C78F",
        "cbBTC": "0x07DA0E54543a844a80ABE69c8A12F22B3aA59f9D",
        "COMP": "0x9DDa783DE64A9d1A60c49ca761EbE528C35BA428",
    },
    "arbitrum": {
        "WBTC": "0xd0C7101eACbB49F3deCcCc166d238410D6D46d57",
        "COMP": "0xe7C53FFd03Eb6ceF7d208bC4C13446c76d1E5884",
    },
    "optimism": {
        "WBTC": "0x718A5788b89454aAE3A028AE9c111A29Be6c2a6F",
        "COMP": "0xe1011160d78a80E2eEBD60C228EEf7af4Dfcd4d7",
    },
    "polygon": {"WBTC": "0xDE31F8bFBD8c84b5360CFACCa3539B938dd78ae6"},
    "avalanche": {},
}
DOLLARS = {"USDC", "USDT", "DAI"}
# Spark's own registry (github.com/sparkdotfi/spark-address-registry, src/SparkLend.sol). Pool, data provider and
# rewards are the same in github.com/0xVanfer/ethaddr (spark.go), pool, oracle and rewards in
# Centic-io/defi-state-querier (spark_eth.py), the data provider in rotki/rotki.
SPARK = {
    "pool": "0xC13e21B648A5Ee794902342038FF3aDAB66BE987",
    "data_provider": "0xFc21d6d146E6086B8359705C8b28512a983db0cb",
    "oracle": "0x8105f69D9C41644c6A0803fDA7D03Aa70996cFD9",
    "rewards_controller": "0x4370D3b6C9588E02ce9D22e684387859c7Ff5b34",
}


def aave_of(chain: dict[str, Any]) -> dict[str, Any]:
    """The table of Aave's own pool."""
    (aave,) = (p for p in chain["protocols"] if p["name"] == "Aave v3")
    return dict(aave)


def read_book(path: Path) -> dict[str, dict[str, Any]]:
    node = shutil.which("node")
    if node is None or not path.is_file():
        pytest.skip(f"node or the npm package of {path.parent.parent.name} is not installed: run scripts/test")
    done = subprocess.run(
        [node, "--input-type=module", "-e", READ, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def book() -> dict[str, dict[str, Any]]:
    return read_book(BOOK)


@pytest.fixture(scope="module")
def book_2024() -> dict[str, dict[str, Any]]:
    return read_book(BOOK_2024)


@pytest.fixture(scope="module")
def called() -> list[dict[str, Any]]:
    """Aave's token list: what contracts call themselves."""
    file = BOOK.parent.parent / "tokenlist.json"
    if not file.is_file():
        pytest.skip("the npm package @aave-dao/aave-address-book is not installed: run scripts/test")
    return json.loads(file.read_text())["tokens"]


@pytest.fixture(scope="module")
def listed() -> dict[int, dict[str, tuple[str, int]]]:
    """By chain and address: symbol and decimals, by Uniswap's list."""
    if not UNISWAP.is_file():
        pytest.skip("the npm package @uniswap/default-token-list is not installed: run scripts/test")
    found: dict[int, dict[str, tuple[str, int]]] = {}
    for token in json.loads(UNISWAP.read_text())["tokens"]:
        found.setdefault(token["chainId"], {})[token["address"]] = (token["symbol"], token["decimals"])
    return found


def test_the_seven_chains_are_there() -> None:
    names = {"ethereum", "base", "arbitrum", "optimism", "polygon", "avalanche", "solana"}
    assert {path.stem for path in FILES} == names


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_aave_addresses_are_the_address_books(path: Path, book: dict[str, dict[str, Any]]) -> None:
    chain = tomllib.loads(path.read_text())
    theirs = book[f"AaveV3{path.stem.capitalize()}"]
    assert chain["chain"] == f"eip155:{theirs['chain']}"
    aave = aave_of(chain)
    keys = ("pool", "data_provider", "oracle", "rewards_controller")
    assert {k: aave[k] for k in keys} == {k: theirs[k] for k in keys}
    (stata,) = (p for p in chain["protocols"] if p.get("flavour") == "stata")
    assert stata["vaults"] == [theirs["stata"][chain["tokens"]["USDC"]["address"]]]
    assert (stata["pool"], stata["data_provider"]) == (theirs["pool"], theirs["data_provider"])


def test_spark_is_where_its_registry_says() -> None:
    """No other table lends by Aave's code: what is added is held against a list of its own."""
    tables = [p for path in CHAINS for p in tomllib.loads(path.read_text())["protocols"] if p["protocol"] == "aave_v3"]
    (spark,) = (table for table in tables if table["name"] != "Aave v3")
    assert spark.pop("name") == "Spark"
    assert {key: spark[key] for key in SPARK} == SPARK
    assert set(spark["assets"]) == {"USDC", "USDT", "DAI", "WETH"}


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_tokens_are_those_of_public_lists(
    path: Path,
    book: dict[str, dict[str, Any]],
    called: list[dict[str, Any]],
    listed: dict[int, dict[str, tuple[str, int]]],
) -> None:
    theirs, chain = book[f"AaveV3{path.stem.capitalize()}"], tomllib.loads(path.read_text())
    uniswap = listed[theirs["chain"]]
    known = {address: decimals for address, (_, decimals) in uniswap.items()}
    known |= OTHER_TOKENS.get(path.stem, {}) | theirs["decimals"]
    ours = {token["address"]: token["decimals"] for token in chain["tokens"].values()}
    assert ours.items() <= known.items()
    on_chain = {token["address"]: token["symbol"] for token in called if token["chainId"] == theirs["chain"]}
    for name, token in chain["tokens"].items():
        assert on_chain.get(token["address"], name) in (name, *token.get("symbols", ()))
    for name, token in chain["tokens"].items():
        if token["address"] in uniswap:  # USDT0 and DAI.e are what others call the dollars of these names
            assert uniswap[token["address"]][0].removesuffix("0").removesuffix(".e") in (
                name,
                {"WPOL": "WMATIC"}.get(name),
            )
    aave = aave_of(chain)
    assert {chain["tokens"][name]["address"] for name in aave["assets"]} <= theirs["decimals"].keys()


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_feeds_are_chainlinks(path: Path, book_2024: dict[str, dict[str, Any]]) -> None:
    feeds, chain = book_2024[f"AaveV3{path.stem.capitalize()}"]["feeds"], tomllib.loads(path.read_text())
    tokens, others = chain["tokens"], OTHER_FEEDS[path.stem]
    known = {name: feeds[token["address"]] for name, token in tokens.items() if name not in others}
    assert {name: token["feed"] for name, token in tokens.items()} == known | others
    wrapped = {"POL": "WPOL", "AVAX": "WAVAX", "ETH": "WETH"}[chain["native"]["symbol"]]
    assert chain["native"]["feed"] == tokens[wrapped]["feed"]
    assert {name for name, token in tokens.items() if token.get("pegged")} == DOLLARS


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_every_address_has_a_right_checksum(path: Path) -> None:
    found = re.findall(r"0x[0-9a-fA-F]{40}\b", path.read_text())
    assert len(found) >= 8
    assert [a for a in found if to_checksum_address(a) != a] == []
