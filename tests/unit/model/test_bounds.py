"""Numbers from outside are bounded before anything is computed with them: what cannot be ends its feed or market."""

from __future__ import annotations

import struct
import time
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.chains.evm.execution.confirm import gas_used_of
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.prices import decimals_of, feed_price
from yieldbot.chains.solana.prices import LEVEL_AT, PRICE_UPDATE_V2
from yieldbot.chains.solana.prices import feed_price as pyth_price
from yieldbot.errors import MarketError, TransientError
from yieldbot.model import bounds
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address, ChainId
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.solana.layout import key_bytes

FEED, NOW = Address("0x" + "22" * 20), 1_700_000_000
CHAIN = ChainId("eip155:31337")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def answered(flow: Generator[Any, Any, Any], *answers: bytes) -> Any:
    next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send(list(answers))
    return done.value.value


def rounds(answer: int, updated_at: int) -> bytes:
    return b"".join(map(word, (1, answer, updated_at, updated_at, 1)))


def test_a_feed_is_read() -> None:
    assert answered(feed_price(FEED, NOW), word(8), rounds(300_000_000_000, NOW - 5)) == Price(3000.0, NOW - 5)


def test_a_feed_that_counts_in_another_token_is_multiplied_by_that_tokens_feed() -> None:
    """1.25 ETH for one token at 3,000 dollars; the older of both is the price's time, and one that fails fails both."""
    flow = feed_price(FEED, NOW, Address("0x" + "33" * 20))
    ratio = (word(18), rounds(125 * 10**16, NOW - 60))
    assert answered(flow, *ratio, word(8), rounds(300_000_000_000, NOW - 5)) == Price(3750.0, NOW - 60)
    for bad in (rounds(0, NOW), b"", rounds(2**254, NOW)):
        flow = feed_price(FEED, NOW, Address("0x" + "33" * 20))
        next(flow)
        with pytest.raises(MarketError):
            flow.send([*ratio, word(8), bad])


@pytest.mark.parametrize(
    ("places", "answer", "updated_at", "said"),
    [
        (2**30, 10**8, NOW, "1073741824 decimals cannot be"),
        (300, 10**8, NOW, "300 decimals cannot be"),
        (2**255, 10**8, NOW, r"about 2\^255 decimals cannot be"),
        (8, 2**254, NOW, "US dollars cannot be"),
        (36, 1, NOW, "US dollars cannot be"),
        (8, 10**8, 0, "which is no time"),
        (8, 10**8, 2**200, "which is no time"),
        (8, 10**8, NOW + 7200, "after the chain's own time"),
    ],
)
def test_a_feed_that_cannot_be_is_an_error_at_once(places: int, answer: int, updated_at: int, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(MarketError, match=said):
        answered(feed_price(FEED, NOW), word(places), rounds(answer, updated_at))
    assert time.monotonic() - began < 1.0


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_no_feed_gives_a_price_that_cannot_be(places: int, answer: int, updated_at: int) -> None:
    flow = feed_price(FEED, NOW)
    next(flow)
    try:
        flow.send([word(places), rounds(answer, updated_at)])
    except StopIteration as done:
        assert bounds.LEAST_PRICE <= done.value.usd <= bounds.MOST_PRICE and done.value.updated_at <= NOW + 3600
    except MarketError:
        pass


def pyth(price: int, exponent: int, published_at: int) -> bytes:
    address = Address("11111111111111111111111111111111")
    data = bytearray(PRICE_UPDATE_V2 + key_bytes(address) + bytes(133))
    data[LEVEL_AT] = 1
    struct.pack_into("<qQiq", data, 73, price, 0, exponent, published_at)
    return bytes(data)


def test_a_pyth_account_that_cannot_be_is_an_error() -> None:
    address = Address("11111111111111111111111111111111")
    assert answered(pyth_price(address, NOW), pyth(15_000_000_000, -8, NOW)).usd == pytest.approx(150.0)
    for price, exponent, at in ((2**62, 18, NOW), (1, -18, NOW), (10**10, -8, NOW + 7200), (10**10, -8, 2**62)):
        with pytest.raises(MarketError, match=r"cannot be|no time|own time"):
            answered(pyth_price(address, NOW), pyth(price, exponent, at))


@pytest.mark.parametrize("places", [37, 255, 2**30, 2**255])
def test_a_token_of_decimals_that_cannot_be_is_a_markets_error(places: int) -> None:
    with pytest.raises(MarketError, match="decimals cannot be"):
        answered(decimals_of(FEED), word(places))
    with pytest.raises(ValueError, match=r"cannot be|fit|range|uint8"):
        abi("erc20").one("decimals", word(places))


class Wire:
    """A labelled double of a node that answers one thing."""

    def __init__(self, result: Any) -> None:
        self.result = result

    async def make_request(self, method: str, params: list[Any]) -> Any:
        return {"result": self.result}

    async def disconnect(self) -> None: ...


def told(result: Any) -> Node:
    node = Node(CHAIN, "http://node.example", multicall3=FEED, timeout_seconds=1.0)
    node.endpoint._provider = Wire(result)
    return node


BLOCK = {"number": "0x7", "hash": "0x" + "ab" * 32, "timestamp": hex(NOW), "baseFeePerGas": "0x1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": hex(2**64)},
        {"timestamp": hex(2**60)},
        {"baseFeePerGas": hex(2**200)},
        {"number": "0x" + "f" * 10_000},
        {"hash": "0x" + "ab" * 10_000},
        {"hash": "0x" + "zz" * 32},
        {"number": "-0x1"},
    ],
)
async def test_a_block_that_cannot_be_is_none(wrong: dict[str, str]) -> None:
    assert (await told(BLOCK).block()).height == 7
    with pytest.raises(TransientError, match="cannot be read") as caught:
        await told(BLOCK | wrong).block()
    assert len(str(caught.value)) < 300


async def test_a_nonce_and_a_fee_that_cannot_be_are_none() -> None:
    with pytest.raises(TransientError, match="no number"):
        await told(hex(2**60)).nonce(FEED)
    with pytest.raises(TransientError, match="no number"):
        await told(hex(2**100)).priority_fee_wei()


def test_a_receipt_says_no_more_than_the_bytes_allow() -> None:
    class Signed:
        hash, gas, max_fee_wei = "0xaa", 100_000, 50

    signed: Any = Signed()
    assert (
        gas_used_of(signed, {"gasUsed": hex(90_000), "effectiveGasPrice": "0x32", "l1Fee": hex(10**15)}, "node")
        == 90_000
    )
    for wrong in ({"gasUsed": hex(100_001)}, {"effectiveGasPrice": "0x33"}, {"l1Fee": hex(2**90)}, {"gasUsed": "x"}):
        receipt = {"gasUsed": hex(90_000), "effectiveGasPrice": "0x32"} | wrong
        with pytest.raises(TransientError, match=r"do not allow|cannot be read"):
            gas_used_of(signed, receipt, "node")
