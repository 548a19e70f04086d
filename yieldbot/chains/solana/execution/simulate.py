"""Simulates one transaction just before it is signed: on a fork in LiteSVM, and by the nodes themselves, which must
agree with the fork."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.chains.solana.execution.account import Account, LegWork
from yieldbot.chains.solana.execution.balances import changes, of_ours, trespass
from yieldbot.chains.solana.execution.build import (
    LookupTable,
    own_accounts,
)
from yieldbot.chains.solana.node.answers import Simulated
from yieldbot.chains.solana.node.client import Node
from yieldbot.chains.solana.node.fork import Fork, Ran, table_addresses
from yieldbot.execution.deltas import within
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Delta

LACKS = (
    "its program does not know this instruction: it is older than yieldbot is made for (stake pools before 1.0 lack "
    "those that name a least amount), or another"
)
UNKNOWN = ("invalid instruction data", "Failed to serialize or deserialize account data", "Error Number: 101.")
"""Log lines of programs that do not know an instruction: from their own decoders, from borsh and from Anchor."""
OPENED_LAMPORTS = 2 * 2_039_280
"""Rent in lamports of the two token accounts that a leg may open, paid from the wallet's own lamports."""


async def tables_of(account: Account, node: Node) -> tuple[LookupTable, ...]:
    """The chain settings' lookup tables with their content; tables that do not exist are left out."""
    found = await node.accounts(account.bounds.lookup_tables) if account.bounds.lookup_tables else {}
    return tuple(
        LookupTable(address, tuple(table_addresses(image.data, range((len(image.data) - 56) // 32))))
        for address, image in found.items()
        if image is not None
    )


async def simulate_tx(account: Account, tx: SvmUnsigned, work: LegWork, slot: BlockRef) -> SvmSimulated | Declined:
    """Simulate exactly these bytes of a leg; see ``simulate_bytes``."""
    watched, owner = watched_of(work), account.owner
    return await simulate_bytes(
        account,
        tx,
        slot,
        clone=tuple(own_accounts(work, owner).values()),
        fault=lambda ran: trespass(ran.before, ran.after, owner, watched),
        deltas=lambda ran: with_least(
            changes(ran.before, ran.after, owner, watched, account.native, ran.fee_lamports), work.leg.gets
        ),
        least=work.leg.gets,
    )


async def simulate_bytes(
    account: Account,
    tx: SvmUnsigned,
    slot: BlockRef,
    *,
    fault: Callable[[Ran], Declined | None],
    deltas: Callable[[Ran], tuple[Delta, ...]],
    clone: Sequence[Address] = (),
    exactly: Sequence[Address] = (),
    least: Amount | None = None,
) -> SvmSimulated | Declined:
    """Run exactly these bytes on a new fork, then have a quorum of nodes simulate them too.

    clone: accounts to compare in addition to those that the message names. fault: given the result on the fork, why its
    effect is refused. deltas: given the result, our balance changes. exactly: accounts that the nodes must leave byte
    for byte as the fork does. least: a swap's minimum out; its output may differ between fork and nodes as long as both
    reach that, since the price moves from slot to slot.
    """
    from solders.message import from_bytes_versioned

    fork = Fork(account.nodes.first)
    await fork.clone((account.owner, *clone))
    message: Any = from_bytes_versioned(tx.message)
    ran = await fork.send(message)
    if (refused := would_fail(account, tx.description, ran) or fault(ran)) is not None:
        return refused
    if (differs := await _cross_checked(account, tx, ran, exactly, least)) is not None:
        return differs
    return SvmSimulated(tx, slot, ran.units, deltas(ran))


async def _cross_checked(
    account: Account, tx: SvmUnsigned, ran: Ran, exactly: Sequence[Address], least: Amount | None
) -> Declined | None:
    """The refusal (SIMULATION_DIFFERS) unless a quorum of nodes, simulating the same bytes, leaves our accounts as the
    fork did; None if it does."""
    from solders.message import from_bytes_versioned
    from solders.signature import Signature
    from solders.transaction import VersionedTransaction

    raw = bytes(VersionedTransaction.populate(from_bytes_versioned(tx.message), [Signature.default()]))
    # Accounts that the transaction closes come back as null from some nodes and as empty from others: both mean gone.
    ours = [
        address
        for address, old in ran.before.items()
        if address in (account.owner, *exactly) or of_ours({address: old}, {address: ran.after[address]}, account.owner)
    ]
    agree, others = 0, []
    for node, simulated in await account.nodes.each(lambda node: node.simulate(raw, ours)):
        why = _difference(account, ran, ours, simulated, exactly, least)
        if why is None:
            agree += 1
        else:
            others.append(f"{node.host}: {why}")
    if agree >= account.nodes.quorum:
        return None
    return Declined(
        "SIMULATION_DIFFERS", f"{tx.description}: the fork and the nodes do not agree ({'; '.join(others)})"
    )


def _difference(
    account: Account,
    ran: Ran,
    ours: Sequence[Address],
    simulated: Simulated,
    exactly: Sequence[Address],
    least: Amount | None,
) -> str | None:
    if simulated.error is not None:
        return f"it would fail there: {simulated.error}"
    theirs = dict(zip(ours, simulated.accounts, strict=True))
    before = {address: ran.before[address] for address in ours}
    here = of_ours(before, {address: ran.after[address] for address in ours}, account.owner)
    there = of_ours(before, theirs, account.owner)
    for mint, (old, new) in here.items():
        _, also = there.get(mint, (0, 0))
        if least is not None and mint == least.token.address and new - old >= least.raw and also - old >= least.raw:
            continue
        if not within(also, new, new - old, account.tolerance_bps):
            return f"our balance of {mint} would be {also} there, {new} on the fork"
    for address in exactly:
        if ran.after[address] != theirs[address]:
            return f"{address} would be another there than on the fork"
    mine, other = ran.after.get(account.owner), theirs.get(account.owner)
    was = before.get(account.owner)
    if least is not None and least.token.address == WRAPPED_SOL and mine is not None and other is not None and was:
        # SOL from a swap is unwrapped into the wallet: on the nodes too it must reach the minimum out, less fee, rent.
        floor = was.lamports + least.raw - account.bounds.max_fee_lamports - OPENED_LAMPORTS
        if mine.lamports >= floor:
            reason = f"our SOL would be {other.lamports} lamports there, {floor} at least"
            return None if other.lamports >= floor else reason
    if mine is not None and (other is None or abs(other.lamports - mine.lamports) > account.bounds.max_fee_lamports):
        return f"our SOL would be {other.lamports if other else 0} lamports there, {mine.lamports} on the fork"
    return None


def watched_of(work: LegWork) -> tuple[Any, ...]:
    """Tokens whose balances are compared before and after: the asset, the shares, what a swap brings."""
    return tuple(work.programs)


def with_least(deltas: Sequence[Delta], least: Amount | None) -> tuple[Delta, ...]:
    """The changes, with a swap's output given the swap's minimum out. Pure."""
    if least is None:
        return tuple(deltas)
    return tuple(
        replace(delta, least=least.raw) if delta.token == least.token and delta.raw >= least.raw else delta
        for delta in deltas
    )


def would_fail(account: Account, description: str, ran: Ran) -> Declined | None:
    """The refusal (WOULD_REVERT) of a transaction that fails on the fork; None if it succeeds."""
    if ran.error is None:
        return None
    return Declined("WOULD_REVERT", f"{description}: {reason(account, ran)}")


def reason(account: Account, ran: Ran) -> str:
    """Why a transaction failed: the adapter's message for the program's error number, else LACKS for an unknown
    instruction, else the last log line about an error."""
    if (custom := ran.custom_error) is not None:
        failed = next((line for line in reversed(ran.logs) if " failed: " in line), "")
        program = Address(failed.split()[1]) if failed.startswith("Program ") else Address("")
        if (known := account.explain(program, custom[1])) is not None:
            return known
    lines = [line for line in ran.logs if "Error" in line or "failed" in line or "insufficient" in line]
    if any(answer in line for line in lines for answer in UNKNOWN):
        return LACKS
    return lines[-1] if lines else str(ran.error)
