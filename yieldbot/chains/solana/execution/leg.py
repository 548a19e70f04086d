"""Executes one leg of an approved plan on Solana: rehearse, then for each transaction simulate, judge, sign, journal,
submit, confirm. A transaction that expired is made again with another blockhash, as long as it does the same."""

from __future__ import annotations

from yieldbot.chains.solana.execution.account import Account, LegWork
from yieldbot.chains.solana.execution.build import TxContext, written_out
from yieldbot.chains.solana.execution.judge import Rules, judge
from yieldbot.chains.solana.execution.rehearse import rehearse
from yieldbot.chains.solana.execution.simulate import simulate_tx
from yieldbot.chains.solana.execution.transact import transact
from yieldbot.execution.approvals import Approval
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult, mark
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, Outcome


async def execute_leg(account: Account, approval: Approval, work: LegWork) -> LegResult:
    """Execute one leg, and journal the plan's status (``results.mark``). Refusals and failures are values in the
    result.

    Raises PendingError (a transaction's outcome is open: settle it first), TransientError (a node failed; everything
    that was signed is in the journal), InvariantError (balances did not change as simulated; the account is stopped),
    SafetyError (the signer returned other bytes than were approved).
    """
    rehearsed = (
        barred(account, approval.plan)
        or account.limits((work.leg,))
        or await rehearse(account, (work,), await account.nodes.first.block())
    )
    outcomes: list[Outcome] = []
    declined = rehearsed if isinstance(rehearsed, Declined) else None
    for tx in () if isinstance(rehearsed, Declined) else rehearsed.legs[0].txs:
        done = await transact(
            account,
            TxContext(
                account.settings.chain,
                account.owner,
                approval.plan.id,
                work.index,
                work.leg.market_id,
                written_out(work, account.owner),
            ),
            tx,
            simulate=lambda tx, block: simulate_tx(account, tx, work, block),
            judge=lambda simulated, tables: judge(Rules.of(account), approval, work, simulated, account.now(), tables),
        )
        outcomes += done[0]
        declined = done[1]
        if declined is not None or not isinstance(outcomes[-1], Confirmed):
            break
    result = LegResult(tuple(outcomes), declined)
    mark(account.journal, approval, work.index, result)
    return result
