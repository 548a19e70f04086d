"""Exits of an account that is a Safe (Safe's own contracts, v1.4.1): what a person or an alarm asks for becomes one
Safe transaction of its owners, which nobody carries out for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evm.test_exit import auto_exit, job
from tests.kit.contracts import calldata, send
from tests.kit.evm.cash import NAME, aave_id, leave_cash
from tests.kit.evm.safe import Safe
from tests.kit.evm.world import transactions
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6


@pytest.fixture
def safe(sandbox: Sandbox) -> Safe:
    """With 40,000 in Aave, and 40,000 beside it."""
    found = Safe(sandbox)
    usdc, pool = sandbox.addresses["usdc"], sandbox.addresses["aave_pool"]
    send(sandbox, usdc, calldata("approve(address,uint256)", pool, 40_000 * USDC), sender=found.address)
    supply = calldata("supply(address,uint256,address,uint16)", usdc, 40_000 * USDC, found.address, 0)
    send(sandbox, pool, supply, sender=found.address)
    return found


def proposed(document: Any) -> Any:
    found = job(document)["proposed"]
    assert found is not None and found["threshold"] == 2
    return found["safe_transaction"]


def test_an_ordered_exit_is_queued_proposed_and_carried_out_by_its_owners(safe: Safe) -> None:
    sandbox, before = safe.sandbox, transactions(safe.sandbox)
    queued = safe.json("exit", NAME, code=3)
    (leg,) = job(queued)["plan"]["legs"]
    assert (leg["kind"], leg["market_id"], leg["all"]) == ("withdraw", aave_id(sandbox), True)
    document = proposed(safe.json("approve", job(queued)["plan"]["id"], code=3))
    assert document["safe"] == safe.address and safe.balance() == 40_000 * USDC and transactions(sandbox) == before
    waits = job(safe.json("exit", code=3))
    assert waits["proposed"] is None and waits["still_in"][0]["name"] == NAME, (
        "it is queued anew, and not proposed twice"
    )
    again = job(safe.json("approve", waits["plan"]["id"], code=3))
    assert again["declined"]["code"] == "WAITS_FOR_OWNERS" and again["proposed"] is None
    safe.execute(document)
    assert 80_000 * USDC - 2 <= safe.balance() < 80_010 * USDC
    done = job(safe.json("exit"))
    assert done["plan"]["action"] == "hold" and done["still_in"] == []
    (entry,) = safe.run("--json", "exit", "--list").document["exits"]
    assert entry["state"] == "empty" and entry["owner"] == safe.address


def test_an_alarm_with_nobody_there_proposes_the_exit_and_sends_nothing(safe: Safe) -> None:
    """`auto_exit` hands the exit to the owners without asking: a part first, the rest when they executed that."""
    sandbox = safe.sandbox
    auto_exit(sandbox)
    leave_cash(sandbox, 15_000)
    before = transactions(sandbox)
    first = safe.json("run", code=3)
    document = proposed(first)
    (leg,) = job(first)["plan"]["legs"]
    assert not leg["all"] and 14_999 * USDC < int(leg["amount"]["raw"]) <= 15_000 * USDC
    assert "UTILISATION" in job(first)["plan"]["why"][0] and transactions(sandbox) == before
    (stored, *_) = [p for p in safe.json("history", "--plans")["plans"] if p["id"] == job(first)["plan"]["id"]]
    assert stored["status"] == "handed over"
    second = job(safe.json("run", code=3))
    assert second["proposed"] is None and second["declined"]["code"] == "WAITS_FOR_OWNERS"
    safe.execute(document)
    assert 54_999 * USDC < safe.balance() <= 55_000 * USDC
    sandbox.warp(0.1)
    leave_cash(sandbox, 1_000_000)
    last = safe.json("run", code=3)
    (leg,) = job(last)["plan"]["legs"]
    assert leg["all"] and leg["market_id"] == aave_id(sandbox), "the alarm stands, though its sign is gone"
    safe.execute(proposed(last))
    assert 80_000 * USDC - 2 <= safe.balance() < 80_100 * USDC
    positions = job(safe.json("positions"))["positions"]
    assert positions == []
