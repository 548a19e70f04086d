"""An approved and journalled transaction on a double of a chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.kit.chain_double import GWEI, ChainDouble
from tests.kit.wiring import (
    APPROVAL,
    NOW,
    OWNER,
    RULES,
    SHARES,
    USDC,
    simulated,
    supply_data,
    supply_tx,
    work,
)
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.execution.replace import replaced
from yieldbot.chains.evm.execution.submit import record, sign, stored
from yieldbot.journal.fold import StoredTx
from yieldbot.model.tx import ApprovedTx, SignedTx

GAS, TIP = 300_000, GWEI // 10


def approved(**changes: Any) -> ApprovedTx:
    found = judge(RULES, APPROVAL, work(), simulated(supply_tx(**changes)), NOW)
    assert isinstance(found, ApprovedTx)
    return found


def moving() -> ChainDouble:
    """A double of a chain on whose fork the supply of 12,000 succeeds as planned."""
    chain = ChainDouble(tip_wei=TIP)
    usdc, shares = (USDC.address.lower(), OWNER.lower()), (SHARES.address.lower(), OWNER.lower())
    chain.tokens = {usdc: 20_000 * 10**6, shares: 0}

    def effect(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]]:
        if fields["data"] == "0x" + supply_data().hex():
            fork.tokens[usdc] -= 12_000 * 10**6
            fork.tokens[shares] += 12_000 * 10**6
        return []

    chain.effect = effect
    return chain


def journalled(account: Account, approval: ApprovedTx | None = None, **changes: Any) -> StoredTx:
    signed = sign(account, replace(approval or approved(), **changes))
    assert isinstance(signed, SignedTx)
    return record(account, signed)


async def attempt(account: Account, tx: StoredTx) -> str | None:
    """Why a transaction was not replaced; None when it was."""
    group = await replaced(account, (tx,))
    if len(group) == 2:
        assert group[0] == tx and group[1].signed.replaces == tx.signed.hash
        return None
    assert group == (tx,)
    return stored(account, tx.signed.hash).notes[-1]
