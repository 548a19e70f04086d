"""What a Comet's next upgrade would change, by its Configurator: found by events on the sandbox, where a labelled
double of few bytes answers as a Configurator does, and every difference in words."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evm.test_controls import KEY, OTHER
from tests.evm.test_watch import alarms, looked
from tests.kit.contracts import call, calldata, send
from tests.kit.evm.home import Home
from tests.unit.protocols.test_controls import head, word
from yieldbot.model.controls import Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.reads import CodeHead
from yieldbot.protocols.evm.comet_queue import (
    CONFIGURATION,
    FIELDS,
    MOST_CHANGES,
    PREFIX,
    changes_of,
    configuration,
    words_of_call,
)
from yieldbot.protocols.evm.control_events import ScheduledCall
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import Reading, address_of
from yieldbot.sandbox.evm.node import Sandbox

WAD, YEAR = 10**18, 31_536_000
ZERO = "0x" + "00" * 20
ADMIN_SLOT = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103"
CODE_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"


def configured(assets: list[tuple[Any, ...]] | None = None, **changes: Any) -> bytes:
    """An answer of getConfiguration."""
    base: dict[str, Any] = {name: ZERO if kind == "address" else 0 for name, kind in FIELDS.items()}
    values = base | {"baseToken": KEY} | changes
    return encode([CONFIGURATION], [(*values.values(), assets or [])])


def configurator(blob: bytes, comet: str, runs: str) -> str:
    """Code that answers getConfiguration with ``blob``, announces ``runs`` when called with 0x11111111, and reverts."""
    select = keccak(text="getConfiguration(address)")[:4].hex()
    body = "60003560e01c" + f"8063{select}1461001e57" + "80631111111114610000" + "57" + "60006000fd"
    start = len(bytes.fromhex(body))
    answer = f"5b61{len(blob):04x}61OOOO60003961{len(blob):04x}6000f3"
    at_event = start + len(bytes.fromhex(answer.replace("OOOO", "0000")))
    topics = (word(int(runs, 16)), word(int(comet, 16)), keccak(text="CometDeployed(address,address)"))
    event = "5b" + "".join("7f" + topic.hex() for topic in topics) + "60006000a300"
    body = body.replace("1461001e57", f"1461{start:04x}57").replace("1461000057", f"1461{at_event:04x}57")
    code_end = at_event + len(bytes.fromhex(event))
    return "0x" + body + answer.replace("OOOO", f"{code_end:04x}") + event + blob.hex()


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def test_a_configurator_is_found_and_what_it_holds_ready_is_a_pending_change(home: Home) -> None:
    sandbox = home.sandbox
    comet, runs, admin = sandbox.addresses["comet"], address_of(0x5151), address_of(0x5252)
    for slot, value in ((ADMIN_SLOT, admin), (CODE_SLOT, runs)):
        sandbox.rpc("anvil_setStorageAt", comet, slot, "0x" + word(int(value, 16)).hex())
    sandbox.rpc("anvil_setCode", runs, "0x00")

    def now(name: str) -> int:
        return int.from_bytes(call(sandbox, comet, f"{name}()"), "big")

    rates = [f"{s}PerYearInterestRate{p}" for s in ("supply", "borrow") for p in ("SlopeLow", "SlopeHigh", "Base")]
    same = {name: now(name.replace("PerYear", "PerSecond")) * YEAR for name in rates}
    same |= {name: now(name) for name in ("supplyKink", "borrowKink")}
    false, true = address_of(0x6161), address_of(0x6262)
    for at, slot in ((false, address_of(0x9999)), (true, admin)):
        sandbox.rpc("anvil_setCode", at, configurator(configured(**same), comet, runs))
        sandbox.rpc("anvil_setStorageAt", at, ADMIN_SLOT, "0x" + word(int(slot, 16)).hex())
        send(sandbox, at, bytes.fromhex("11111111"))
    looked(home)
    second = looked(home)
    mine = next(one for one in second["markets"] if one["market_id"].endswith(comet.lower()))
    found = [one for one in mine["contracts"] if one["name"] == "Configurator"]
    assert [one["address"] for one in found] == [to_checksum_address(true)], "its proxy's admin is Comet's"
    assert alarms(second, comet) == [] and found[0]["pending"] == []
    new = same | {"supplyKink": same["supplyKink"] - 10**17, "baseTokenPriceFeed": KEY}
    sandbox.rpc("anvil_setCode", true, configurator(configured(**new), comet, runs))
    third = looked(home)
    stop = [one["saw"] for one in third["alarms"] if one["code"] == "PENDING_CHANGE"]
    assert len(stop) == 1 and "supplyKink of Comet" in stop[0] and "may become 80 %, it is 90 %" in stop[0], stop


COMET, BOOK = address_of(0xC0), address_of(0xCB)


def comet(**answers: bytes) -> Reading:
    return Reading(COMET, CodeHead.of(head()), {}, answers)


def info(asset: int, feed: int, factor: int, cap: int) -> bytes:
    return b"".join(map(word, (0, asset, feed, 10**8, factor, factor + 10**16, 95 * 10**16, cap)))


def test_every_difference_is_said_with_before_and_after_and_roundings_are_none() -> None:
    live = comet(
        governor=word(int(KEY, 16)),
        supplyKink=word(9 * 10**17),
        supplyPerSecondInterestRateSlopeHigh=word(3 * 10**17 // YEAR),
        **{"collateral 0": info(0xA1, 0xF1, 7 * 10**17, 500 * 10**8)},
    )
    wbtc = (address_of(0xA1), address_of(0xF1), 8, 7 * 10**17 + 5, 71 * 10**16, 95 * 10**16, 500 * 10**8 + 3)
    same = configured([wbtc], governor=KEY, supplyKink=9 * 10**17, supplyPerYearInterestRateSlopeHigh=3 * 10**17)
    assert changes_of(BOOK, live, same) == ()
    other = (*wbtc[:1], address_of(0xF2), 8, 8 * 10**17, *wbtc[4:6], 900 * 10**8)
    fresh = (address_of(0xA2), address_of(0xF3), 18, 5 * 10**17, 6 * 10**17, 9 * 10**17, 7 * 10**18)
    answer = configured(
        [other, fresh], governor=OTHER, supplyKink=85 * 10**16, supplyPerYearInterestRateSlopeHigh=6 * 10**17
    )
    found = {one.what.split(" of Comet")[0]: (one.before, one.after) for one in changes_of(BOOK, live, answer)}
    assert found["governor"] == (KEY, OTHER) and found["supplyKink"] == ("90 %", "85 %")
    assert found["supplyPerYearInterestRateSlopeHigh"] == ("30 %", "60 %")
    assert found[f"priceFeed of {address_of(0xA1)}"] == (address_of(0xF1), address_of(0xF2))
    assert found[f"supplyCap of {address_of(0xA1)}"] == ("500", "900")
    assert found[f"borrowCollateralFactor of {address_of(0xA1)}"] == ("70 %", "80 %")
    assert found[f"collateral {address_of(0xA2)}"][0] == "none" and len(found) == 7
    own = Dependency(BOOK, Part.ADMIN, "Configurator", ((PREFIX + COMET, b"xxxx"),))
    book = Reading(BOOK, CodeHead.of(head()), {}, {PREFIX + COMET: answer})
    facts = facts_of(own, {BOOK: book, COMET: live})
    assert len(facts.pending) == 7 and facts.values == ()


def test_calls_of_a_timelock_say_what_they_change() -> None:
    live = comet(supplyKink=word(9 * 10**17), governor=word(int(KEY, 16)))
    wbtc = (address_of(0xA1), address_of(0xF1), 8, 7 * 10**17, 71 * 10**16, 95 * 10**16, 500 * 10**8)
    answer = configured([wbtc], governor=KEY, supplyKink=85 * 10**16)
    readings = {BOOK: Reading(BOOK, CodeHead.of(head()), {}, {PREFIX + COMET: answer}), COMET: live}

    def said(signature: str, *values: Any, to: Address = BOOK) -> str:
        return words_of_call(ScheduledCall(to, 0, calldata(signature, *values)), readings)

    assert said("setSupplyKink(address,uint64)", COMET, 8 * 10**17) == "supplyKink becomes 80 %, it is 85 %"
    assert said("setGovernor(address,address)", COMET, OTHER) == f"governor becomes {OTHER}, it is {KEY}"
    cap = said("updateAssetSupplyCap(address,address,uint128)", COMET, wbtc[0], 900 * 10**8)
    assert cap == f"supplyCap of {wbtc[0]} becomes 900, it is 500"
    upgrade = said("deployAndUpgradeTo(address,address)", BOOK, COMET, to=KEY)
    assert upgrade.startswith(f"Comet {COMET} takes over its configuration: supplyKink") and "it is 90 %" in upgrade
    assert said("setSupplyKink(address,uint64)", KEY, 1) == said("transfer(address,uint256)", KEY, 1) == ""


@settings(max_examples=150, deadline=None)
@given(st.integers())
def test_whatever_a_configurator_and_a_comet_answer_nothing_raises(seed: int) -> None:
    draw = random.Random(seed)
    asset = (address_of(1), address_of(2), draw.randrange(256), *(draw.getrandbits(64) for _ in range(4)))
    whole = configured([asset] * draw.randrange(40), supplyKink=draw.getrandbits(64), governor=OTHER)
    cut = bytearray(whole)
    cut[draw.randrange(len(cut))] = draw.randrange(256)
    answer = draw.choice((whole, bytes(cut), whole[: draw.randrange(len(whole))], draw.randbytes(700), b""))
    views = {f"collateral {n}": draw.randbytes(draw.choice((0, 31, 256, 300))) for n in range(30)}
    live = comet(supplyKink=draw.randbytes(32), governor=draw.randbytes(32), **views)
    found = changes_of(BOOK, live, answer)
    assert len(found) <= MOST_CHANGES and all("\n" not in one.after and len(one.after) < 400 for one in found)
    configuration(answer)
    readings = {BOOK: Reading(BOOK, None, {}, {PREFIX + COMET: answer}), COMET: live}
    words_of_call(ScheduledCall(BOOK, 0, keccak(text="setSupplyKink(address,uint64)")[:4] + answer), readings)
