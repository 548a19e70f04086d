"""Allowances of an account on a real node: found by their events, checked by reads, taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.contracts import call, calldata, send
from tests.kit.evm.allowances import STRANGER, allow
from tests.kit.evm.home import Home
from yieldbot.chains.evm.allowances import _approvals, pairs_in
from yieldbot.chains.evm.execution.balances import APPROVAL_TOPIC, abi_word
from yieldbot.chains.evm.logs import UNBOUNDED
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.ids import Address
from yieldbot.rpc.sizes import Size
from yieldbot.sandbox.evm.node import Sandbox

MOST = 2**256 - 1


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def left(sandbox: Sandbox, token: str, spender: str) -> int:
    return int.from_bytes(call(sandbox, token, "allowance(address,address)", sandbox.wallet, spender))


@pytest.fixture
def given(home: Home) -> Home:
    """Without limit to a market; to a stranger; used up by another; of a token that is not listed."""
    sandbox, usdc = home.sandbox, home.sandbox.addresses["usdc"]
    spent = sandbox.rpc("eth_accounts")[5]
    allow(sandbox, usdc, sandbox.addresses["aave_pool"], MOST)
    allow(sandbox, usdc, STRANGER, 5_000_000)
    allow(sandbox, usdc, spent, 1_000_000)
    take = calldata("transferFrom(address,address,uint256)", sandbox.wallet, spent, 1_000_000)
    send(sandbox, usdc, take, sender=spent)
    allow(sandbox, sandbox.addresses["drip"], STRANGER, 7)
    return home


def test_what_is_given_is_listed_and_taken_back(given: Home) -> None:
    sandbox, usdc, drip = given.sandbox, given.sandbox.addresses["usdc"], given.sandbox.addresses["drip"]
    (account,) = given.json("allowances")["accounts"]
    rows = {(row["token"], row["spender"]): row for row in account["allowances"]}
    pool = rows.pop((usdc, sandbox.addresses["aave_pool"]))
    assert pool["unlimited"] and pool["listed"] and pool["spender_name"] == "Aave v3"
    stranger = rows.pop((usdc, STRANGER))
    assert stranger["raw"] == "5000000" and stranger["spender_name"] is None and not stranger["unlimited"]
    unlisted = rows.pop((drip, STRANGER))
    assert not unlisted["listed"] and unlisted["raw"] == "7" and not rows and not account["unread"]

    table = given.run("allowances").out
    assert "any amount of USDC" in table and "unknown" in table and "(unlisted)" in table

    before = int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16)
    refused = given.run("allowances", "--revoke")
    assert refused.code == 2 and "add --yes" in refused.line
    (account,) = given.json("allowances", "--revoke", "--yes")["accounts"]
    ends = {(row["token"], row["spender"]): row["revoked"] for row in account["allowances"]}
    assert ends.pop((drip, STRANGER)) is None, "an unlisted token's contract is a stranger's: not called unasked"
    assert [end["result"] for end in ends.values()] == ["confirmed", "confirmed"]
    assert int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16) == before + 2
    assert left(sandbox, usdc, sandbox.addresses["aave_pool"]) == 0 == left(sandbox, usdc, STRANGER)

    (account,) = given.json("allowances", "--revoke", "--yes", "--unlisted")["accounts"]
    assert [row["revoked"]["result"] for row in account["allowances"]] == ["confirmed"]
    (account,) = given.json("allowances")["accounts"]
    assert account["allowances"] == [] and given.run("history", "--verify").code == 0
    assert given.run("run", "--approve", "auto").code == 0, "a journal with revocations serves the main job as before"


def test_a_halt_and_a_no_revoke_nothing(given: Home) -> None:
    sandbox, usdc = given.sandbox, given.sandbox.addresses["usdc"]
    given.run("halt")
    assert given.run("allowances", "--revoke", "--yes").code == 4
    assert left(sandbox, usdc, STRANGER) == 5_000_000
    given.run("resume")
    sandbox.rpc("anvil_setBalance", sandbox.wallet, "0x0")
    (account,) = given.json("allowances", "--revoke", "--yes", code=1)["accounts"]
    assert left(sandbox, usdc, STRANGER) == 5_000_000 and account["allowances"]


MINE = "0x" + abi_word(Address("0x" + "ab" * 20)).hex()
GOOD = {
    "address": "0x" + "11" * 20,
    "topics": [APPROVAL_TOPIC, MINE, "0x" + abi_word(STRANGER).hex()],
    "data": "0x" + "00" * 32,
    "blockNumber": "0x10",
}


@pytest.mark.parametrize(
    "bad",
    [
        {"topics": GOOD["topics"][:2]},
        {"topics": [*GOOD["topics"], "0x" + "00" * 32]},  # an NFT's
        {"topics": [APPROVAL_TOPIC, "0x" + "00" * 32, GOOD["topics"][2]]},
        {"topics": None},
        {"data": "0x"},
        {"data": "0x" + "00" * 10**5},
        {"address": "nobody"},
        {"address": 7},
        {"blockNumber": None},
    ],
)
def test_events_of_another_shape_are_passed_over(bad: dict[str, Any]) -> None:
    later = {**GOOD, "blockNumber": "0x20"}
    (found,) = pairs_in([GOOD | bad, later, GOOD, "junk", None], MINE).items()
    assert found[0][1] == STRANGER and found[1] == 0x20
    assert pairs_in({"not": "a list"}, MINE) == {}


class Limited:
    """A node double that serves at most so many blocks of events at once."""

    host = "limited"

    def __init__(self, most: int, ends: Callable[[int], bool] = lambda first: False) -> None:
        self.most, self.ends, self.ranges = most, ends, list[tuple[int, int]]()
        self.found_out = Size(UNBOUNDED)

    def size(self, what: str, most: int) -> Size:
        return self.found_out

    async def request(self, method: str, params: list[Any]) -> Any:
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if last - first >= self.most or self.ends(first):
            raise NodeRefused(method, -32005, "query exceeds the limit")
        self.ranges.append((first, last))
        return [GOOD | {"blockNumber": hex(first)}]


async def test_a_range_is_halved_until_it_is_served_and_nothing_is_left_out() -> None:
    node = Limited(10_000)
    found, complete, cut = await _approvals(node, Address("0x" + "ab" * 20), 7, 100_000, lambda line: None)
    assert node.ranges[0][1] == 100_000 and node.ranges[-1][0] == 7 and (complete, cut) == (7, None)
    assert all(after[1] == before[0] - 1 for before, after in zip(node.ranges, node.ranges[1:], strict=False))
    assert list(found.values()) == [node.ranges[0][0]], "the last event counts"


async def test_events_that_are_not_served_so_far_back_are_told() -> None:
    node = Limited(10_000, ends=lambda first: first < 60_000)
    found, complete, cut = await _approvals(node, Address("0x" + "ab" * 20), 0, 100_000, lambda line: None)
    assert found
    assert complete == 60_000, "to the block"
    assert cut is not None and "limited does not serve" in cut and f" to {complete - 1} (" in cut
    with pytest.raises(TransientError, match="limited serves no events"):
        await _approvals(Limited(0), STRANGER, 0, 100_000, lambda line: None)


def test_a_listed_token_is_asked_about_every_contract_of_the_chain_file_without_an_event(given: Home) -> None:
    sandbox, usdc = given.sandbox, given.sandbox.addresses["usdc"]
    head = int(sandbox.rpc("eth_blockNumber"), 16)
    (account,) = given.json("allowances", "--from-block", str(head))["accounts"]
    rows = {(row["token"], row["spender"]): row for row in account["allowances"]}
    pool = rows.pop((usdc, sandbox.addresses["aave_pool"]))
    assert pool["unlimited"] and pool["last_event"] is None, "its event lies before the block that was named"
    assert (usdc, STRANGER) not in rows and account["since"] == head and account["cut"] is None
