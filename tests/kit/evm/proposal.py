"""A proposal that waits for approval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.kit.wiring import (
    APPROVAL,
    CHAIN,
    MARKET,
    NOW,
    RULES,
    USDC,
    leg,
    plan,
    simulated,
    work,
)
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.execution.approvals import Proposal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined, Move

DAI = Token(CHAIN, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)


def code(tx: Any, **changes: Any) -> str | None:
    """The refusal's code for a transaction that would be approved but for ``changes``; None when it is approved."""
    wired: dict[str, Any] = {"rules": RULES, "approval": APPROVAL, "work": work(), "now": NOW}
    wired |= {key: value for key, value in changes.items() if key in wired}
    seen = simulated(tx, **{key: value for key, value in changes.items() if key not in wired})
    found = judge(wired["rules"], wired["approval"], wired["work"], seen, wired["now"])
    return found.code if isinstance(found, Declined) else None


def proposal(*raws: int, plan_id: str = "p1") -> Proposal:
    idle = MarketId("idle/8453/usdc")
    moves = tuple(Move(idle, MARKET.id, Amount(USDC, raw), 1.0, 0.1, 3.0, "more yield") for raw in raws)
    proposed = replace(plan(*(leg(raw) for raw in raws)), moves=moves, id=plan_id)
    return Proposal(proposed, Rehearsal(proposed.block, (), Fees(1, 1)))
