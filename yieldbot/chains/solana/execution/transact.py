"""One transaction, from its blockhash to its outcome: simulation, judgement, signature, journal, network, confirmation.
A transaction that expired is made again with another blockhash, as long as it does the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from yieldbot.chains.solana.execution.account import Account
from yieldbot.chains.solana.execution.build import LookupTable, TxContext, unsigned, without
from yieldbot.chains.solana.execution.confirm import confirm
from yieldbot.chains.solana.execution.rehearsal import RehearsedTx
from yieldbot.chains.solana.execution.simulate import tables_of
from yieldbot.chains.solana.execution.submit import record, submit
from yieldbot.chains.solana.node.answers import Blockhash
from yieldbot.errors import SignerRefused
from yieldbot.model.amounts import BlockRef
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmApproved, SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Expired, Outcome

BLOCKHASHES = 3
"""How often a transaction is signed at most, each time with a newer blockhash, while its approval is valid."""

VALID_BLOCKS = 150
"""Blocks after which a blockhash is too old (Agave, MAX_PROCESSING_AGE)."""

Simulate = Callable[[SvmUnsigned, BlockRef], Awaitable[SvmSimulated | Declined]]
Judge = Callable[[SvmSimulated, Sequence[LookupTable]], SvmApproved | Declined]


async def transact(
    account: Account, context: TxContext, planned: RehearsedTx, simulate: Simulate, judge: Judge
) -> tuple[list[Outcome], Declined | None]:
    """Execute one rehearsed step as a transaction. simulate, judge: the stages for this kind of transaction.

    Returns (outcomes, refusal): the outcome with the last blockhash that it was signed with (earlier ones expired, and
    are in the journal), and why it was not signed (again), or None. See ``execute_leg`` for what is raised.
    """
    bid, outcomes = planned.bid, list[Outcome]()
    if account.max_cost_lamports is not None and bid.fee_lamports > account.max_cost_lamports:
        message = f"{planned.description}: its fee of {bid.fee_lamports} lamports is more than the gain allows"
        return outcomes, Declined("COST_ABOVE_GAIN", message)
    meaning: bytes | None = None
    repeats: str | None = None
    for _ in range(BLOCKHASHES):
        node = account.nodes.first
        tables = without(await tables_of(account, node), context.written_out)
        tx = unsigned(planned.step, context, bid, await _blockhash(account), tables)
        if isinstance(tx, Declined):
            return outcomes, tx
        if meaning not in (None, tx.meaning):
            return outcomes, Declined("NOT_THE_CALL", f"{tx.description}: is not the transaction that it would repeat")
        simulated = await simulate(tx, await node.block())
        if isinstance(simulated, Declined):
            return outcomes, simulated
        await account.nodes.verify_chain()  # the last check before a key is used
        approved = judge(simulated, tables)
        if isinstance(approved, Declined):
            return outcomes, approved
        if (reason := account.halted()) is not None:
            return outcomes, Declined(
                "HALTED", f"yieldbot was halted on the way ({reason}): `yieldbot resume` lifts it"
            )
        try:
            signed = account.signer.sign(approved)
        except SignerRefused as no:
            return outcomes, Declined(no.code, f"{tx.description}: {no.reason}")
        recorded = record(account, signed, repeats, units=bid.units)
        await submit(account, recorded)
        outcome = await confirm(account, recorded)
        outcomes = [outcome]
        if not isinstance(outcome, Expired):
            break
        meaning, repeats = tx.meaning, signed.signature
    return outcomes, None


async def _blockhash(account: Account) -> Blockhash:
    """The newest blockhash. It counts as too old no earlier than VALID_BLOCKS after a quorum's height: if one node's
    lower height were believed, the leg could be signed again while the first transaction can still land."""
    newest = await account.nodes.first.blockhash()
    lasts = await account.nodes.height("confirmed") + VALID_BLOCKS
    return replace(newest, last_valid_height=max(newest.last_valid_height, lasts))
