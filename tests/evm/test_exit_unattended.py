"""Exits that a real alarm starts on real contracts, with nobody at the keyboard (``policy.auto_exit``): from the sign
that a look sees to the recorded outcome."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evm.test_exit import auto_exit, job, out
from tests.kit.evm.cash import NAME, aave_id, cash, leave_cash, put_in
from tests.kit.evm.home import Home
from tests.kit.evm.world import transactions
from yieldbot.journal.journal_entries import AlarmRaised, PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    auto_exit(sandbox)
    return Home(sandbox)


def written(home: Home, kind: type) -> list[Any]:
    (file,) = home.sandbox.directory.rglob("journal.sqlite")
    with Journal.read(file) as journal:
        return [record.entry for record in journal.history() if isinstance(record.entry, kind)]


def test_a_lock_that_comes_is_left_by_the_run_that_sees_it(home: Home) -> None:
    """`yieldbot run`, whose other plans wait for a person: this one does not."""
    put_in(home.sandbox, 40_000)
    calm = home.json("run", code=3)
    assert job(calm)["declined"]["code"] == "QUEUED", "an ordinary plan waits"
    home.sandbox.warp(1)
    leave_cash(home.sandbox, 200_000)
    done = job(home.json("run"))
    (sent,) = done["transactions"]
    assert (
        sent["leg"]["kind"] == "withdraw" and sent["leg"]["all"] and sent["leg"]["market_id"] == aave_id(home.sandbox)
    )
    assert sent["result"] == "confirmed" and done["still_in"] == []
    (why,) = done["plan"]["why"]
    assert why.startswith(f"{NAME}: CASH_FALLING: cash fell from 1,6") and "UTILISATION: utilisation 96.97%" in why
    raised = {entry.code for entry in written(home, AlarmRaised) if entry.market_id == aave_id(home.sandbox)}
    assert {"UTILISATION", "CASH_FALLING"} <= raised
    approved = [
        e for e in written(home, PlanMarked) if (e.plan_id, e.status) == (done["plan"]["id"], PlanStatus.APPROVED)
    ]
    assert len(approved) == 1 and approved[0].by == "auto_exit"
    (plan,) = [one for one in home.json("history", "--plans")["plans"] if one["id"] == done["plan"]["id"]]
    assert plan["status"] == "executed"
    assert home.run("exit", "--list").out.strip() == "no exit was ordered", "an alarm is no order"
    again = home.json("run", code=3)
    assert all(leg["market_id"] != aave_id(home.sandbox) for leg in job(again)["plan"]["legs"])


def test_what_the_market_cannot_pay_comes_out_over_cycles_and_restarts(home: Home) -> None:
    """Each run is a process of its own: what stands is what the journal says. The sign is gone before the money is."""
    put_in(home.sandbox, 40_000)
    leave_cash(home.sandbox, 15_000)
    first = home.json("run")
    (sent,) = job(first)["transactions"]
    assert not sent["leg"]["all"] and 14_999 * USDC < int(sent["leg"]["amount"]["raw"]) <= 15_000 * USDC
    (left,) = job(first)["still_in"]
    assert "no cash to pay it with" in left["why"] and left["next"].startswith("it comes out as cash appears")
    count = transactions(home.sandbox)
    dry = job(home.json("run", code=3))  # what is in the wallet may be planned for, and waits for a person
    assert "no cash" in dry["still_in"][0]["why"] and transactions(home.sandbox) == count
    home.sandbox.warp(0.25)
    leave_cash(home.sandbox, 10_000)
    more = home.json("exit")  # as `run`, of exits alone
    assert 9_990 * USDC < out(more)[NAME] <= 10_000 * USDC
    home.sandbox.warp(0.25)
    leave_cash(home.sandbox, 1_000_000)  # 0.85 of it is lent: no look shows a sign any more
    last = job(home.json("run"))
    (sent,) = last["transactions"]
    assert sent["leg"]["all"] and 15_000 * USDC <= int(sent["leg"]["amount"]["raw"]) < 15_100 * USDC
    assert last["still_in"] == [] and cash(home.sandbox) > 900_000 * USDC
    lines = home.run("markets").out
    assert "alarm UTILISATION" in " ".join(lines.split()), "it stands until it was not seen for a day"


def test_what_a_look_saw_is_left_by_the_next_process_though_all_is_calm_by_then(home: Home) -> None:
    """The first look raises the alarm and sends nothing, since gas is dear; calm returns; the next one leaves."""
    put_in(home.sandbox, 40_000)
    leave_cash(home.sandbox, 200_000)
    home.sandbox.rpc("anvil_setNextBlockBaseFeePerGas", hex(200 * 10**9))
    home.sandbox.rpc("evm_mine")
    (waits,) = job(home.json("run"))["still_in"]
    assert "only its cash is doubted, and gas would take 7" in waits["why"]
    home.sandbox.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    home.sandbox.rpc("evm_mine")
    leave_cash(home.sandbox, 1_000_000)
    done = job(home.json("run"))
    assert [one["leg"]["kind"] for one in done["transactions"]] == ["withdraw"] and done["still_in"] == []
