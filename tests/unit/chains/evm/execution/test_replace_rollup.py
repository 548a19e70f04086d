"""A replacement, and a Safe's proposal, on a rollup: what their data costs counts too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.chain_double import GWEI, ChainDouble, account_of, open_journal
from tests.kit.evm.rollup_fees import L1, OP, OPERATOR, ORACLE, asked_of, rollup
from tests.kit.evm.safe_proposals import APPROVAL, REHEARSAL, SAFE, WORK, Device, chain_with
from tests.kit.evm.submit import GAS, TIP, attempt, journalled, moving
from yieldbot.chains.evm.signing.safe import propose
from yieldbot.chains.evm.signing.safe_tx import unsigned_yet
from yieldbot.execution.results import Proposed
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


async def test_a_replacement_costs_its_data_too_to_the_wei(journal: Journal) -> None:
    most = GAS * (GWEI + TIP + TIP // 8 + 1) + L1 + OPERATOR
    account = account_of(rollup(moving()), journal, settings=OP, max_cost_wei=most - 1)
    tx = journalled(account)
    said = await attempt(account, tx)
    assert said is not None and said.startswith("not replaced: COST_ABOVE_GAIN") and "with its data on L1" in said
    assert await attempt(replace(account, max_cost_wei=most), tx) is None


async def test_a_cancellation_is_replaced_whatever_its_data_costs(journal: Journal) -> None:
    from tests.kit.evm.nonces import cancelling

    account = account_of(rollup(moving()), journal, settings=OP, max_cost_wei=0)
    assert await attempt(account, cancelling(account, 7)) is None


async def test_executing_a_safes_batch_costs_its_gas_and_its_data_with_every_signature(journal: Journal) -> None:
    def chain_of() -> ChainDouble:
        chain = rollup(chain_with())
        chain.tip_wei = TIP
        return chain

    most = 50_000 * (GWEI + TIP) + L1 + OPERATOR
    changes = {"owner": SAFE, "pays_gas": False, "settings": OP}
    for bound, refused in ((None, False), (most, False), (most - 1, True)):
        chain = chain_of()
        account = account_of(chain, journal, max_cost_wei=bound, **changes)
        found = await propose(account, Device(), APPROVAL, (WORK,), REHEARSAL)
        assert isinstance(found, Declined if refused else Proposed), found
        if isinstance(found, Declined):
            assert found.code == "COST_ABOVE_GAIN" and found.reason.startswith("the Safe transaction: its gas with its")
        if bound is not None:
            (asked,) = [data for data in asked_of(chain, ORACLE) if data.startswith("0x49948e0e")]
            assert unsigned_yet(2).hex() in asked and len(unsigned_yet(2)) == 2 * 65, "two owners must sign"
            assert unsigned_yet(3).hex() not in asked
