"""Paper wallets on a Solana cluster: the same as on an EVM chain, held against a real run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.program import yieldbot
from yieldbot.sandbox.solana.node import SvmSandbox


def said(sandbox: SvmSandbox, *words: str) -> Any:
    done = yieldbot(*words, "--json", cwd=sandbox.directory)
    assert done.code == 0, done.err
    return done.document


def test_a_paper_wallet_beside_real_money_earns_as_it_does(solana_sandbox: SvmSandbox) -> None:
    """By what is quoted: the real deposit lowers rates within the three days that a mean would look back on."""
    sandbox = solana_sandbox
    config = sandbox.directory / "yieldbot.toml"
    config.write_text(config.read_text().replace("[policy]\n", '[policy]\nforecaster = "quote"\n'))
    (first,) = said(sandbox, "paper", "--wealth", "100000", "--coin", "USDC")["wallets"]
    (done,) = said(sandbox, "run", "--approve", "auto")["jobs"]
    assert first["plan"]["action"] == "move"
    assert [leg["market_id"] for leg in first["plan"]["legs"]] == [leg["market_id"] for leg in done["plan"]["legs"]]
    for _ in range(3):
        sandbox.warp(1)
        (last,) = said(sandbox, "paper")["wallets"]
        assert last["plan"]["action"] == "hold", last["did"]
    (job,) = said(sandbox, "positions")["jobs"]
    held = {one["id"]: float(one["held"]["text"]) for one in job["positions"]}
    theirs = {one["market_id"]: float(one["amount"]["text"]) for one in last["ledger"]["positions"]}
    real = sum(held.values()) + float(job["idle"]["text"]) - 100_000
    assert real > 1.0 and last["ledger"]["earned"] == pytest.approx(real, rel=5e-3), "some slots lie between the two"
    assert theirs == pytest.approx(held, rel=1e-4)
    assert 0.0 < last["ledger"]["gas"] < 5.0, "fees, and the rent of three first accounts"


def test_nobody_s_paper_wallet_needs_no_wallet(solana_sandbox: SvmSandbox) -> None:
    sandbox = solana_sandbox
    text = sandbox.config.read_text()
    policy = text.partition("[policy]")[2]
    sandbox.config.write_text(f'schema = 1\ndata_dir = "."\n[policy]{policy}')
    words = ("paper", "--wealth", "20000", "--coin", "USDC", "--chain", "solana-sandbox")
    (first,) = said(sandbox, *words)["wallets"]
    assert first["owner"] is None and first["plan"]["action"] == "move"
    sandbox.warp(2)
    (last,) = said(sandbox, *words)["wallets"]
    assert last["step"] == "stepped" and last["ledger"]["earned"] > 0.0
    assert last["ledger"]["earned"] == pytest.approx(last["ledger"]["expected"], rel=0.1)
