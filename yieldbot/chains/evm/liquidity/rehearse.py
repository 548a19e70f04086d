"""A person's order of liquidity, rehearsed as a whole on a fork; a plan's legs are rehearsed with their plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.fees import fetch_fees
from yieldbot.chains.evm.execution.on_fork import impersonate
from yieldbot.chains.evm.execution.rehearsal import RehearsedTx
from yieldbot.chains.evm.execution.rehearse import run_steps, still_allowed
from yieldbot.chains.evm.liquidity.order import Steps
from yieldbot.chains.evm.node.client import Node
from yieldbot.execution.deltas import changes
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import (
    NO_ROLLUP_FEE,
    Delta,
    RollupFee,
)


@dataclass(frozen=True, slots=True)
class LpRehearsal:
    """How all of it went on the fork of ``block``."""

    block: BlockRef
    txs: tuple[RehearsedTx, ...]
    deltas: tuple[Delta, ...]

    @property
    def gas_used(self) -> int:
        return sum(tx.gas_used for tx in self.txs)

    @property
    def rollup(self) -> RollupFee:
        """What all of it pays for its data on L1."""
        return sum((tx.rollup for tx in self.txs), NO_ROLLUP_FEE)


Back = Callable[[Node, Fees, Sequence[Delta]], Awaitable[Declined | None]]
"""Why what the steps did to our balances cannot be undone on the same fork; None where it can."""


async def rehearse_steps(
    account: Account,
    steps: Steps,
    tokens: Sequence[Token],
    spenders: Sequence[Address],
    block: BlockRef,
    back: Back | None = None,
) -> LpRehearsal | Declined:
    """All steps in order on one fork: their gas and what they do to our balances, or why they would fail. No allowance
    of ``tokens`` to ``spenders`` may be left. back: how the way out is tried afterwards, where something goes in."""
    fees = await fetch_fees(account, block)
    if isinstance(fees, Declined):
        return fees
    async with account.fork(block) as fork:
        await impersonate(fork, account.owner)
        before = await fetch_balances(fork, account.owner, tokens)
        done = await run_steps(account, fork, steps, fees)
        if isinstance(done, Declined):
            return done
        if (left := await still_allowed(account, fork, tokens, spenders)) is not None:
            return left
        deltas = changes(before, await fetch_balances(fork, account.owner, tokens))
        if back is not None and (stuck := await back(fork, fees, deltas)) is not None:
            return stuck
        return LpRehearsal(block, done, deltas)
