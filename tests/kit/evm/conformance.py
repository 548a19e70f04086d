"""Tests that every EVM adapter must pass: its markets on the sandbox, and the checks of its calls."""

from __future__ import annotations

from collections import Counter

from tests.bench.accuracy import DAY, Accuracy
from yieldbot.chains.evm.execution.abi_calls import abi_functions, addresses_in, arguments
from yieldbot.chains.evm.execution.calldata_rules import numbers_in, objection
from yieldbot.model.market import Market
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import adapters
from yieldbot.resources import folder

ABIS = abi_functions(folder("abis"))
STRANGER = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
PROTOCOLS = sorted(name for name in adapters() if name != "idle")


async def markets_of(chain: Accuracy, protocol: str) -> list[Market]:
    found = [market for market in await chain.markets() if market.protocol == protocol]
    assert found, f"the sandbox has no market of {protocol}: deploy one in yieldbot/sandbox"
    return found


async def claimed(chain: Accuracy, market: Market) -> int:
    """A deposit that is a request is inside once it was served, as the sandbox's double is after a day, and claimed;
    any other is inside already. Returns the seconds for which it may have earned meanwhile."""
    state = await chain.state(market)
    if not state.enters_by_request:
        return 0
    assert state.leaving is not None and state.leaving.entering and not state.shares
    await chain.wait(2 * DAY)
    served = await chain.state(market)
    assert served.leaving is not None and served.leaving.entered
    calls = chain.adapters[market.protocol].cancel_exit(served, chain.owner)
    check_calls(chain, market, calls, None)
    await chain.do(calls, chain.owner)
    return 2 * DAY + 60


def check_calls(chain: Accuracy, market: Market, calls: tuple[EvmCall, ...], amount_raw: int | None) -> None:
    """Check that calls go only to the adapter's own targets and functions, that allowances are exact, and that
    descriptions state what happens."""
    adapter = chain.adapters[market.protocol]
    assert calls
    for call in calls:
        assert call.data[:4] in adapter.targets(market)[call.to]
        assert call.value == 0
        assert market.name in call.description and call.description == call.description.strip()
        assert f"{chain.owner[:6]}…{chain.owner[-4:]}" in call.description
        if amount_raw is not None:
            assert str(market.asset.amount(amount_raw)) in call.description
        if call.allowance is not None:
            assert call.allowance.spender in adapter.spenders(market)
            if call.allowance.token == market.asset:
                assert call.allowance.raw == amount_raw
            else:  # shares that are sold at a price: all that the call gives, for at least what it names
                assert call.least is not None and call.least.token == market.asset
        refused_when_changed(chain, market, call, amount_raw)


def refused_when_changed(chain: Accuracy, market: Market, call: EvmCall, amount_raw: int | None) -> None:
    """Check that the judge accepts a call, and refuses it with twice the amount or shares, another recipient, or one
    more byte."""
    (function,) = (f for f in ABIS[call.data[:4]] if f.has_roles)
    read = arguments(function, call.data)
    assert read is not None
    shares = sum(item.value for item in read if item.role == "shares")
    named = {market.asset.address, market.address, *addresses_in(market.params)}
    known = frozenset(address.lower() for address in named) | frozenset(numbers_in(market.params))

    def code(data: bytes) -> str | None:
        least = call.least.raw if call.least else None
        found = objection((function,), data, chain.owner, known, amount_raw, most_shares=shares, least=least)
        return None if found is None else found[0]

    assert code(call.data) is None, call.description
    assert code(call.data + b"\0") == "CALLDATA_MALFORMED"
    tried = Counter[str]()
    for place in range(4, len(call.data), 32):
        word = call.data[place : place + 32]
        value = int.from_bytes(word, "big")
        if word[12:] == bytes.fromhex(chain.owner[2:]):
            changed = call.data[:place] + bytes(12) + bytes.fromhex(STRANGER[2:]) + call.data[place + 32 :]
            assert code(changed) in ("RECIPIENT_NOT_SELF", "ADDRESS_NOT_KNOWN"), call.description
            tried["recipient"] += 1
        elif call.least is not None and value == call.least.raw:
            changed = call.data[:place] + (value - 1).to_bytes(32, "big") + call.data[place + 32 :]
            assert code(changed) == "LEAST_BELOW_PLAN", call.description
            tried["least"] += 1
        elif value and value in (amount_raw, shares):
            changed = call.data[:place] + (2 * value).to_bytes(32, "big") + call.data[place + 32 :]
            assert code(changed) == "AMOUNT_ABOVE_PLAN", call.description
            tried["amount"] += 1
    owners = sum(item.role == "recipient" for item in read)
    assert tried["recipient"] == owners
    assert (tried["least"] == 1) is any(item.role == "least" for item in read)
    assert tried["amount"] or amount_raw is None, "its amount stands nowhere in it"
