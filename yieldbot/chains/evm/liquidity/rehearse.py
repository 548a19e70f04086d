"""Rehearses a person's liquidity order as a whole on a fork. (A plan's legs are rehearsed with their plan.)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

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
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import (
    NO_ROLLUP_FEE,
    Delta,
    RollupFee,
)


@dataclass(frozen=True, slots=True)
class OrderRehearsal:
    """How an order ran on a fork."""

    block: BlockRef
    """The block that was forked."""
    txs: tuple[RehearsedTx, ...]
    """Its transactions, in order."""
    deltas: tuple[Delta, ...]
    """Our balance changes by all transactions together."""

    @property
    def gas_used(self) -> int:
        """Sum of the gas used by all transactions."""
        return sum(tx.gas_used for tx in self.txs)

    @property
    def rollup(self) -> RollupFee:
        """What all of them pay for their L1 data."""
        return sum((tx.rollup for tx in self.txs), NO_ROLLUP_FEE)


Back = Callable[[Node, Fees, Sequence[Delta]], Awaitable[Declined | None]]
"""Rehearses the exit on the same fork; returns why it fails, or None. Arguments: the fork, fees per gas, balance
changes of the entry."""


async def rehearse_steps(
    account: Account,
    steps: Steps,
    tokens: Sequence[Token],
    spenders: Sequence[Address],
    block: BlockRef,
    back: Back | None = None,
) -> OrderRehearsal | Declined:
    """Run all steps in order on one fork. Declined if one fails, an allowance of ``tokens`` to ``spenders`` is left, or
    the exit fails. back: rehearses the exit of what was put in; None: nothing was put in."""
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
        return OrderRehearsal(block, done, deltas)
