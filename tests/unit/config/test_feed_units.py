"""Feeds that count in another token, and rows that no public list has: as a chain's file says them."""

import tomllib

import pytest

from tests.kit import ROOT
from yieldbot.config.chain import load_chain
from yieldbot.errors import ConfigError

FILE = ROOT / "chains" / "ethereum.toml"
WEETH, WBTC = "0x5c9C449BbC9a6075A2c061dF312a35fd1E05fF22", "0xfdFD9C85aD200c506Cf9e21F1FD8dd01932FBB23"
ETH_USD, BTC_USD = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", "0xF4030086522a5bEEa4988F8cA5B36dbC97BeE88c"


def test_a_feeds_unit_is_a_token_of_the_file_or_the_address_of_a_dollar_feed() -> None:
    chain = load_chain(FILE, tomllib.loads(FILE.read_text()), {})
    assert chain.feed_units[WEETH] == ETH_USD and chain.feed_units[WBTC] == BTC_USD  # type: ignore[index]
    assert chain.feeds[chain.tokens["USDC"].address] not in chain.feed_units
    assert "compound-finance/comet" in chain.unlisted["Compound v3"] and "Aave v3" not in chain.unlisted


@pytest.mark.parametrize("unit", ["WETHH", "weETH", "0x12", ETH_USD.lower()])
def test_an_unknown_unit_is_refused_with_its_remedy(unit: str) -> None:
    tables = tomllib.loads(FILE.read_text())
    tables["tokens"]["rETH"]["feed_unit"] = unit
    with pytest.raises(ConfigError, match=r"tokens\.rETH\.feed_unit: .* is not \"USD\", a token here") as refused:
        load_chain(FILE, tables, {})
    assert "\n" not in str(refused.value)
