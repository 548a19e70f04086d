"""Several jobs in one run, the journal's check, and the demo, as processes of their own."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

from tests.kit.program import yieldbot
from yieldbot.app.run import by_account
from yieldbot.config.load import load
from yieldbot.sandbox.evm.node import Sandbox


def with_second_chain(home: Path, url: str) -> None:
    """The sandbox's chain file again under another name and number, served from ``url``; and a job on it."""
    text = (home / "chains" / "sandbox.toml").read_text()
    for old, new in (('"sandbox"', '"other"'), ("eip155:31337", "eip155:8453"), ("SANDBOX_RPC_URL", "OTHER_RPC_URL")):
        assert old in text
        text = text.replace(old, new)
    (home / "chains" / "other.toml").write_text(text)
    with (home / ".env").open("a") as env:
        env.write(f"OTHER_RPC_URL={url}\n")
    settings = home / "yieldbot.toml"
    other = '[[jobs]]\nwallet = "main"\nchain = "other"\nasset = "USDC"\n\n[policy]'
    settings.write_text(settings.read_text().replace("[policy]", other, 1))


def test_a_chain_that_is_down_leaves_the_other(sandbox: Sandbox) -> None:
    with socket.socket() as unserved:  # bound but not listening: connections are refused, and no one takes the port
        unserved.bind(("127.0.0.1", 0))
        with_second_chain(sandbox.directory, f"http://127.0.0.1:{unserved.getsockname()[1]}")
        ended = yieldbot("--json", "run", cwd=sandbox.directory)
        seen = yieldbot("--json", "markets", cwd=sandbox.directory)
    first, second = ended.document["jobs"]
    assert ended.code == ended.document["exit_code"] == 1
    assert first["chain"] == "sandbox" and first["exit_code"] == 3 and first["declined"]["code"] == "QUEUED"
    assert second["chain"] == "other" and second["exit_code"] == 1 and "127.0.0.1" in second["skipped"]
    assert seen.code == 1 and seen.document["jobs"][0]["markets"] and seen.document["jobs"][1]["skipped"]


def test_a_node_of_another_chain_is_refused_and_the_other_goes_on(sandbox: Sandbox) -> None:
    with_second_chain(sandbox.directory, sandbox.rpc_url)
    ended = yieldbot("--json", "run", cwd=sandbox.directory)
    first, second = ended.document["jobs"]
    assert first["exit_code"] == 3 and second["exit_code"] in (1, 2) and ended.code == second["exit_code"]
    said = second["skipped"] or second["error"]["message"]
    assert "31337" in said and "8453" in said


def test_jobs_of_one_account_go_in_turn(sandbox: Sandbox) -> None:
    with_second_chain(sandbox.directory, sandbox.rpc_url)
    first, other = load(sandbox.config).jobs
    groups = by_account((first, other, first))
    assert groups == [[(0, first), (2, first)], [(1, other)]]


def test_a_changed_journal_is_noticed(sandbox: Sandbox) -> None:
    assert yieldbot("run", cwd=sandbox.directory).code == 3
    verified = yieldbot("--json", "history", "--verify", cwd=sandbox.directory).document
    assert verified["rows"] == verified["head_seq"] >= 2 and len(verified["head_hash"]) == 64
    with sqlite3.connect(sandbox.directory / "journal.sqlite") as journal:
        journal.execute("DROP TRIGGER events_keep")
        journal.execute("UPDATE events SET at = at + 1 WHERE seq = 1")
    tampered = yieldbot("history", "--verify", cwd=sandbox.directory)
    assert tampered.code == 1 and "row 1" in tampered.line
    assert yieldbot("run", "--approve", "auto", cwd=sandbox.directory).code == 1
    assert sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest") == "0x0"


def test_a_real_folder_is_never_made_a_sandbox(tmp_path: Path) -> None:
    (tmp_path / "yieldbot.toml").write_text("schema = 1\n")
    for command in (("sandbox", "up"), ("demo",)):
        ended = yieldbot(*command, "--dir", tmp_path, cwd=tmp_path)
        assert ended.code == 2 and "yieldbot.toml" in ended.line
    assert [file.name for file in tmp_path.iterdir()] == ["yieldbot.toml"]


def test_the_demo_ends_with_positions_that_earned_what_was_predicted(tmp_path: Path) -> None:
    """On both chains, one after the other."""
    ended = yieldbot("--json", "demo", "--dir", tmp_path / "sandbox", cwd=tmp_path)
    assert ended.code == 0, ended.err
    found = ended.document
    assert [job["chain"] for job in found["jobs"]] == ["sandbox", "solana-sandbox"]
    for job in found["jobs"]:
        assert job["markets"] and job["plan"]["action"] == "move" and job["rehearsal"]["gas_used"] > 0
        assert job["transactions"] and all(tx["result"] == "confirmed" for tx in job["transactions"])
        held = job["later"]["positions"]
        assert held and all(int(row["earned"]["raw"]) > 0 for row in held)
        for row in held:
            if "Drip" not in row["name"]:  # its rate is a trailing one: nothing on chain says what comes
                assert abs(row["apy_realised"] - row["apy_predicted"]) < 5e-5, row
    stages = set(found["seconds"])
    assert stages == {"sandbox", "observe and plan", "rehearse", "sign, send, confirm", "earn", "total"}
    stopped = yieldbot("sandbox", "status", "--dir", tmp_path / "sandbox", cwd=tmp_path)
    assert stopped.code == 2 and "sandbox up" in stopped.line


def test_two_chains_in_one_table_and_what_a_bridge_would_gain(sandbox: Sandbox, tmp_path: Path) -> None:
    """A Solana cluster beside the EVM chain; when it is gone the other is served all the same."""
    from yieldbot.sandbox.solana import node as solana

    config = ("--config", sandbox.config)
    cluster = solana.start(sandbox.directory, temporary=True)
    try:
        shown = yieldbot(*config, "markets", cwd=tmp_path, environment={"COLUMNS": "200"})
        assert shown.code == 0, shown.err
        titles = [line for line in shown.out.splitlines() if line.startswith("Markets.")]
        assert len(titles) == 1 and "sandbox block" in titles[0] and "solana-sandbox slot" in titles[0]
        assert "Save turbo (double)" in shown.out and "Aave v3" in shown.out
        held = yieldbot(*config, "positions", cwd=tmp_path)
        assert held.code == 0 and held.out.count("Positions.") == 1 and "100,000.00 USDC on solana-sandbox" in held.out
        planned = yieldbot(*config, "--json", "plan", cwd=tmp_path).document
        (between,) = planned["across_chains"]
        assert between["asset"] == "USDC" and between["gain_per_year"] > 0
        assert abs(sum(shift["tokens"] for shift in between["shifts"])) < 1e-3
        tried = yieldbot(*config, "--json", "dry-run", cwd=tmp_path).document
        assert [job["declined"]["code"] for job in tried["jobs"]] == ["DRY_RUN", "DRY_RUN"] and tried["across_chains"]
    finally:
        cluster.stop()
    left = yieldbot(*config, "--json", "dry-run", cwd=tmp_path)
    served, skipped = left.document["jobs"]
    assert left.code == 1 and served["declined"]["code"] == "DRY_RUN" and skipped["skipped"]
    assert left.document["across_chains"] == []
