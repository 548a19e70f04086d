"""Revokes what others may do with our token accounts: each right is rehearsed on a fork, then revoked by one
transaction, through the stages of every transaction.

A delegate is revoked by SPL Token's ``Revoke``, a close authority by ``SetAuthority`` to none. By processor.rs
``Revoke`` is signed by the account's owner, but ``SetAuthority`` of kind CloseAccount by the present close authority:
the owner cannot revoke that right alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.solana.execution.account import Account
from yieldbot.chains.solana.execution.balances import Images, changes, token_account
from yieldbot.chains.solana.execution.build import (
    MOST_UNITS,
    NO_BLOCKHASH,
    Bid,
    TxContext,
    TxStep,
    bid_for,
    budget,
    compiled,
    revocation,
)
from yieldbot.chains.solana.execution.judge import Rules, judge_revocation
from yieldbot.chains.solana.execution.rehearsal import RehearsedTx
from yieldbot.chains.solana.execution.simulate import simulate_bytes, would_fail
from yieldbot.chains.solana.execution.transact import transact
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.fork import Fork, Ran
from yieldbot.execution.gate import barred
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Outcome

DELEGATE, DELEGATED, CLOSER = slice(72, 108), slice(121, 129), slice(129, 165)
"""Where a token account stores its delegate, the delegated amount and its close authority (spl-token state.rs)."""


def authority_of(given: GrantedAllowance, owner: Address) -> Address:
    """Who must sign the revocation."""
    return given.spender if given.right else owner


async def rehearse_revocations(account: Account, given: Sequence[GrantedAllowance]) -> list[RehearsedTx | Declined]:
    """Each revocation on a fork of its own: its compute units and compute budget, or why it would fail. account: the
    signer's."""
    return [await _rehearsed(account, one) for one in given]


async def _rehearsed(account: Account, given: GrantedAllowance) -> RehearsedTx | Declined:
    call = revocation(given, account.owner)
    fork = Fork(account.nodes.first)
    ran = await fork.send(compiled((*budget(Bid(MOST_UNITS, 0)), call), account.owner, NO_BLOCKHASH))
    refused = would_fail(account, call.description, ran) or effect_fault(given, account.owner, ran)
    if refused is not None:
        return refused
    recent = await account.nodes.unit_prices([account.owner, *(m.address for m in call.accounts if m.writable)])
    bid = bid_for(ran.units, recent, account.bounds.max_unit_price_micro_lamports)
    return RehearsedTx(TxStep((call,), call.program), ran.units, bid)


async def revoke(account: Account, given: GrantedAllowance, index: int, rehearsed: RehearsedTx) -> Outcome | Declined:
    """Revoke one right. index: its position among those of this run. rehearsed: its result on the fork. Refusals are
    values; see ``execute_leg`` for what is raised."""
    assert given.account is not None
    if (refused := barred(account)) is not None:
        return refused
    chain = account.settings.chain
    named = hashlib.sha256(f"{chain} {given.account} {given.right} {given.spender}".encode()).hexdigest()[:8]
    market = MarketId(f"allowance/{market_chain(chain)}/{given.account}")
    context = TxContext(chain, account.owner, f"revoke-{named}", index, market)

    async def simulate(tx: SvmUnsigned, block: BlockRef) -> SvmSimulated | Declined:
        return await simulate_bytes(
            account,
            tx,
            block,
            fault=lambda ran: effect_fault(given, account.owner, ran),
            deltas=lambda ran: changes(
                ran.before, ran.after, account.owner, (given.token,), account.native, ran.fee_lamports
            ),
            exactly=(given.account,) if given.account else (),
        )

    outcomes, declined = await transact(
        account,
        context,
        rehearsed,
        simulate=simulate,
        judge=lambda simulated, tables: judge_revocation(Rules.of(account), given, simulated),
    )
    return declined if declined is not None else outcomes[-1]


def effect_fault(given: GrantedAllowance, payer: Address, ran: Ran) -> Declined | None:
    """Why a transaction's effect is more or less than the revocation; None if it is exactly that. Pure.

    The right must be gone from the account, the payer must have paid the fee, and no other byte of any account may have
    changed.
    """
    assert given.account is not None
    old, new = ran.before.get(given.account), ran.after.get(given.account)
    was, now = token_account(old), token_account(new)
    if old is None or new is None or was is None or now is None or _rest(old) != _rest(new):
        return Declined("DELTA_NOT_PLANNED", f"{given.account}: more than the right of {given.spender} changed")
    wanted = replace(was, close_authority=None) if given.right else replace(was, delegate=None, delegated=0)
    if now != wanted:
        return Declined("ALLOWANCE_LEFT", f"{given.account}: {given.spender} would keep its right")
    return _others(given, payer, ran.before, ran.after, ran.fee_lamports)


def _others(
    given: GrantedAllowance, payer: Address, before: Images, after: Images, fee_lamports: int
) -> Declined | None:
    for address, image in before.items():
        if address == given.account:
            continue
        changed = after.get(address)
        if address == payer and image is not None and changed is not None:
            changed = replace(changed, lamports=changed.lamports + fee_lamports)
        if changed != image:
            return Declined("DELTA_NOT_PLANNED", f"it would change {address} too")
    return None


def _rest(image: AccountImage) -> tuple[int, Address, bytes]:
    """A token account without its delegate and close authority: (lamports, program, data with zeros in their
    places)."""
    data = bytearray(image.data)
    for part in (DELEGATE, DELEGATED, CLOSER):
        data[part] = bytes(part.stop - part.start)
    return image.lamports, image.program, bytes(data)
