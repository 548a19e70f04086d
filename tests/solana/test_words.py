"""What a person is shown on Solana before and after a yes: every instruction of a transaction that does anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from tests.kit.solana.world import world
from yieldbot.cli.balance_changes import moved
from yieldbot.model.amounts import Token
from yieldbot.model.families import native_of
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.settings import Job
from yieldbot.model.tx import Delta
from yieldbot.sandbox.solana.node import SvmSandbox, running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SvmSandbox]:
    with running(tmp_path_factory.mktemp("words")) as found:
        yield found


def test_each_transaction_is_told_with_all_that_it_does(sandbox: SvmSandbox, tmp_path: Path) -> None:
    done = yieldbot("--config", sandbox.config, "run", "--approve", "auto", "--json", cwd=tmp_path)
    (job,) = done.document["jobs"]
    told = [tx["words"] for leg in job["rehearsal"]["legs"] for tx in leg["transactions"]]
    assert [words.split(" ")[0] for words in told] == ["open"] * 3, (
        "what opens an account is told, for its rent is paid"
    )
    (kamino,) = (words for words in told if "Kamino" in words)
    assert kamino.startswith("open an account for kUSDC; deposit ") and kamino.endswith(" into Kamino main (double)")
    assert {leg["transactions"][0]["to"] for leg in job["rehearsal"]["legs"]} <= {
        deployment.params["program"] for deployment in _job(sandbox).chain.deployments
    }
    sandbox.config.write_text(sandbox.config.read_text().replace("marginfi = 10", "marginfi = 900"))
    left = yieldbot("--config", sandbox.config, "dry-run", "--json", cwd=tmp_path).document["jobs"][0]
    words = [
        tx["words"] for leg in left["rehearsal"]["legs"] for tx in leg["transactions"] if "marginfi" in tx["words"]
    ]
    assert words == [
        "withdraw everything from marginfi (double); close our account in marginfi (double): its rent comes back"
    ]


def test_check_says_how_many_nodes_are_believed(sandbox: SvmSandbox, tmp_path: Path) -> None:
    one = yieldbot("--config", sandbox.config, "check", cwd=tmp_path)
    assert one.code == 0 and "one endpoint alone is believed" in one.out
    url, dead = _job(sandbox).chain.rpc_urls[0], "http://127.0.0.1:9"
    two = yieldbot(
        "--config", sandbox.config, "check", cwd=tmp_path, environment={"SOLANA_SANDBOX_RPC_URL": f"{url},{dead}"}
    )
    assert two.code == 1 and "; 2 of 2 must agree" in two.out
    assert "127.0.0.1:9: cannot be used" in two.out, "a host is named once"


def test_sol_that_a_leg_moves_is_not_told_twice_as_if_it_left_twice() -> None:
    chain = ChainId("solana:x")
    asset = Token(chain, Address("So11111111111111111111111111111111111111112"), "SOL", 9)
    shares = Token(chain, Address("shares"), "cSOL", 9)
    changes = (Delta(asset, -2 * 10**9), Delta(shares, 10**9), Delta(native_of(chain, "SOL"), -2_002_044_280))
    assert moved(changes) == ["-2 SOL", "+1 cSOL", "(in the wallet, fees and rent included: -2.002044 SOL)"]
    assert moved(changes[1:]) == ["+1 cSOL", "-2.002044 SOL"]


def _job(sandbox: SvmSandbox) -> Job:
    with world(sandbox) as w:
        return w.settings.jobs[0]
