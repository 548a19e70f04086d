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


def test_a_market_that_pays_no_more_holds_back_no_other_and_is_left_in_part(safe: Safe) -> None:
    """Of several markets each is one Safe transaction: the one that fails uses up its nonce, on Safe's own contract."""
    sandbox, usdc, vault = safe.sandbox, safe.sandbox.addresses["usdc"], safe.sandbox.addresses["metamorpho"]
    send(sandbox, usdc, calldata("approve(address,uint256)", vault, 20_000 * USDC), sender=safe.address)
    send(sandbox, vault, calldata("deposit(uint256,address)", 20_000 * USDC, safe.address), sender=safe.address)
    leave_cash(sandbox, 60_000)
    queued = job(safe.json("exit", "all", code=3))
    legs = [leg["market_id"] for leg in queued["plan"]["legs"]]
    assert len(legs) == 2 and legs[0] == aave_id(sandbox), "the one whose cash covers less goes first"
    done = job(safe.json("approve", queued["plan"]["id"], code=3))["proposed"]
    documents = [done["safe_transaction"], *(one["safe_transaction"] for one in done["further"])]
    nonces = [document["nonce"] for document in documents]
    assert len(documents) == 2 and nonces == [nonces[0], nonces[0] + 1]
    assert all(document["safeTxGas"] > 0 for document in documents)
    leave_cash(sandbox, 5_000)
    before = safe.balance()
    safe.execute(documents[0])
    assert safe.balance() == before, "Aave does not pay 40,000 any more"
    waits = job(safe.json("exit", code=3))
    declined = job(safe.json("approve", waits["plan"]["id"], code=3))["declined"]
    assert declined["code"] == "WAITS_FOR_OWNERS" and done["further"][0]["hash"] in declined["reason"]
    safe.execute(documents[1])
    assert before + 20_000 * USDC - 2 <= safe.balance() < before + 20_010 * USDC
    again = job(safe.json("exit", code=3))
    (leg,) = again["plan"]["legs"]
    assert leg["market_id"] == aave_id(sandbox) and 4_999 * USDC < int(leg["amount"]["raw"]) <= 5_000 * USDC
    (rest,) = [job(safe.json("approve", again["plan"]["id"], code=3))["proposed"]]
    assert rest["further"] == [] and rest["safe_transaction"]["safeTxGas"] == 0
    safe.execute(rest["safe_transaction"])
    assert before + 24_999 * USDC <= safe.balance() < before + 25_010 * USDC
