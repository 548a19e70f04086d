"""Paper wallets on a real node: held against a real run of the same policy on the same chain, day by day."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.evm.home import Home
from tests.kit.evm.passing import at, newest, others_supply
from tests.kit.evm.several_assets import dollars as dollars
from tests.kit.program import yieldbot
from yieldbot.sandbox.evm.node import Sandbox

DAY = 86_400
BEGIN = ("paper", "--wealth", "100000", "--coin", "USDC")


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def real_wealth(home: Home) -> float:
    """All that the real wallet has, in whole USDC."""
    (job,) = home.json("positions")["jobs"]
    return sum(float(one["held"]["text"]) for one in job["positions"]) + float(job["idle"]["text"])


def step(home: Home, *words: str) -> Any:
    """The only paper wallet after one more step."""
    (one,) = home.json(*(words or ("paper",)))["wallets"]
    return one


def held(one: Any) -> dict[str, float]:
    return {position["market_id"]: float(position["amount"]["text"]) for position in one["ledger"]["positions"]}


def test_a_paper_wallet_beside_real_money_earns_and_moves_as_it_does(home: Home) -> None:
    """Both have 100,000 and decide at the same blocks; in between others come, and both move."""
    sandbox = home.sandbox
    start = newest(sandbox) + 3600
    at(sandbox, start)
    first = step(home, *BEGIN)
    assert first["step"] == "begun" and first["plan"]["action"] == "move" and first["owner"] == sandbox.wallet
    (done,) = home.json("run", "--approve", "auto")["jobs"]
    assert done["plan"]["legs"] == first["plan"]["legs"], "the same decision, before either had moved"
    moves, late = 1, newest(sandbox) - start  # the chain's time goes on while real transactions wait for their blocks
    for day in (1, 2, 3):
        at(sandbox, start + day * DAY)
        if day == 2:
            others_supply(sandbox, 5_000_000)
        one = step(home, *BEGIN)  # the line of the first call stays in the crontab
        (done,) = home.json("run", "--approve", "auto")["jobs"]
        assert one["step"] == "stepped" and one["plan"]["action"] == done["plan"]["action"], (one["did"], done["plan"])
        moves += done["plan"]["action"] == "move"
        late += newest(sandbox) - start - day * DAY
    assert moves == 2 == one["ledger"]["plans"], "what others did made both of them move, once"
    at(sandbox, start + 4 * DAY)
    last = step(home)
    earned, real = last["ledger"]["earned"], real_wealth(home) - 100_000
    timing = 100_000 * 0.05 * late / (365 * DAY)
    assert real > 30.0 and abs(earned - real) < real * 5e-4 + timing, (earned, real, late)
    (job,) = home.json("positions")["jobs"]
    theirs = {one["id"]: float(one["held"]["text"]) for one in job["positions"]}
    # Two markets pay nearly alike at the margin: seconds between both steps move some dollars from one to the other.
    assert held(last) == pytest.approx(theirs, rel=2e-2)
    assert sum(held(last).values()) == pytest.approx(sum(theirs.values()), rel=1e-5)
    assert last["ledger"]["earned_by_quotes"] == 0.0, "each market of the sandbox has an index"
    assert abs(last["ledger"]["expected"] - earned) < earned * 0.1, "what others did was in no forecast"
    assert last["ledger"]["value"] == pytest.approx(100_000 + earned - last["ledger"]["gas"], abs=1e-4)
    side_by_side(home, real)


def side_by_side(home: Home, real: float) -> None:
    """Paper, a backtest over the same days from memory, and reality; the small gaps are explained."""
    done = home.run("paper", "show", "--json")
    assert done.code == 0 and done.document["schema"] == "yieldbot/paper-show/v1", done.err
    (one,) = done.document["wallets"]
    paper, backtest, reality = one["sides"]
    assert [side["name"] for side in one["sides"]] == ["paper", "backtest", "reality"] and one["missing"] == []
    assert reality["earned"] == pytest.approx(real, abs=1e-3) and paper["days"] == reality["days"] == 4.0
    assert (paper["moves"], reality["moves"], reality["failed"]) == (2, 2, 0)
    assert paper["invested_share"] == pytest.approx(reality["invested_share"], abs=1e-2) and backtest["moves"] >= 1
    for gap in one["gaps"]:
        parts = gap["rates_pp"] + gap["timing_pp"] + gap["costs_pp"] + gap["other_pp"]
        assert parts == pytest.approx(gap["whole_pp"], abs=1e-9)
        assert any("was expected" in line for line in gap["why"])
    to_backtest, to_reality = one["gaps"]
    assert abs(to_reality["rates_pp"]) < 0.01 and abs(to_reality["timing_pp"]) < 0.03
    left = to_reality["whole_pp"] - to_reality["costs_pp"] - to_reality["timing_pp"]
    assert abs(left) < 0.01, "what is left is gas, estimated and paid, and the time that real transactions take"
    assert abs(to_backtest["whole_pp"]) < 1.0
    shown = home.run("paper", "show")
    assert shown.code == 0 and "paper less reality" in shown.out and "own rates" in shown.out
    refused = home.run("paper", "--wealth", "5", "show")
    assert refused.code == 2 and "--name, --history, --from and --to alone" in refused.line


def test_without_any_real_money_dilution_makes_up_for_what_is_not_there(home: Home) -> None:
    """A paper wallet for nobody, without a key, a wallet or a job; then the chain goes back, and real money does it."""
    sandbox = home.sandbox
    nobody = sandbox.directory / "nobody"
    nobody.mkdir(mode=0o700)
    shutil.copytree(sandbox.directory / "chains", nobody / "chains")
    shutil.copy2(sandbox.directory / ".env", nobody / ".env")
    policy = sandbox.config.read_text().partition("[policy]")[2]
    (nobody / "yieldbot.toml").write_text(f'schema = 1\ndata_dir = "."\n[policy]{policy}')
    start, before = newest(sandbox) + 3600, sandbox.rpc("evm_snapshot")
    for day in (0, 1, 2):
        at(sandbox, start + day * DAY)
        done = yieldbot(*BEGIN, "--chain", "sandbox", "--json", cwd=nobody)
        assert done.code == 0, done.err
    (paper,) = done.document["wallets"]
    assert paper["owner"] is None and paper["ledger"]["plans"] >= 1
    (shown,) = yieldbot("paper", "show", "--json", cwd=nobody).document["wallets"]
    assert shown["missing"] == ["no reality: it stands in nobody's place"] and len(shown["sides"]) == 2
    assert sandbox.rpc("evm_revert", before)
    for day in (0, 1):
        at(sandbox, start + day * DAY)
        home.json("run", "--approve", "auto")
    at(sandbox, start + 2 * DAY)
    real = real_wealth(home) - 100_000
    assert real > 15.0
    # Morpho's rate at target falls from day to day where real money lowers its use: nobody's paper money does not.
    assert abs(paper["ledger"]["earned"] - real) < real * 0.01, (paper["ledger"]["earned"], real)


def test_a_step_happens_once_a_block_and_one_at_a_time(home: Home) -> None:
    from yieldbot.execution.lock import run_lock

    sandbox = home.sandbox
    assert "there is no paper wallet 'paper'" in home.run("paper").line
    assert "there is no paper wallet that has made a step" in home.run("paper", "show").line
    assert "there is no paper wallet 'bold' that" in home.run("paper", "show", "--name", "bold").line
    begun = step(home, *BEGIN)
    again = step(home)
    assert again["step"] == "known" and again["plan"] is None and again["ledger"] == begun["ledger"]
    at(sandbox, newest(sandbox) + DAY)
    with run_lock(sandbox.directory / "paper" / "paper"):
        busy = home.run("paper")
    assert busy.code == 6 and "another run is in progress" in busy.err.splitlines()[-1]
    with run_lock(sandbox.directory):  # a real run does not keep it waiting
        assert step(home)["step"] == "stepped"
    other = step(home, "paper", "--name", "bold", "--wealth", "5000")
    assert (other["coin"], other["wealth"], other["step"]) == ("USDC", "5000", "begun")
    at(sandbox, newest(sandbox) + DAY)
    assert [one["name"] for one in home.json("paper")["wallets"]] == ["bold", "paper"]
    shown = home.run("paper", "--name", "bold")
    assert shown.code == 0 and "nothing was done" in shown.out and "Paper wallet bold: 5,000 USDC" in shown.out


def test_bad_words_and_damage_are_one_line(home: Home) -> None:
    for words, says in (
        (("--wealth", "ten"), "--wealth"),
        (("--wealth", "0"), "write more than 0"),
        (("--wealth", "1e5"), "--wealth"),
        (("--wealth", "1", "--coin", "DOGE"), "say which market by --chain and --coin"),
        (("--wealth", "1", "--coin", "DOGE", "--chain", "sandbox"), "--coin DOGE: no token of sandbox: known are: "),
        (("--wealth", "1", "--coin", "USDC", "--chain", "nowhere"), "unknown chain"),
        (("--wealth", "1", "--wallet", "nobody"), "--wallet nobody"),
        (("--name", "../up", "--wealth", "1"), "--name ../up"),
    ):
        done = home.run("paper", *words)
        assert done.code == 2 and says in done.line, done
    assert not (home.sandbox.directory / "paper").exists(), "words that are wrong begin nothing"
    step(home, *BEGIN)
    step(home, "paper", "--name", "sound", "--wealth", "5000")
    other = home.run("paper", "--wealth", "99", "--chain", "base")
    assert other.code == 2 and "began with 100000 USDC on sandbox: leave --wealth 99, --chain base out" in other.line
    file = home.sandbox.directory / "paper" / "paper" / "journal.sqlite"
    damage(file)
    at(home.sandbox, newest(home.sandbox) + DAY)
    bad = home.run("paper", "--name", "paper")
    assert bad.code == 1 and "was changed or is missing" in bad.line and "Traceback" not in bad.err
    both = home.run("paper", "--json")
    assert both.code == 1 and "paper wallet paper: journal" in both.err
    assert [(one["name"], one["step"]) for one in both.document["wallets"]] == [("sound", "stepped")]
    assert home.run("paper", "show").code == 1 and home.run("paper", "show", "--name", "sound").code == 0


def damage(file: Path) -> None:
    """Someone makes the wallet richer than it is."""
    import sqlite3

    with sqlite3.connect(file) as database:
        database.execute("DROP TRIGGER events_keep")
        database.execute("UPDATE events SET body = replace(body, '100000', '900000') WHERE kind = 'observed'")


def test_a_chain_that_does_not_answer_skips_the_wallet_and_loses_nothing(home: Home) -> None:
    before = step(home, *BEGIN)
    env = {"SANDBOX_RPC_URL": "http://127.0.0.1:9"}
    done = home.run("paper", "--json", environment=env)
    (one,) = done.document["wallets"]
    assert done.code == 1 and one["step"] == "skipped" and "127.0.0.1" in one["skipped"]
    assert one["ledger"] == before["ledger"]


def test_swaps_of_a_job_of_several_assets_are_simulated_at_the_plans_own_quotes(dollars: Sandbox) -> None:
    home = Home(dollars)
    first = step(home, *BEGIN)
    assert first["assets"] == ["USDC", "DAI"] and {"swap", "deposit"} <= {leg["kind"] for leg in first["plan"]["legs"]}
    (swap,) = first["plan"]["allocation"]["swaps"]
    (done,) = home.json("run", "--approve", "auto")["jobs"]
    assert done["plan"]["legs"] == first["plan"]["legs"]
    (job,) = [one for one in home.json("positions")["jobs"] if one["asset"] == "DAI"]
    theirs = {one["id"]: float(one["held"]["text"]) for one in job["positions"]}
    ours = {market_id: tokens for market_id, tokens in held(first).items() if market_id in theirs}
    assert ours == pytest.approx(theirs, rel=1e-6) and ours, "what the swap brought lies in the same market"
    lost = float(swap["given"]["text"]) - float(swap["gets"]["text"])
    assert first["ledger"]["swapped"] == pytest.approx(lost, abs=abs(lost) * 0.01 + 1e-3), "both are worth a dollar"
    own = first["ledger"]
    assert own["value"] == pytest.approx(100_000 - own["gas"] - own["swapped"] - own["entered"], abs=1e-4)
    at(dollars, newest(dollars) + DAY)
    own = step(home)["ledger"]
    costs = own["gas"] + own["swapped"] + own["entered"]
    assert own["earned"] > 5.0 and own["value"] == pytest.approx(
        100_000 + own["earned"] + own["repriced"] - costs, abs=1e-4
    )


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_step_that_is_interrupted_did_not_happen(home: Home, end: signal.Signals) -> None:
    before = step(home, *BEGIN)
    at(home.sandbox, newest(home.sandbox) + DAY)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("RPC_URL")}
    words = [sys.executable, "-m", "yieldbot.cli.main", "paper"]
    with subprocess.Popen(
        words, cwd=home.sandbox.directory, env=clean | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None and "observing sandbox for paper wallet" in process.stderr.readline()
        process.send_signal(end)
        process.wait(60)
    assert process.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL)
    (shown,) = home.run("paper", "show", "--json").document["wallets"]
    assert shown["ledger"] == before["ledger"]
    after = step(home)
    assert after["step"] == "stepped" and after["ledger"]["steps"] == 2 and after["ledger"]["earned"] > 5.0
