"""chains/*.toml against Aave's own address book (an npm package), and their checksums."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "node_modules/@aave-dao/aave-address-book/dist/AaveAddressBook.mjs"
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
  };
}
console.log(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def book() -> dict[str, dict[str, Any]]:
    node = shutil.which("node")
    if node is None or not BOOK.is_file():
        pytest.skip("node or the npm package @aave-dao/aave-address-book is not installed: run scripts/test")
    done = subprocess.run(
        [node, "--input-type=module", "-e", READ, str(BOOK)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_the_seven_chains_are_there() -> None:
    names = {"ethereum", "base", "arbitrum", "optimism", "polygon", "avalanche", "solana"}
    assert {path.stem for path in FILES} == names


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_aave_addresses_are_the_address_books(path: Path, book: dict[str, dict[str, Any]]) -> None:
    chain = tomllib.loads(path.read_text())
    theirs = book[f"AaveV3{path.stem.capitalize()}"]
    assert chain["chain"] == f"eip155:{theirs['chain']}"
    (aave,) = (p for p in chain["protocols"] if p["protocol"] == "aave_v3")
    keys = ("pool", "data_provider", "oracle", "rewards_controller")
    assert {k: aave[k] for k in keys} == {k: theirs[k] for k in keys}
    (stata,) = (p for p in chain["protocols"] if p.get("flavour") == "stata")
    assert stata["vaults"] == [theirs["stata"][chain["tokens"]["USDC"]["address"]]]
    assert (stata["pool"], stata["data_provider"]) == (theirs["pool"], theirs["data_provider"])


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_tokens_are_the_address_books(path: Path, book: dict[str, dict[str, Any]]) -> None:
    theirs = book[f"AaveV3{path.stem.capitalize()}"]["decimals"]
    tokens = tomllib.loads(path.read_text())["tokens"].values()
    assert {token["address"]: token["decimals"] for token in tokens}.items() <= theirs.items()


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.stem)
def test_every_address_has_a_right_checksum(path: Path) -> None:
    found = re.findall(r"0x[0-9a-fA-F]{40}\b", path.read_text())
    assert len(found) >= 8
    assert [a for a in found if to_checksum_address(a) != a] == []
