"""What is known of open transactions without a key, over a labelled double of a cluster's nodes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.kit.config.files import written
from tests.kit.market_builder import BLOCK, OWNER
from yieldbot.chains.solana.execution.account import Account
from yieldbot.chains.solana.execution.settle import read_outcomes
from yieldbot.config.load import load
from yieldbot.journal.journal_entries import SvmTerms, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.tx import Expired


class Nodes:
    """A double: nothing has landed, and the cluster's height is what a test says. It takes no bytes."""

    height_is = 100

    async def landed(self, name: str, history: bool) -> None:
        return None

    async def height(self, commitment: str) -> int:
        return self.height_is

    async def unknown(self, name: str) -> bool:
        return True


def test_what_can_no_longer_land_is_recorded_and_the_rest_waits(tmp_path: Path) -> None:
    import asyncio

    (job,) = load(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")).jobs
    nodes: Any = Nodes()
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.append(
            TxSigned(
                chain=job.chain.chain,
                owner=OWNER,
                plan_id="plan",
                leg=0,
                market_id=MarketId("m"),
                hash="sig",
                raw=b"\1",
                nonce=0,
                gas=1,
                max_fee_wei=0,
                priority_fee_wei=0,
                words="deposit 1 USDC",
                expires_at=2**40,
                simulated_at=BLOCK,
                predicted=(),
                svm=SvmTerms(150, "", 5000),
            )
        )
        account = Account(
            nodes=nodes,
            settings=job.chain,
            owner=OWNER,
            journal=journal,
            signer=SimpleNamespace(),
            now=lambda: 0,  # type: ignore[arg-type]
        )
        found, (line,) = asyncio.run(read_outcomes(account))
        assert found == () and "sig (deposit 1 USDC): it has not landed yet" in line
        nodes.height_is = 151
        (outcome,), waits = asyncio.run(read_outcomes(account))
        assert isinstance(outcome, Expired) and waits == () and not journal.open_transactions(job.chain.chain, OWNER)
