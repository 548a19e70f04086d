"""What markets are called in a report: cut at the end, with coin and protocol, no two the same."""

from __future__ import annotations

from yieldbot.backtest.trace import market_names
from yieldbot.history.reading import MarketKey


def key(market: str, asset: str = "USDC", protocol: str = "aave_v3") -> MarketKey:
    return MarketKey(chain="eip155:1", market=market, protocol=protocol, asset=asset)


def test_names_are_cut_at_their_end_and_keep_coin_and_protocol() -> None:
    long = "<img src=x onerror=alert(1) innerHTML=1>"
    first, second = market_names([key(f"{long}"), key("another market of a long name")])
    assert first == "USDC aave_v3 <img src=x oner…" and second == "USDC aave_v3 another market…"
    (name,) = market_names([key("m", asset="A" * 60)])
    assert name == "A" * 23 + "… aave_v3"


def test_names_differ_by_what_ids_differ_in() -> None:
    pools = [key("morpho_blue/1/0xaa11"), key("morpho_blue/1/0xbb22")]
    assert market_names(pools) == ("USDC aave_v3 0xaa11", "USDC aave_v3 0xbb22")
    same = [key("x" * 40), key("x" * 41)]
    assert len(set(market_names(same))) == 2 and all("…" in one for one in market_names(same))
    assert market_names([key("m"), key("m", asset="DAI")]) == ("USDC aave_v3", "DAI aave_v3")
