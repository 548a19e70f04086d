"""Books of real runs on the Solana sandbox: fees, rent and what came from elsewhere, to the unit."""

from __future__ import annotations

import base64
import csv
import io
import re
import struct
from decimal import Decimal
from typing import Any

import pytest
from beancount import loader

from tests.kit.program import Ended, yieldbot
from yieldbot.config.load import load
from yieldbot.protocols.solana.layout import ata
from yieldbot.sandbox.solana.node import SvmSandbox


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def say(sandbox: SvmSandbox, *words: object) -> Ended:
    ended = yieldbot("--config", sandbox.config, *words, cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    return ended


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def pnl_of(position: Any) -> list[Any]:
    return [position["pnl"]["put_in"], position["pnl"]["earned"]]


def give(sandbox: SvmSandbox, raw: int) -> None:
    """USDC that comes to the wallet by nobody's transaction of ours."""
    usdc = next(job.asset for job in load(sandbox.config).jobs)
    account = ata(sandbox.wallet, usdc.address)
    told = sandbox.rpc("getAccountInfo", account, {"encoding": "base64"})["value"]
    data = bytearray(base64.b64decode(told["data"][0]))
    struct.pack_into("<Q", data, 64, struct.unpack_from("<Q", data, 64)[0] + raw)  # spl-token state.rs: amount at 64
    sandbox.rpc("svm_setAccount", account, told["lamports"], told["owner"], base64.b64encode(data).decode())


def test_a_month_on_solana_to_the_unit(sandbox: SvmSandbox) -> None:
    lamports = sandbox.rpc("getBalance", sandbox.wallet)["value"]
    say(sandbox, "run", "--approve", "auto")
    sandbox.warp(30)
    (job,) = say(sandbox, "--json", "positions").document["jobs"]
    shown = say(sandbox, "positions").out
    assert "USD; rent, which comes back when an account is closed, is no cost here" in " ".join(shown.split())
    for position in job["positions"]:
        held, put_in, earned = (int(told["raw"]) for told in (position["held"], *pnl_of(position)))
        assert earned == held - put_in > 0 and position["pnl"]["total"] is not None
    give(sandbox, 7_000_000)
    risky = re.sub(r"^(save|kamino_lend|marginfi) = \d+$", r"\1 = 9000", sandbox.config.read_text(), flags=re.M)
    sandbox.config.write_text(risky)
    say(sandbox, "run", "--approve", "auto")
    (job,) = say(sandbox, "--json", "positions").document["jobs"]
    gained = int(job["idle"]["raw"]) - 100_000 * 10**6 - 7_000_000
    assert not job["positions"] and sum(int(left["pnl"]["earned"]["raw"]) for left in job["closed"]) == gained > 0

    document = say(sandbox, "--json", "export").document
    assert all(check["explained"] and check["known"] for check in document["accounts"][0]["checks"])
    found = rows(document["content"])
    assert {row["amount"] for row in found if row["kind"] == "in"} == {"7"}
    assert sum(Decimal(r["amount"]) for r in found if r["kind"] == "interest") == Decimal(gained).scaleb(-6)
    fees = [Decimal(row["amount"]) for row in found if row["kind"] == "fee"]
    assert fees == [Decimal("-0.000005")] * 6
    rents = [Decimal(row["amount"]) for row in found if row["kind"] == "rent"]
    assert min(rents) < 0 and sum(rents) == 0, "all of it has come back"
    left = lamports - sandbox.rpc("getBalance", sandbox.wallet)["value"]
    assert left == 6 * 5_000
    assert all("written down" in row["price_source"] for row in found if row["kind"] == "interest")
    text = say(sandbox, "export", "--format", "beancount").out
    _, errors, _ = loader.load_string(text)
    assert errors == [] and " balance Assets:Solana-sandbox:Solana:Wallet" in text


def test_what_lent_sol_earned_is_told(sandbox: SvmSandbox) -> None:
    """The books count SOL by the native token, markets by wrapped SOL's mint."""
    from tests.kit.solana.world import excluding, for_sol

    excluding(sandbox, for_sol(sandbox), "Stake pool (double)")
    say(sandbox, "run", "--approve", "auto")
    sandbox.warp(30)
    (job,) = say(sandbox, "--json", "positions").document["jobs"]
    assert job["positions"]
    for position in job["positions"]:
        held, put_in, earned = (int(told["raw"]) for told in (position["held"], *pnl_of(position)))
        assert earned == held - put_in > 0 and position["pnl"]["total"] is not None
