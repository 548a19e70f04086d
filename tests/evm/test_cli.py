"""The commands on a sandbox, as processes of their own: exit codes, documents, what a person reads."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.evm.home import Home
from tests.kit.program import yieldbot
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def describe_approvals(home: Home) -> None:
    """Configure a folder with one ERC-7730 descriptor: of the token's ``approve``."""
    folder = home.sandbox.directory / "descriptors"
    folder.mkdir()
    fields = [{"path": "spender", "label": "Who may spend", "format": "addressName"}]
    document = {
        "context": {"contract": {"deployments": [{"chainId": 31337, "address": home.sandbox.addresses["usdc"]}]}},
        "display": {"formats": {"approve(address spender,uint256 value)": {"intent": "Let spend", "fields": fields}}},
    }
    (folder / "usdc.json").write_text(json.dumps(document))
    home.sandbox.config.write_text('descriptors = "descriptors"\n' + home.sandbox.config.read_text())


def test_a_queued_plan_is_approved_and_earns(home: Home) -> None:
    describe_approvals(home)
    assert home.json("check")["ok"] is True
    (seen,) = home.json("markets")["jobs"]
    markets = {market["name"]: market for market in seen["markets"]}
    assert "at-cap" in markets["Aave v3 Prime"]["flags"] and markets["Aave v3 Legacy"]["status"] == "frozen"
    assert all(market["quoted_apy"] > 0 for market in markets.values() if market["protocol"] == "aave_v3")
    (planned,) = home.json("plan")["jobs"]
    assert planned["plan"]["action"] == "move" and planned["plan"]["allocation"]["gap_bps"] < 0.1

    (dry,) = home.json("dry-run")["jobs"]
    assert dry["declined"]["code"] == "DRY_RUN" and not dry["transactions"]
    assert dry["rehearsal"]["gas_used"] == sum(leg["gas_used"] for leg in dry["rehearsal"]["legs"]) > 0

    queued = home.json("run", "--approve", "queue", code=3)
    plan_id = queued["jobs"][0]["plan"]["id"]
    (waiting,) = home.json("history", "--waiting")["plans"]
    assert waiting["id"] == plan_id and any("exactly" in call for call in waiting["calls"])
    assert home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"

    approved = home.run("approve", plan_id)
    assert approved.code == 0, approved.err
    assert all(call in approved.err for call in waiting["calls"]), "every call is shown before it is signed"
    allowed = sum(call.startswith("allow") for call in waiting["calls"])
    assert approved.err.count("Who may spend: ") == allowed > 0, "in its descriptor's words too, where it has one"
    assert f"of {home.sandbox.wallet} on sandbox, valid until" in approved.err and "gap to the best" in approved.err
    home.sandbox.warp(30)
    (held,) = home.json("positions")["jobs"]
    assert held["positions"] and all(int(p["earned"]["raw"]) > 0 for p in held["positions"])
    for position in held["positions"]:
        if "Drip" not in position["name"]:  # its rate is a trailing one: nothing on chain says what comes
            assert abs(position["apy_predicted"] - position["apy_realised"]) < 5e-5, position
    again = home.run("approve", plan_id)
    assert again.code == 4 and "PLAN_CLOSED" in again.line
    assert home.run("reject", plan_id).code == 4
    kinds = [event["kind"] for event in home.json("history", "--limit", "0")["events"]]
    assert kinds.count("tx.signed") == kinds.count("tx.settled") == len(waiting["calls"])
    no_secrets(home)


def test_commands_need_nothing_loaded_before(home: Home) -> None:
    """The other runs are forked from a process that has loaded everything (``tests.kit.warm``)."""
    for words in (("check",), ("plan",), ("dry-run",), ("export",)):
        ended = home.run("--json", *words, cold=True)
        assert ended.code == 0 and ended.document["schema"] == f"yieldbot/{words[0]}/v1", ended.err


def test_hints_name_the_configuration_that_was_used(home: Home, tmp_path: Path) -> None:
    ended = yieldbot("--config", home.sandbox.config, "run", "--json", cwd=tmp_path)
    assert ended.code == 3, ended.err
    (job,) = ended.document["jobs"]
    assert job["declined"]["reason"].endswith(f"yieldbot --config {home.sandbox.config} approve {job['plan']['id']}")
    assert "yieldbot history --waiting" in home.run("approve", "nope").line


def test_a_no_on_the_terminal_leaves_the_plan_waiting(home: Home) -> None:
    plan_id = home.json("run", code=3)["jobs"][0]["plan"]["id"]
    words = [sys.executable, "-m", "yieldbot.cli.main", "approve", plan_id]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        words, cwd=home.sandbox.directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while b"Sign and send" not in said:
        said += os.read(ours, 4096)
    os.write(ours, b"n\n")
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert running.wait(300) == 3 and b"main: USDC on sandbox" in said.partition(b"[y/N")[2] and b"still waits" in said
    assert "main on sandbox" in home.run("history", "--waiting").out
    assert [plan["id"] for plan in home.json("history", "--waiting")["plans"]] == [plan_id]


def test_a_rejected_plan_is_not_run(home: Home) -> None:
    plan_id = home.json("run", code=3)["jobs"][0]["plan"]["id"]
    assert home.json("reject", plan_id, "--reason", "not today")["status"] == "rejected"
    assert home.run("approve", plan_id).code == 4
    assert home.json("history", "--waiting")["plans"] == []
    assert home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"


def test_auto_signs_inside_its_limits_alone(home: Home) -> None:
    settings = home.sandbox.config.read_text()
    home.sandbox.config.write_text(settings.replace('auto_max_move = "60000"', 'auto_max_move = "60"'))
    refused = home.json("run", "--approve", "auto", code=4)["jobs"][0]
    assert refused["declined"]["code"] == "POLICY_LIMIT" and not refused["transactions"]
    home.sandbox.config.write_text(settings)
    done = home.json("run", "--approve", "auto")["jobs"][0]
    assert done["transactions"] and all(tx["result"] == "confirmed" for tx in done["transactions"])
    assert home.json("run", "--approve", "auto")["jobs"][0]["plan"]["action"] == "hold"
    no_secrets(home)


def test_a_wrong_passphrase_ends_before_anything_is_rehearsed_or_approved(home: Home) -> None:
    plan_id = home.json("run", code=3)["jobs"][0]["plan"]["id"]
    file = home.sandbox.directory / "passphrase"
    right = file.read_text()
    file.write_text("wrong horse battery staple\n")
    wallet = next(row for row in home.json("check", code=2)["checks"] if row["what"] == "wallet main")
    assert not wallet["ok"] and "wrong passphrase" in wallet["remedy"]
    for words in (("run", "--approve", "auto"), ("approve", plan_id, "--yes")):
        ended = home.run(*words)
        assert ended.code == 2 and "wrong passphrase" in ended.err and "rehearsing" not in ended.err
    (plan,) = home.json("history", "--plans")["plans"]
    assert (plan["id"], plan["status"]) == (plan_id, "queued")
    assert home.sandbox.rpc("eth_getTransactionCount", home.sandbox.wallet, "latest") == "0x0"
    file.write_text(right)
    assert home.run("approve", plan_id, "--yes").code == 0
    no_secrets(home)


def test_check_names_each_fault_with_its_remedy(home: Home) -> None:
    os.chmod(home.sandbox.directory / "keys" / "main.json", 0o644)
    chain = home.sandbox.directory / "chains" / "sandbox.toml"
    named = chain.read_text().replace("tokens.DAI", "tokens.DAIX").replace('"DAI"', '"DAIX"')
    chain.write_text(named.replace("decimals = 6", "decimals = 18"))
    ended = home.run("--json", "check")
    faults = {row["what"]: row for row in ended.document["checks"] if not row["ok"]}
    assert ended.code == 2 and ended.document["ok"] is False
    assert "chmod 600" in faults["wallet main"]["remedy"]
    assert "6 decimals, not 18" in faults["sandbox token USDC"]["said"]
    assert faults.pop("sandbox token DAIX")["said"].endswith("'DAI'")
    assert len(faults) == 2
    tables = tomllib.loads(named)
    main, prime, legacy = (
        next(p for p in tables["protocols"] if p["name"] == name)
        for name in ("Aave v3", "Aave v3 Prime", "Aave v3 Legacy")
    )
    (stata,) = (p for p in tables["protocols"] if p.get("flavour") == "stata")
    mixed = named.replace("[tokens.DAIX]", '[tokens.DAIX]\nsymbols = ["DAI"]\nsource = "our own list"')
    mixed = mixed.replace(tables["tokens"]["USDC"]["feed"], tables["native"]["feed"])
    mixed = mixed.replace(f'oracle = "{main["oracle"]}"', f'oracle = "{prime["oracle"]}"')
    mixed = mixed.replace(f'data_provider = "{prime["data_provider"]}"', f'data_provider = "{legacy["data_provider"]}"')
    here = f'vaults = ["{stata["vaults"][0]}"]\npool = '
    chain.write_text(mixed.replace(f'{here}"{stata["pool"]}"', f'{here}"{prime["pool"]}"'))
    *told, verdict = home.run("check").out.splitlines()
    assert re.match(
        r"not ready: of \d+ checks 4 found a wrong configuration and 1 failed for now; begin with: ", verdict
    )
    assert all(line[:4] in ("ok  ", "FAIL") for line in told)
    assert "ok    sandbox token DAIX: in no public list: our own list" in told
    bad = [line for line in told if line.startswith("FAIL") and "wallet main" not in line]
    expected = {
        "feed of USDC": "(ETH / USD) says 3,000.0000 dollars",
        "Aave v3:": "correct oracle",
        "Aave v3 Prime": "correct data_provider",
        "Static Aave": "is of the pool",
    }
    assert len(bad) == len(expected)
    assert all(any(row in line and said in line for line in bad) for row, said in expected.items())


def test_check_of_a_node_of_another_chain(home: Home) -> None:
    chain = home.sandbox.directory / "chains" / "sandbox.toml"
    chain.write_text(chain.read_text().replace("eip155:31337", "eip155:8453"))
    ended = home.run("--json", "check")
    (fault,) = [row for row in ended.document["checks"] if not row["ok"]]
    assert ended.code == 2 and "serves chain 31337, not 8453" in fault["said"] and "SANDBOX_RPC_URL" in fault["remedy"]
    assert ended.document["verdict"].endswith("found a wrong configuration; begin with: chain sandbox")
    refused = home.run("run")
    said = r"\.env: SANDBOX_RPC_URL: the node at 127\.0\.0\.1:\d+ serves chain 31337, not 8453"
    assert refused.code == 2 and re.search(said, refused.line)


def test_check_of_another_chain_with_the_same_id_and_of_one_without_multicall3(home: Home) -> None:
    chain = home.sandbox.directory / "chains" / "sandbox.toml"
    right = chain.read_text()
    chain.write_text(re.sub(r"0x[0-9a-fA-F]{40}\b", lambda at: checksum(f"0xd0d0{at[0][6:].lower()}"), right))
    ended = home.run("--json", "check")
    (fault,) = [row for row in ended.document["checks"] if not row["ok"]]
    assert ended.code == 2 and fault["what"] == "chain sandbox"
    assert "serves chain 31337, but none of " in fault["said"] and "another chain with the same id" in fault["remedy"]

    multicall3 = tomllib.loads(right)["multicall3"]
    chain.write_text(right.replace(multicall3, checksum("0x" + "d0" * 20)))
    ended = home.run("--json", "check")
    rows = {row["what"]: row for row in ended.document["checks"]}
    assert ended.code == 2 and rows["sandbox token USDC"]["ok"]
    gone = rows["sandbox Multicall3"]
    assert gone["said"].startswith("no contract at ") and not gone["ok"]
    (unread,) = [row for what, row in rows.items() if "fee_kind" in what]
    assert "[native] feed" in unread["what"] and "no Multicall3 at" in unread["said"]


def test_plan_explains_and_answers_what_if_without_touching_the_configuration(home: Home) -> None:
    before = home.sandbox.config.read_bytes()
    (found,) = home.json("plan")["jobs"]
    targets = {row["market_id"]: int(row["amount"]["raw"]) for row in found["plan"]["allocation"]["targets"]}
    best = max((m for m in targets if not m.startswith("idle")), key=lambda m: targets[m])
    shown = home.run("plan", environment={"COLUMNS": "200"}).out
    assert "Because" in shown and "policy's share of a market" in shown and "One more USDC would earn" in shown
    without = home.json("plan", "--exclude", best, "--horizon", "90")
    assert without["what_if"] == {"wealth": None, "horizon_days": 90.0, "exclude": [best], "max_share": None}
    rows = {row["market_id"]: row for row in without["jobs"][0]["plan"]["allocation"]["targets"]}
    assert rows[best]["amount"]["raw"] == "0"
    small = home.json("plan", "--max-share", "0.1")["jobs"][0]["plan"]["allocation"]
    wealth = sum(targets.values())
    held = [int(row["amount"]["raw"]) for row in small["targets"] if not row["market_id"].startswith("idle")]
    assert max(held) == wealth // 10
    rich = home.json("plan", "--wealth", "1000000")["jobs"][0]["plan"]["allocation"]
    assert sum(int(row["amount"]["raw"]) for row in rich["targets"]) == 10**12
    assert max(int(row["amount"]["raw"]) for row in rich["targets"]) > wealth  # shares are of the wealth asked about
    for words in (("--exclude", "nobody"), ("--max-share", "2"), ("--wealth", "x")):
        ended = home.run("plan", *words)
        assert ended.code == 2 and words[0] in ended.line
    assert "unrecognized" in home.run("run", "--wealth", "5").line
    assert home.sandbox.config.read_bytes() == before


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_fit_the_terminal(home: Home, columns: int) -> None:
    ended = home.run("markets", environment={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert ended.code == 0 and max(map(len, ended.out.splitlines())) <= columns
    assert "\x1b" not in ended.out and "APY" in ended.out


def test_sandbox_commands_of_a_folder_without_one(tmp_path: Path) -> None:
    for words in (("status",), ("warp", "1")):
        ended = yieldbot("sandbox", *words, "--dir", tmp_path / "none", cwd=tmp_path)
        assert ended.code == 2 and "sandbox up" in ended.line
    assert yieldbot("--json", "sandbox", "down", "--dir", tmp_path / "none", cwd=tmp_path).document["stopped"] is False


def no_secrets(home: Home) -> None:
    """The sandbox's key and passphrase are in nothing that was said or journalled."""
    from eth_account import Account

    directory = home.sandbox.directory
    passphrase = (directory / "passphrase").read_text().strip()
    key = bytes(Account.decrypt(json.loads((directory / "keys" / "main.json").read_text()), passphrase)).hex()
    journal = b"".join(file.read_bytes() for file in directory.glob("journal.sqlite*"))
    for secret in (key, passphrase):
        assert secret not in home.said and secret.encode() not in journal
    assert bytes.fromhex(key) not in journal
