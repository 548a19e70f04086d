"""Replaces a transaction that is not mined: the same call and nonce at higher fees, as long as its approval is valid.

Nothing new is decided. The transaction is read back from the journal and must carry our own signature; only its fees
change; it is simulated again, and must have the effect of the first simulation. Each attempt is journalled before it is
sent; the one that is mined settles all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import Fees, bumped, price
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.judge import Rules, judge_cancellation, judge_replacement
from yieldbot.chains.evm.execution.rollup import cost_above_gain
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.execution.submit import record, sign, submit
from yieldbot.chains.evm.signing.sign import is_by, unsigned_of
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.deltas import still_least
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxNoted
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx


async def replaced(account: Account, group: Sequence[StoredTx]) -> Sequence[StoredTx]:
    """The group with one more attempt, journalled and sent. If that is refused, the group as it is, with a note in the
    journal.

    Raises TransientError if the node fails, SafetyError if the signer returns other bytes than were approved.
    """
    newest = group[-1].signed
    reason = account.halted()
    approved = Declined("HALTED", reason) if reason is not None else await _approved(account, group[-1])
    try:
        signed = approved if isinstance(approved, Declined) else sign(account, approved)
    except (ConfigError, TransientError) as locked:  # no passphrase or device is here: a later run may have one
        note = f"not replaced: {locked}"
    else:
        if not isinstance(signed, Declined):
            attempt = record(account, signed, replaces=newest.hash)
            await submit(account, attempt)
            return (*group, attempt)
        note = f"not replaced: {signed.code}: {signed.reason}"
    if note not in group[-1].notes:
        account.journal.append(TxNoted(newest.chain, account.owner, newest.hash, note))
    return group


async def _approved(account: Account, stuck: StoredTx) -> ApprovedTx | Declined:
    signed = stuck.signed
    if not is_by(signed, account.owner):
        return Declined("WRONG_KEY", f"{signed.hash} in the journal is not what {account.owner} signed")
    _, base_fee_wei = await account.node.block_and_base_fee()
    sent = unsigned_of(signed, signed.max_fee_wei, signed.priority_fee_wei)
    fees = price(base_fee_wei, await fetch_priority_fee(account, sent.data, sent.gas), account.max_fee_wei)
    if isinstance(fees, Declined):
        return fees
    fees = bumped(fees, Fees(signed.max_fee_wei, signed.priority_fee_wei))
    tx = unsigned_of(signed, fees.max_fee_wei, fees.priority_fee_wei)
    cancels = tx.to.lower() == account.owner.lower()
    gas_wei = tx.gas * (base_fee_wei + fees.priority_fee_wei)
    if not cancels and (dear := cost_above_gain(account, signed.words, gas_wei)) is not None:
        return dear
    tokens = [delta.token for delta in signed.predicted if delta.token != account.native]
    before = await fetch_balances(account.node, account.owner, tokens)
    named: frozenset[Address] = frozenset({*(token.address for token in tokens), tx.to})
    simulated = await simulate_tx(account, tx, None, tokens=tokens, may_move=named)
    if isinstance(simulated, Declined):
        return simulated
    if not cancels and (dear := cost_above_gain(account, signed.words, gas_wei, simulated.rollup)) is not None:
        return dear
    simulated = replace(simulated, deltas=still_least(simulated.deltas, signed.predicted))
    if cancels:
        return judge_cancellation(Rules.of(account), simulated)
    return judge_replacement(Rules.of(account), signed, simulated, before, account.tolerance_bps, account.now())
