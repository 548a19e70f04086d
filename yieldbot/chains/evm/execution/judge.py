"""The signer's policy for the final bytes of a transaction: whatever is not expressly allowed is refused.

Every function is pure. A refusal is a Declined with a stable code in capitals; none is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.evm.execution.abi_calls import APPROVE, AbiFunction, addresses_in
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import abi_word
from yieldbot.chains.evm.execution.calldata_rules import numbers_in, objection
from yieldbot.chains.evm.execution.permit2 import is_permit, permit_fault, permits_nothing
from yieldbot.chains.evm.signing.sign import digest, unsigned_of
from yieldbot.execution.approvals import GIVING, NEVER, Approval, in_time
from yieldbot.execution.deltas import change_of, real_fault
from yieldbot.execution.planned import leg_in_plan, terms_are_the_legs
from yieldbot.journal.journal_entries import TxSigned
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.plan import Declined, LegKind
from yieldbot.model.tx import ApprovedTx, EvmCall, SimulatedTx, UnsignedTx


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits on every transaction of an account, whatever the plan."""

    chain: ChainId
    """The only chain allowed."""
    owner: Address
    """The only sender allowed."""
    max_fee_wei: int
    """Highest price of one gas, in wei."""
    max_gas: int
    """Highest gas limit of one transaction."""
    abi: Mapping[bytes, tuple[AbiFunction, ...]]
    """Functions that can be decoded, by selector."""

    @classmethod
    def of(cls, account: Account) -> Rules:
        """The rules of an account."""
        return cls(account.settings.chain, account.owner, account.max_fee_wei, account.max_gas, account.abi)


def judge(rules: Rules, approval: Approval, work: LegWork, simulated: SimulatedTx, now: int) -> ApprovedTx | Declined:
    """Judge one simulated transaction of an approved plan: it must belong to the leg, call what the adapter built, and
    have done on the fork what the leg says. ``now``: unix seconds of the chain.

    Setting an allowance of one of the leg's spenders to zero needs no valid approval: it can do no harm.
    """
    tx = simulated.tx
    takes_back = permits_nothing(tx) if is_permit(work, tx) else _is_allowance(work, tx) and not any(tx.data[36:])
    refused = (
        bounds(rules, tx)
        or (None if takes_back else in_time(approval, now))
        or _in_plan(approval, work, tx)
        or _call(rules, work, tx, simulated.block.timestamp)
        or _effect(rules, work, simulated)
    )
    ends = approval.expires_at if work.lasts_seconds is None else min(approval.expires_at, now + work.lasts_seconds)
    return refused or ApprovedTx(simulated, digest(tx), approval.approver, NEVER if takes_back else ends)


def judge_cancellation(rules: Rules, simulated: SimulatedTx) -> ApprovedTx | Declined:
    """Judge the cancellation of a nonce: only a transfer of nothing to ourselves, without data, passes."""
    tx = simulated.tx
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if tx.to.lower() != rules.owner.lower() or tx.data:
        return Declined("NOT_A_CANCELLATION", "a cancellation sends nothing, to ourselves")
    return ApprovedTx(simulated, digest(tx), "recovery", NEVER)


def judge_revocation(rules: Rules, given: GrantedAllowance, simulated: SimulatedTx) -> ApprovedTx | Declined:
    """Judge the revocation of an allowance: exactly ``approve(spender, 0)`` of the token, which moved none of it on the
    fork. It needs no valid approval: it can do no harm."""
    tx, token, spender = simulated.tx, given.token, given.spender
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if tx.to.lower() != token.address.lower() or tx.data != APPROVE + abi_word(spender) + bytes(32):
        return Declined("NOT_A_REVOCATION", f"{tx.description}: is not approve({spender}, 0) on {token.address}")
    if change_of(simulated.deltas, token):
        return Declined("DELTA_NOT_PLANNED", f"{tx.description}: moves {token.symbol}")
    return ApprovedTx(simulated, digest(tx), "revocation", NEVER)


def judge_batch(
    rules: Rules,
    approval: Approval,
    planned: Sequence[tuple[LegWork, EvmCall]],
    calls: Sequence[tuple[str, bytes]],
    now: int,
) -> Declined | None:
    """Why a Safe's batch must not be signed; None if it may be.

    planned: the rehearsed calls with their legs. calls: (target, data) of each call, decoded from the batch's final
    bytes. They must be the same calls in the same order, without value, and each must pass as in ``judge``. now: unix
    seconds of the chain.
    """
    if [(to.lower(), data) for to, data in calls] != [(call.to.lower(), call.data) for _, call in planned]:
        return Declined("NOT_THE_CALL", "the batch is not what was rehearsed")
    if (late := in_time(approval, now)) is not None:
        return late
    for work, call in planned:
        names = (rules.chain, rules.owner, call.to, call.data, call.value)
        tx = UnsignedTx(*names, 0, 0, 0, 0, call.description, approval.plan.id, work.index, work.leg.market_id)
        if call.value:
            return Declined("VALUE_NOT_ZERO", f"{call.description}: sends {call.value} wei")
        if (refused := _in_plan(approval, work, tx) or _call(rules, work, tx, now)) is not None:
            return refused
    return None


def judge_replacement(
    rules: Rules,
    signed: TxSigned,
    simulated: SimulatedTx,
    before: Mapping[Token, int],
    tolerance_bps: float,
    now: int,
) -> ApprovedTx | Declined:
    """Judge a replacement: the journalled transaction ``signed`` again, at higher fees.

    Apart from the fees it must be the same transaction, its approval must be valid at ``now`` (unix seconds), and its
    balance changes must be those of the first simulation. before: balances of the tokens that it moves, in base units.
    """
    tx = simulated.tx
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if now >= signed.expires_at:
        return Declined("EXPIRED", f"the approval of plan {signed.plan_id} ended {now - signed.expires_at} s ago")
    if tx != unsigned_of(signed, tx.max_fee_wei, tx.priority_fee_wei):
        return Declined("NOT_THE_CALL", f"{tx.description}: is not the transaction that it would replace")
    if (fault := real_fault(signed.predicted, simulated.deltas, before, tolerance_bps)) is not None:
        return Declined("DELTA_NOT_PLANNED", f"{tx.description}: {fault}")
    return ApprovedTx(simulated, digest(tx), "replacement", signed.expires_at)


def bounds(rules: Rules, tx: UnsignedTx) -> Declined | None:
    """Why a transaction breaks the rules that apply whatever the plan (chain, sender, value, gas, fees); None if it
    does not."""
    if tx.chain != rules.chain:
        return Declined("CHAIN_NOT_ALLOWED", f"the transaction is for {tx.chain}, the account is on {rules.chain}")
    if tx.sender != rules.owner:
        return Declined("SENDER_NOT_SELF", f"the transaction is {tx.sender}'s, the account is {rules.owner}")
    if tx.value != 0:
        return Declined("VALUE_NOT_ZERO", f"{tx.description}: sends {tx.value} wei")
    if not 21_000 <= tx.gas <= rules.max_gas:
        return Declined("GAS_ABOVE_LIMIT", f"{tx.description}: {tx.gas} gas, allowed are {rules.max_gas}")
    if not 0 <= tx.priority_fee_wei <= tx.max_fee_wei <= rules.max_fee_wei:
        return Declined(
            "FEE_ABOVE_CEILING", f"{tx.description}: {tx.max_fee_wei} wei a gas, allowed are {rules.max_fee_wei}"
        )
    return None


def _in_plan(approval: Approval, work: LegWork, tx: UnsignedTx) -> Declined | None:
    plan = approval.plan
    if tx.plan_id != plan.id or tx.leg != work.index or plan.owner != tx.sender or plan.block.chain != tx.chain:
        return Declined("NOT_IN_PLAN", f"{tx.description}: belongs to another plan, leg, owner or chain")
    return leg_in_plan(plan, work)


def _call(rules: Rules, work: LegWork, tx: UnsignedTx, now: int) -> Declined | None:
    if _is_allowance(work, tx):
        return _allowance(work, tx)
    if is_permit(work, tx):
        return permit_fault(work, tx, now)
    name = tx.data[:4]
    selectors = {address.lower(): found for address, found in work.targets.items()}.get(tx.to.lower())
    if selectors is None:
        return Declined("TARGET_NOT_ALLOWED", f"{tx.to} is no contract of {work.market.name}")
    if name not in selectors:
        return Declined("SELECTOR_NOT_ALLOWED", f"{name.hex()} of {tx.to} is no call of {work.market.name}")
    if not terms_are_the_legs(work):
        return Declined("SWAP_NOT_PLANNED", f"{tx.description}: the terms are not the leg's")
    most = None if work.leg.all and work.leg.kind is LegKind.WITHDRAW else work.leg.amount.raw
    judged = (rules.abi.get(name, ()), tx.data, rules.owner, _known(work), most)
    least = work.leg.gets.raw if work.leg.gets else None
    faults = [objection(*judged, terms, now, rules.abi, work.most_shares, least) for terms in work.swaps or (None,)]
    if (found := None if None in faults else faults[0]) is not None:
        return Declined(found[0], f"{tx.description}: {found[1]}")
    # That a call is harmless is not enough: it must be what the adapter built and the rehearsal ran, byte for byte.
    if not any(call.to.lower() == tx.to.lower() and call.data == tx.data for call in work.calls):
        return Declined("NOT_THE_CALL", f"{tx.description}: is no call of this leg")
    return None


def _is_allowance(work: LegWork, tx: UnsignedTx) -> bool:
    return _allowed_token(work, tx) is not None and tx.data[:4] == APPROVE


def _allowed_token(work: LegWork, tx: UnsignedTx) -> Amount | None:
    """The most of the token called that the leg may allow: of the asset, or of shares that are sold; None: of
    neither."""
    leg = work.leg
    given = leg.gives if leg.kind is LegKind.WITHDRAW else None
    amounts = (leg.amount, *((given,) if given and given.token == work.share_token else ()))
    return next((one for one in amounts if one.token.address.lower() == tx.to.lower()), None)


def _allowance(work: LegWork, tx: UnsignedTx) -> Declined | None:
    if len(tx.data) != 68 or any(tx.data[4:16]):
        return Declined("CALLDATA_MALFORMED", "the bytes are not an exact call of approve(address,uint256)")
    spender, raw = "0x" + tx.data[16:36].hex(), int.from_bytes(tx.data[36:], "big")
    if spender not in {allowed.lower() for allowed in work.spenders}:
        return Declined("SPENDER_NOT_ALLOWED", f"{spender} is no spender of {work.market.name}")
    if raw == 0:
        return None  # revoking an allowance is always allowed
    most = _allowed_token(work, tx)
    gives = work.leg.kind in GIVING if most == work.leg.amount else most is not None
    if not gives or most is None or most.raw < raw:
        return Declined("ALLOWANCE_NOT_EXACT", f"an allowance of {raw}, the leg moves {most.raw if most else 0}")
    needs = {
        (call.allowance.spender.lower(), call.allowance.raw)
        for call in work.calls
        if call.allowance and call.allowance.token == most.token
    }
    if (spender, raw) not in needs:
        return Declined("ALLOWANCE_NOT_EXACT", f"an allowance of {raw} that no call of the leg consumes")
    return None


def _effect(rules: Rules, work: LegWork, simulated: SimulatedTx) -> Declined | None:
    """Why the transaction's effect on the fork is not the leg's: more of the asset left than the leg says, a deposit
    took shares, a swap brought less than its minimum, or more gas was used than its limit."""
    leg, asset = work.leg, work.leg.amount.token
    least = -leg.amount.raw if leg.kind in GIVING and simulated.tx.to != asset.address else 0
    if change_of(simulated.deltas, asset) < least:
        return Declined("DELTA_NOT_PLANNED", f"{simulated.tx.description}: takes more {asset.symbol} than was approved")
    if work.share_token and leg.kind is LegKind.DEPOSIT and change_of(simulated.deltas, work.share_token) < 0:
        return Declined("DELTA_NOT_PLANNED", f"{simulated.tx.description}: a deposit takes shares away")
    if leg.gives is not None and change_of(simulated.deltas, leg.gives.token) < -leg.gives.raw:
        return Declined("DELTA_NOT_PLANNED", f"{simulated.tx.description}: gives more than {leg.gives}")
    for change in simulated.deltas:
        if change.least is not None and change.raw < change.least:
            message = f"{Amount(change.token, change.raw)}, the least is {Amount(change.token, change.least)}"
            return Declined("BELOW_LEAST", f"{simulated.tx.description}: brings {message}")
    if simulated.gas_used > simulated.tx.gas:
        return Declined("GAS_ABOVE_LIMIT", f"{simulated.tx.description}: used {simulated.gas_used} gas on the fork")
    return None


def _known(work: LegWork) -> frozenset[str]:
    """Values that arguments of the role ``market`` may have: the addresses of the asset, the shares and the market, and
    every address (lower case) and number (digits) in the market's row."""
    named = {
        work.leg.amount.token.address,
        work.market.address,
        *work.known,
        *addresses_in(work.market.params),
    }
    if work.share_token:
        named.add(work.share_token.address)
    return frozenset(address.lower() for address in named) | frozenset(numbers_in(work.market.params))
