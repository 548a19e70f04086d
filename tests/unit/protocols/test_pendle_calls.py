"""What the signer lets pass of Pendle's calls: every word is bound, but for where the router's search begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.kit.evm.conformance import ABIS, STRANGER
from tests.unit.allocator.test_fixed_rates import PT, principal
from yieldbot.chains.evm.execution.abi_calls import arguments
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import adapters

OWNER = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
ROUTER, YT = (Address("0x" + digit * 40) for digit in "34")
GUESSES = 5
"""Words that say where the router begins to look."""


def state(*, expired: bool = False) -> MarketState:
    found = principal(1_000.0, expired=expired)
    params = {"sy": "0x" + "5" * 40, "pt": PT.address, "yt": YT, "router": ROUTER}
    return replace(found, market=replace(found.market, params=params, address=Address("0x" + "6" * 40)))


def calls() -> Iterator[tuple[EvmCall, int]]:
    """Each kind of call, and the amount or the shares that it may move."""
    adapter, now, over = adapters()["pendle"], state(), state(expired=True)
    asset = now.market.asset
    yield adapter.deposit(now, Amount(asset, 700 * asset.one), OWNER)[0], 700 * asset.one
    yield adapter.withdraw(now, None, OWNER)[0], now.shares
    yield adapter.withdraw(over, None, OWNER)[0], over.shares


@pytest.mark.parametrize("kind", range(3))
def test_no_word_of_a_call_can_be_another_one(kind: int) -> None:
    call, most = list(calls())[kind]
    market = state().market
    known = frozenset(str(one).lower() for one in (*market.params.values(), market.address, market.asset.address))
    assert call.least is not None and call.allowance is not None and call.allowance.raw == most
    least = call.least.raw

    def refused(data: bytes) -> bool:
        (function,) = ABIS[data[:4]]
        return objection((function,), data, OWNER, known, most, most_shares=most, least=least) is not None

    assert not refused(call.data)
    passed = []
    for place in range(4, len(call.data), 32):
        word = int.from_bytes(call.data[place : place + 32], "big")
        for other in (word + 1, int(STRANGER, 16), 2**256 - 1):
            data = call.data[:place] + other.to_bytes(32, "big") + call.data[place + 32 :]
            if not refused(data):
                passed.append((place, other))
    (function,) = ABIS[call.data[:4]]
    read = arguments(function, call.data)
    assert read is not None
    free = sum(item.role == "free" for item in read)
    assert free == (GUESSES if kind == 0 else 0)
    more = sum(
        other > least for place, other in passed if int.from_bytes(call.data[place : place + 32], "big") == least
    )
    assert more == 3, "a higher minimum is the market's refusal, and no danger"
    assert len(passed) - more == 3 * free, passed
    assert refused(call.data + b"\0") and refused(call.data[:-1])
