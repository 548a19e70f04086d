"""`yieldbot exit` on real protocols: what the market pays comes out, the rest as cash appears, whatever happens."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.evm.cash import NAME, aave_id, cash, leave_cash, put_in
from tests.kit.evm.home import Home, number_after
from tests.kit.evm.two_steps import DAY, HELD_RAW, held_in
from tests.kit.evm.world import transactions
from yieldbot.access.caller import Caller, Scope
from yieldbot.app import proposals
from yieldbot.app.context import Context
from yieldbot.model.alarm_limits import CODES
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    """Of somebody who orders exits and has no other alarms."""
    text, codes = sandbox.config.read_text(), ", ".join(f'"{code}"' for code in CODES)
    sandbox.config.write_text(text.replace("[policy]\n", f"[policy]\nalarms = {{ off = [{codes}] }}\n", 1))
    return Home(sandbox)


def auto_exit(sandbox: Sandbox) -> None:
    text = sandbox.config.read_text()
    assert "[policy]\n" in text
    sandbox.config.write_text(text.replace("[policy]\n", "[policy]\nauto_exit = true\n"))


def job(document: Any) -> Any:
    (only,) = document["jobs"]
    return only


def out(document: Any) -> dict[str, int]:
    return {one["name"]: int(one["amount"]["raw"]) for one in job(document)["came_out"]}


def test_it_comes_out_as_cash_appears_and_nothing_goes_in_until_it_is_ended(home: Home) -> None:
    sandbox, market_id = home.sandbox, aave_id(home.sandbox)
    put_in(sandbox, 40_000)
    leave_cash(sandbox, 10_000)
    queued = home.json("exit", NAME, code=3)
    plan = job(queued)["plan"]
    (leg,) = plan["legs"]
    assert (leg["kind"], leg["market_id"], leg["all"]) == ("withdraw", market_id, False)
    assert plan["why"][0].startswith("Aave v3: EXIT_ORDERED: you ordered the exit on ") and plan["moves"] == []
    assert (int(leg["amount"]["raw"]), out(queued)) == (cash(sandbox), {})
    (waits,) = job(queued)["still_in"]
    assert "cash for 10,000 USDC of " in waits["why"] and "goes on with it" in waits["next"]
    assert number_after("10,000 USDC of ", waits["why"]) == pytest.approx(40_000, abs=20)
    approved = home.run("approve", plan["id"])
    assert approved.code == 0 and "leave Aave v3: EXIT_ORDERED" in approved.err, approved.err
    assert number_after("STILL IN: ", approved.out) == pytest.approx(30_000, abs=20) and cash(sandbox) < 0.001 * USDC
    assert number_after("leaving, ", home.run("exit", "--list").out) == pytest.approx(30_000, abs=20)

    auto_exit(sandbox)
    leave_cash(sandbox, 20_000)
    more = home.json("exit")  # without a market: what is under way
    assert 19_999 * USDC < out(more)[NAME] <= 20_000 * USDC and job(more)["declined"] is None
    (left,) = job(more)["still_in"]
    assert 10_000 * USDC <= int(left["held"]["raw"]) < 10_020 * USDC and "no cash" in left["why"]
    nothing = home.run("exit", NAME)
    assert nothing.code == 0 and "OUT: nothing came out in this run" in nothing.out
    assert number_after("STILL IN: ", nothing.out) == pytest.approx(10_000, abs=20)

    leave_cash(sandbox, 200_000)
    last = home.json("run")  # any cycle goes on with it, before it does anything else
    (done,) = job(last)["transactions"]
    assert done["leg"]["kind"] == "withdraw" and done["leg"]["all"] and job(last)["still_in"] == []
    (entry,) = home.run("--json", "exit", "--list").document["exits"]
    assert (entry["market_id"], entry["name"], entry["state"]) == (market_id, NAME, "empty")
    said = home.json("plan")
    reasons = {row["market_id"]: row["binding"] for row in job(said)["plan"]["allocation"]["reasons"]}
    assert "EXIT_ORDERED" in reasons[market_id], "the best rate of all lures nobody back"
    wrapped = next(why for key, why in reasons.items() if key.startswith("erc4626/") and "pool of Aave v3" in why)
    assert "whose exit you ordered" in wrapped, "nor into a wrapper of it"
    assert home.run("exit", NAME, "--stop").code == 0
    assert home.run("--json", "exit", "--list").document["exits"] == []
    assert "EXIT_ORDERED" not in home.run("--json", "plan").out
    kinds = [event["kind"] for event in home.json("history", "--limit", "0")["events"]]
    assert kinds[0] == "exit.ordered" and kinds[-1] == "exit.lifted" and kinds.count("exit.ordered") == 1


async def test_what_is_stuck_or_takes_two_steps_keeps_nothing_else_in(home: Home) -> None:
    sandbox = home.sandbox
    locked, *_ = await held_in(sandbox, "LockedVault")
    cools, *_ = await held_in(sandbox, "CooldownVault", DAY)
    put_in(sandbox, 5_000)
    auto_exit(sandbox)
    first = home.json("exit", "all")
    assert {one["leg"]["kind"] for one in job(first)["transactions"]} == {"withdraw", "request"}
    assert list(out(first)) == [NAME] and job(first)["exit_code"] == 0
    still = {one["market_id"]: one for one in job(first)["still_in"]}
    assert set(still) == {locked, cools}
    assert "cannot be taken out now" in still[locked]["why"] and abs(int(still[locked]["held"]["raw"]) - HELD_RAW) <= 2
    assert "requested" in still[cools]["why"] and "collected once it is due" in still[cools]["next"]
    waits = home.json("run", code=4)
    assert job(waits)["transactions"] == [] and len(job(waits)["still_in"]) == 2
    assert job(waits)["declined"]["code"] == "WOULD_REVERT" and job(home.json("exit", code=4))["came_out"] == []
    assert job(waits)["plan"]["action"] == "hold", "all of it was ordered out: nothing goes in anywhere"
    sandbox.rpc("evm_increaseTime", hex(DAY))
    sandbox.rpc("evm_mine")
    last = home.json("run")
    assert [one["leg"]["kind"] for one in job(last)["transactions"]] == ["collect"]
    assert [one["market_id"] for one in job(last)["still_in"]] == [locked]
    assert "ended" in home.run("exit", "all", "--stop").out


def test_killed_between_two_legs_the_next_run_takes_out_the_rest(home: Home) -> None:
    sandbox = home.sandbox
    home.json("run", code=3)
    assert home.run("approve", home.json("history", "--waiting")["plans"][0]["id"]).code == 0
    put_in(sandbox, 200)
    auto_exit(sandbox)
    before = transactions(sandbox)
    (journal,) = sandbox.directory.rglob("journal.sqlite")

    def settled() -> int:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as file:
            return int(file.execute("SELECT count(*) FROM events WHERE kind = 'tx.settled'").fetchone()[0])

    count = settled()
    words = [sys.executable, "-m", "yieldbot.cli.main", "exit", "all"]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        words, cwd=sandbox.directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    ends = time.monotonic() + 300
    while settled() == count and running.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(60) == -signal.SIGKILL and transactions(sandbox) == before + 1
    held = job(home.json("positions"))["positions"]
    assert held, "one leg is done, the others are not"
    rest = home.json("run")
    assert len(job(rest)["transactions"]) == len(held) and job(rest)["still_in"] == []
    assert job(home.json("positions"))["positions"] == []
    assert job(home.json("run"))["plan"]["action"] == "hold"


def test_a_no_on_the_terminal_takes_nothing_out_and_lifts_the_order(home: Home) -> None:
    put_in(home.sandbox, 5_000)
    words = [sys.executable, "-m", "yieldbot.cli.main", "exit", NAME]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        words, cwd=home.sandbox.directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while b"Sign and send" not in said:
        said += os.read(ours, 4096)
    assert b"leave Aave v3: EXIT_ORDERED: you ordered the exit" in said and b"to the wallet, for" in said
    before = transactions(home.sandbox)
    os.write(ours, b"n\n")
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert running.wait(300) == 0 and b"HUMAN_REJECTED" in said and b"the order is lifted again" in said
    assert transactions(home.sandbox) == before
    assert home.run("exit", "--list").out.strip() == "no exit was ordered"


def proposed(home: Home) -> None:
    """An exit that the assistant proposed and a person accepts: its plan waits, even where exits need no approval."""
    context = Context(home.sandbox.directory / "yieldbot.toml")
    (named,) = home.json("positions")["jobs"]
    asks = Caller("robot", frozenset((Scope.READ, Scope.PLAN)))
    where = {"id": aave_id(home.sandbox), "wallet": named["wallet"], "chain": named["chain"]}
    row = proposals.propose_exit(context, asks, where, ("take everything out",))
    before = transactions(home.sandbox)
    done = str(proposals.accept(row.id, context, lambda shown: shown == row).done)
    assert done.startswith("ordered; its plan waits: ") and transactions(home.sandbox) == before
    (plan,) = home.json("history", "--waiting")["plans"]
    assert plan["id"] in done and "EXIT_ORDERED" in str(home.json("history", "--plans"))
    assert home.run("exit", NAME, "--stop").code == 0 and home.run("reject", plan["id"]).code == 0


def test_what_is_not_understood_is_said_in_one_line(home: Home) -> None:
    put_in(home.sandbox, 200)
    unknown = home.run("exit", "Aave v4")
    assert (
        unknown.code == 2
        and "no market is called 'Aave v4': of those where we hold something: did you mean Aave v3" in unknown.err
    )
    for words, said in (
        (("exit", NAME, "--stop"), "no exit of 'Aave v3' was ordered: there is none"),
        (("exit", "--stop"), "needs the market, or all"),
        (("exit", NAME, "--list"), "takes no market"),
        (("exit", NAME, "--approve", "ask"), "needs a terminal"),
    ):
        ended = home.run(*words)
        assert ended.code == 2 and said in ended.line, ended.err
    assert home.run("exit", "--list").out.strip() == "no exit was ordered"
    several = home.run("exit", "morpho")
    assert several.code == 2 and "known are: Aave v3 (" in several.err, "two names have it: neither is left"
    assert home.run("exit", "--list").out.strip() == "no exit was ordered"
    empty = home.json("exit", "drip")  # a part of one name alone
    assert job(empty)["plan"]["action"] == "hold" and job(empty)["still_in"] == []
    assert job(empty)["ordered"] == [], "what we do not hold is not ordered out"
    continued = home.run("exit").out
    assert "No exit is under way: `yieldbot exit MARKET`, or `exit all`, orders one.\n" in continued
    assert "othing is left" not in continued, "nothing was to be left"
    (graded,) = home.json("risk", NAME)["jobs"]
    assert [one["name"] for one in graded["markets"]] == [NAME], "a whole name is no part of others' names"
    none = home.run("risk", "--min-safety", "100")
    assert none.code == 0 and none.out.strip().endswith("no market has a grade of 100 or more")
    assert "No market has a grade of 100 or more" in home.run("markets", "--min-safety", "100").out
    home.run("halt", "--reason", "wait")
    auto_exit(home.sandbox)
    halted = home.run("exit", "all")
    assert halted.code == 4 and "HALTED" in halted.line and "yieldbot resume" in halted.line
    home.run("resume")
    proposed(home)
    last = home.json("exit", "all")
    assert out(last)[NAME] >= 200 * USDC - 2 and job(last)["ordered"] == ["all"], "but for what rounding takes"
    assert home.run("exit", "all", "--stop").code == 0
    (home.sandbox.directory / ".env").write_text("SANDBOX_RPC_URL=http://127.0.0.1:9\n")
    assert "nothing was read; order it again later" in home.run("exit", NAME).out
