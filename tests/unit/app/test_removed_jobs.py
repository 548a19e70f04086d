"""What a job that was taken out of the configuration still holds is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.config.files import USDC, WALLET, written
from yieldbot.app.check import check
from yieldbot.app.context import Context
from yieldbot.app.removed_jobs import check_removed, removed
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, MarketId

CHAIN, OTHER = ChainId("eip155:31337"), Address("0x00000000000000000000000000000000000000A1")
AT = 1_790_000_000


def observed(owner: str, asset: str, at: int, paper: bool = False, **held: int) -> Observed:
    rows = {
        MarketId(name): RecordedHolding(held_raw=raw, apr=0.05, horizon_seconds=1.0, name=f"the {name}")
        for name, raw in held.items()
    }
    block = BlockRef(CHAIN, at - AT, f"0x{at:064x}", at)
    of = {} if paper else None
    return Observed(chain=CHAIN, owner=Address(owner), block=block, asset=Address(asset), holdings=rows, paper=of)


@pytest.mark.parametrize("where", ["configured", "wallet gone", "asset gone", "left since", "paper"])
def test_money_of_a_job_that_is_gone_is_named_until_it_is_out(where: str, tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    context.settings.data_dir.mkdir()
    owner, asset = WALLET if where in ("configured", "asset gone") else OTHER, OTHER if where == "asset gone" else USDC
    with Journal.open(context.settings.data_dir / "journal.sqlite") as journal:
        journal.append(observed(owner, asset, AT, where == "paper", a=5_000_000, b=0))
        if where == "left since":
            journal.append(observed(owner, asset, AT + 60, a=0))
    found = [(one.owner, one.market_id, str(one.held)) for one in removed(context)]
    warned = [one for one in check_removed(context) if one.warns and not one.code]
    named = {"wallet gone": [(OTHER, "a", "5 USDC")], "asset gone": [(WALLET, "a", "None")]}.get(where, [])
    assert found == named and len(warned) == len(named)
    assert all("in the a of" in one.result for one in warned)
    if where == "wallet gone":
        assert any(row.warning and row.said == warned[0].result for row in check(context).checks)
