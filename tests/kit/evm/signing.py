"""A transaction approved for signing."""

from __future__ import annotations

from tests.kit.wiring import APPROVAL, NOW, RULES, simulated, supply_tx, work
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.model.tx import ApprovedTx, UnsignedTx


def approved(tx: UnsignedTx | None = None) -> ApprovedTx:
    found = judge(RULES, APPROVAL, work(), simulated(tx or supply_tx()), NOW)
    assert isinstance(found, ApprovedTx)
    return found
