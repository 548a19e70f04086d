"""Money in a market that no longer answers: every command says so, and nothing is planned from the rest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.program import yieldbot
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def held(sandbox: Sandbox) -> tuple[Sandbox, dict[str, Any]]:
    """A sandbox after a run that has put money into the drip vault, and that holding."""
    done = yieldbot("--json", "run", "--approve", "auto", cwd=sandbox.directory)
    assert done.code == 0, done.err
    (position,) = [row for row in done.document["jobs"][0]["holdings"] if row["name"].startswith("Drip Vault")]
    return sandbox, position


def test_a_holding_that_cannot_be_read_is_never_silently_left_out(held: tuple[Sandbox, dict[str, Any]]) -> None:
    sandbox, position = held
    vault = "0x" + position["id"].rpartition("0x")[2]
    code = sandbox.rpc("eth_getCode", vault, "latest")
    sandbox.rpc("anvil_setCode", vault, "0x60006000fd")  # reverts whatever it is asked

    def run(*words: str) -> Any:
        return yieldbot("--json", *words, cwd=sandbox.directory)

    for words in (("positions",), ("plan",), ("run", "--approve", "queue")):
        ended = run(*words)
        assert ended.code == 1, (words, ended.err)
        (bad,) = [row for row in ended.document["jobs"][0]["quarantined"] if row["id"] == position["id"]]
        assert bad["held_before"]["raw"] == position["held"]["raw"] and bad["name"].startswith("Drip Vault")
        if words[0] != "positions":
            plan = ended.document["jobs"][0]["plan"]
            assert plan["action"] == "hold" and "no plan is made from part of the wealth" in plan["reason"]
    shown = yieldbot("positions", cwd=sandbox.directory, environment={"COLUMNS": "200"})
    assert shown.code == 1 and "NOT READ: Drip Vault" in shown.out and "where main on sandbox held" in shown.out
    check = run("check")
    assert check.code == 1 and any("Drip Vault" in row["what"] and not row["ok"] for row in check.document["checks"])

    config = sandbox.config.read_text()
    assert "[policy]\n" in config
    sandbox.config.write_text(config.replace("[policy]\n", '[policy]\nexclude = ["erc4626"]\n'))
    assert run("plan").code == 0  # given up knowingly: the rest is planned
    sandbox.config.write_text(config)
    sandbox.rpc("anvil_setCode", vault, code)
    again = run("positions")
    assert again.code == 0 and position["id"] in {row["id"] for row in again.document["jobs"][0]["positions"]}


def test_a_market_where_nothing_is_held_is_named_and_the_others_are_planned(sandbox: Sandbox) -> None:
    (seen,) = yieldbot("--json", "markets", cwd=sandbox.directory).document["jobs"]
    (drip,) = [row for row in seen["markets"] if row["name"].startswith("Drip Vault")]
    sandbox.rpc("anvil_setCode", drip["address"], "0x60006000fd")
    ended = yieldbot("--json", "plan", cwd=sandbox.directory)
    (job,) = ended.document["jobs"]
    assert ended.code == 0 and job["plan"]["action"] == "move"
    assert [(row["id"], row["held_before"]) for row in job["quarantined"]] == [(drip["id"], None)]
    assert "not read: Drip Vault" in yieldbot("plan", cwd=sandbox.directory, environment={"COLUMNS": "200"}).out


def test_wrong_decimals_are_refused_before_anything_is_planned(sandbox: Sandbox) -> None:
    chain = sandbox.directory / "chains" / "sandbox.toml"
    chain.write_text(chain.read_text().replace("decimals = 6", "decimals = 7"))
    for words in (("plan",), ("markets",), ("run", "--approve", "auto")):
        ended = yieldbot(*words, cwd=sandbox.directory)
        assert ended.code == 2 and "tokens.USDC.decimals: is 7, the chain says 6: correct it" in ended.err
