"""A leg of liquidity that is executed on a double of a chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, account_of, open_journal, settings, transfer
from tests.kit.evm.leg import ITS, OURS
from tests.kit.evm.pool_calls import MANAGER, POSITION, RULES, STATE
from tests.kit.evm.provide import LEG, ORDER, plan_of
from tests.kit.wiring import EXPIRES, OWNER, STRANGER, USDC
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.order import OrderCall, Tally
from yieldbot.chains.evm.node.client import Node
from yieldbot.journal.journal_entries import PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Amount
from yieldbot.protocols.evm import position_manager as calls

RAW = 2_000
PUT = replace(LEG, amount=Amount(USDC, RAW))
ONE_SIDED = replace(ORDER, most=(0, RAW), least_put=(0, 1_800))
MINT = calls.mint(STATE, Range(-100, 100), (0, RAW), (0, 1_800), OWNER, EXPIRES)
ALLOW, BACK = (allowance_call(USDC, MANAGER, raw, "the manager") for raw in (RAW, 0))
STEPS = (OrderCall(call=ALLOW, order=ONE_SIDED), OrderCall(call=MINT, order=ONE_SIDED, moves=(USDC,)))
GIVEN = (OURS, ITS, MANAGER.lower())
NFT = (POSITION.address.lower(), ITS)


def done_by(chain: ChainDouble, to: str, data: bytes) -> list[dict[str, Any]] | None:
    """The events of an approval and of the mint on the double; the mint takes the whole allowance. None for a
    revert."""
    if data[:4].hex() == "095ea7b3":
        chain.allowed[(to.lower(), ITS, "0x" + data[16:36].hex())] = int.from_bytes(data[36:], "big")
        return []
    if chain.allowed.get(GIVEN, 0) < RAW or data != MINT.data or to.lower() != MANAGER.lower():
        return None
    chain.allowed[GIVEN] -= RAW
    chain.tokens[(OURS, ITS)] -= RAW
    chain.tokens[NFT] = chain.tokens.get(NFT, 0) + 1
    return [transfer(USDC.address, OWNER, STRANGER, RAW)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        opened.append(PlanWritten(plan_of(PUT)))
        yield opened


class Steps:
    """Steps of a leg, the same on every node unless ``live`` names other ones for the chain. tallies: what the leg had
    moved at each step."""

    def __init__(self, *steps: OrderCall, live: tuple[Any, ...] | None = None) -> None:
        self.steps, self.live, self.runs = steps, live, 0
        self.tally = Tally({USDC: 50})
        self.tallies: list[int] = []

    async def __call__(self, _: Node) -> AsyncIterator[OrderCall]:
        self.runs += 1
        for step in self.steps if self.runs == 1 or self.live is None else self.live:
            if isinstance(step, Exception):
                raise step
            self.tallies.append(self.tally.has(USDC))
            yield step
        self.tallies.append(self.tally.has(USDC))


def lp_account(chain: ChainDouble, journal: Journal, **changes: Any) -> Account:
    return account_of(
        chain, journal, **{"abi": RULES.abi, "settings": settings(confirm_timeout_seconds=60.0)} | changes
    )
