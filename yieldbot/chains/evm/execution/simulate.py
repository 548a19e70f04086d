"""Rehearsals on a fork: a whole plan at the block it was decided on, each transaction just before it is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import (
    allowance,
    allowances_touched,
    balances,
    given,
    nfts_sent,
    request_of,
    tokens_sent,
)
from yieldbot.chains.evm.execution.build import Fees, price, spender_names, with_allowances
from yieldbot.chains.evm.execution.on_fork import impersonate, mined, would_revert
from yieldbot.chains.evm.execution.permit2 import still_permitted
from yieldbot.chains.evm.execution.rollup import charge, rehearsed_gas, rollup_fee, short_of_native
from yieldbot.chains.evm.execution.wayout import way_out
from yieldbot.chains.evm.liquidity.order import Provides, Steps
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError, NodeRefused, SafetyError
from yieldbot.execution.deltas import change_of, changes, leg_fault, provided_fault, total, worth_fault
from yieldbot.execution.results import of_leg
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.families import native_of
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import NO_ROLLUP_FEE, Delta, EvmCall, RollupFee, SimulatedTx, UnsignedTx

JUDGED_BY_WORTH = (LegKind.DEPOSIT, LegKind.REBALANCE, LegKind.REQUEST, LegKind.CANCEL)


@dataclass(frozen=True, slots=True)
class RehearsedTx:
    """One transaction of a leg on the fork. gas_limit: what will be asked for, margin included. rollup: what it pays
    for its data on L1 besides; ``gas_used`` is the fork's, without."""

    call: EvmCall
    gas_used: int
    gas_limit: int
    rollup: RollupFee = NO_ROLLUP_FEE

    @property
    def description(self) -> str:
        return self.call.description

    @property
    def to(self) -> Address:
        """The contract that is called."""
        return self.call.to


@dataclass(frozen=True, slots=True)
class RehearsedLeg:
    """A leg's transactions in order, and what they did together to every balance of ours."""

    index: int
    txs: tuple[RehearsedTx, ...]
    deltas: tuple[Delta, ...]

    @property
    def gas_used(self) -> int:
        return sum(tx.gas_used for tx in self.txs)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A plan as it went on the fork of ``block``; ``fees``: what was asked per gas, in the native token."""

    block: BlockRef
    legs: tuple[RehearsedLeg, ...]
    fees: Fees
    native_symbol: str = "ETH"

    @property
    def gas_used(self) -> int:
        return sum(leg.gas_used for leg in self.legs)

    @property
    def native(self) -> Token:
        return native_of(self.block.chain, self.native_symbol)

    @property
    def rollup(self) -> RollupFee:
        """What all of it pays for its data on L1."""
        return sum((tx.rollup for leg in self.legs for tx in leg.txs), NO_ROLLUP_FEE)

    @property
    def fee_terms(self) -> dict[str, Any]:
        """Wei asked for a gas, and what is paid for data on L1."""
        return {"max_fee_wei": str(self.fees.max_fee_wei), **self.rollup.document}

    @property
    def fees_beside(self) -> tuple[str, ...]:
        """What is paid for data on L1, in words."""
        return self.rollup.words(self.native)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Balance changes of the whole plan."""
        return total(leg.deltas for leg in self.legs)

    @property
    def lines(self) -> tuple[str, ...]:
        """Every call in words, in order."""
        return tuple(tx.call.description for leg in self.legs for tx in leg.txs)


async def rehearse(account: Account, works: Sequence[LegWork], block: BlockRef) -> Rehearsal | Declined:
    """Run all legs in order on a fork of ``block``, as our account, with its real funds.

    Declined (never an exception) when a call would revert, moves a token that the leg does not name, leaves an
    allowance, does not do what the leg says, costs more than the ceiling, or cannot be paid for; NoWayOut when what a
    deposit put in does not come out again.
    """
    async with account.fork(block) as fork:
        fees = await fees_at(account, block)
        if isinstance(fees, Declined):
            return fees
        await impersonate(fork, account.owner)
        if not account.pays_gas:
            await fork.request(
                "anvil_setBalance", [account.owner, hex(account.max_gas * len(works) * 4 * fees.max_fee_wei)]
            )
        legs: list[RehearsedLeg] = []
        changed = set[str]()
        for planned in works:
            work = planned
            if work.leg.market_id in changed and work.again is not None:
                work = await _fresh(account, fork, work)
            changed.add(work.leg.market_id)
            leg = await _leg(account, fork, work, fees)
            if isinstance(leg, NoWayOut):
                return leg
            if isinstance(leg, Declined):
                return of_leg(work, leg)
            legs.append(leg)
        return Rehearsal(block, tuple(legs), fees, account.settings.native_symbol)


async def _fresh(account: Account, fork: Node, work: LegWork) -> LegWork:
    """A leg as it is built once earlier ones have changed its market; as it was planned where that cannot be read."""
    if work.again is None or work.observe is None:
        return work
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    if isinstance(state, MarketError):
        return work
    token = work.leg.amount.token
    idle = Amount(token, (await balances(fork, account.owner, (token,)))[token])
    return work.again(state, idle)


async def simulate_tx(
    account: Account,
    tx: UnsignedTx,
    work: LegWork | None,
    settles: Sequence[tuple[Token, Address]] = (),
    *,
    tokens: Sequence[Token] = (),
    may_move: frozenset[Address] = frozenset(),
) -> SimulatedTx | Declined:
    """Run exactly this transaction on a fork of the newest block.

    ``work``: the leg that it belongs to, whose tokens are compared; ``settles``: allowances that must be zero
    afterwards. Without a leg: ``tokens`` to compare, contracts that ``may_move`` ours; by default nothing but gas.
    """
    block = await account.node.block()
    async with account.fork(block) as fork:
        await impersonate(fork, account.owner)
        fee = await rollup_fee(account, account.node, tx, block)
        if (short := await short_of_native(account, fork, tx.gas * tx.max_fee_wei + tx.value, fee)) is not None:
            return short
        watched = (*(work.watched if work else tokens), account.native)
        before = await balances(fork, account.owner, watched)
        fields = {
            "from": tx.sender,
            "to": tx.to,
            "data": "0x" + tx.data.hex(),
            "value": hex(tx.value),
            "nonce": hex(tx.nonce),
            "gas": hex(tx.gas),
            "maxFeePerGas": hex(tx.max_fee_wei),
            "maxPriorityFeePerGas": hex(tx.priority_fee_wei),
            "chainId": hex(int(tx.chain.partition(":")[2])),
        }
        if work is None and not tx.data and tx.to.lower() == account.owner.lower():
            await fork.request("anvil_setNonce", [account.owner, hex(tx.nonce)])  # it may be beyond the chain's
        receipt = await mined(account, fork, fields, tx.description)
        if isinstance(receipt, Declined):
            return receipt
        needed = int(receipt["gasUsed"], 16) + fee.l1_gas
        if needed > tx.gas:
            message = f"{tx.description}: needs {needed} gas with its data on L1, its limit is {tx.gas}"
            return Declined("WOULD_REVERT", message)
        allowed = work.may_move if work else frozenset(address.lower() for address in may_move)
        if (stray := _stray(receipt, account.owner, allowed)) is not None:
            return stray
        deltas = _with_least(changes(before, await balances(fork, account.owner, watched)), tx, work)
        for token, spender in settles:
            if left := await allowance(fork, token.address, account.owner, spender):
                return Declined(
                    "ALLOWANCE_LEFT", f"{tx.description}: {Amount(token, left)} would stay allowed to {spender}"
                )
        if work and settles and (left_on := await still_permitted(fork, account.owner, work.calls)) is not None:
            return Declined(left_on.code, f"{tx.description}: {left_on.reason}")
        return SimulatedTx(tx, block, int(receipt["gasUsed"], 16), deltas, given(receipt, account.owner), fee)


def _with_least(deltas: tuple[Delta, ...], tx: UnsignedTx, work: LegWork | None) -> tuple[Delta, ...]:
    """The changes, with what a swap's own bytes hold it to."""
    calls = work.calls if work else ()
    least = next((c.least for c in calls if c.least and c.to.lower() == tx.to.lower() and c.data == tx.data), None)
    if least is None:
        return deltas
    return tuple(replace(d, least=least.raw) if d.token == least.token else d for d in deltas)


async def priority_fee(account: Account) -> int:
    """What we tip, in wei per gas: the node's suggestion up to the chain's setting, or the setting."""
    ours = int(account.settings.priority_fee_gwei * 10**9)
    suggested = await account.node.priority_fee_wei()
    return min(suggested, ours) if suggested else ours


async def fees_at(account: Account, block: BlockRef) -> Fees | Declined:
    """What is asked per gas after a block, or that its price lies above the ceiling."""
    _, base_fee_wei = await account.node.block_and_base_fee(block.height)
    return price(base_fee_wei, await priority_fee(account), account.max_fee_wei)


async def leg_calls(account: Account, node: Node, work: LegWork) -> tuple[EvmCall, ...]:
    """The leg's calls with the allowances they need, given those that the node shows."""
    needs = {(call.allowance.token, call.allowance.spender) for call in work.calls if call.allowance}
    existing = {
        (token, spender): await allowance(node, token.address, account.owner, spender) for token, spender in needs
    }
    return with_allowances(work.calls, existing, spender_names(work))


async def _leg(account: Account, fork: Node, work: LegWork, fees: Fees) -> RehearsedLeg | Declined:
    tokens = (*work.watched, account.native) if account.pays_gas else work.watched
    before = await balances(fork, account.owner, tokens)
    worth_raw = await _worth(fork, work)
    if work.provides is not None:
        ran = await run_steps(account, fork, work.provides.steps, fees, work.provides)
        if isinstance(ran, Declined):
            return ran
        left = await still_allowed(account, fork, work.provides.pair, work.provides.spenders)
        return left or await _done(account, fork, work, before, worth_raw, ran, fees)
    done: list[RehearsedTx] = []
    touched: set[tuple[Address, Address]] = set()
    for call in await leg_calls(account, fork, work):
        fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value)}
        try:
            needed = int(await fork.request("eth_estimateGas", [fields]), 16)
        except NodeRefused as refusal:
            return would_revert(account, call.description, refusal)
        limit, fee = await rehearsed_gas(account, fork, call, needed, fees)
        if limit > account.max_gas:
            return Declined("GAS_ABOVE_LIMIT", f"{call.description}: {limit} gas, allowed are {account.max_gas}")
        if (short := await short_of_native(account, fork, limit * fees.max_fee_wei + call.value, fee)) is not None:
            return short
        priced = {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.priority_fee_wei)}
        receipt = await mined(account, fork, fields | priced | {"gas": hex(limit)}, call.description)
        if isinstance(receipt, Declined):
            return receipt
        if (stray := _stray(receipt, account.owner, work.may_move)) is not None:
            return stray
        touched |= allowances_touched(receipt, account.owner)
        note_request(account, receipt, work)
        await charge(account, fork, fee, int(receipt["effectiveGasPrice"], 16))
        done.append(RehearsedTx(call, int(receipt["gasUsed"], 16), limit, fee))
    if work.leg.kind is LegKind.DEPOSIT and (idle := await _took_nothing(account, fork, work, before)) is not None:
        return idle
    for token_address, spender in sorted(touched):
        if raw := await allowance(fork, token_address, account.owner, spender):
            message = f"{work.market.name}: {raw} units of {token_address} stay allowed to {spender}"
            return Declined("ALLOWANCE_LEFT", message)
    if (left_on := await still_permitted(fork, account.owner, work.calls)) is not None:
        return Declined(left_on.code, f"{work.market.name}: {left_on.reason}")
    return await _done(account, fork, work, before, worth_raw, tuple(done), fees)


async def _took_nothing(account: Account, fork: Node, work: LegWork, before: Mapping[Token, int]) -> Declined | None:
    """Why a deposit failed that took nothing at all: some protocols answer an error code and do not revert. Its own
    allowance then stays as it was given, which is this market's failure and no theft."""
    deltas = changes(before, await balances(fork, account.owner, before))
    if change_of(deltas, work.leg.amount.token):
        return None
    return leg_fault(work, deltas, account.tolerance_bps)


async def _done(
    account: Account,
    fork: Node,
    work: LegWork,
    before: Mapping[Token, int],
    worth_raw: int | None,
    txs: tuple[RehearsedTx, ...],
    fees: Fees,
) -> RehearsedLeg | Declined:
    """A leg whose calls all went through, or why their effect is not the leg's meaning."""
    deltas = changes(before, await balances(fork, account.owner, before))
    if provides := work.provides:
        other = next(token for token in provides.pair if token != work.leg.amount.token)
        fault = provided_fault(work.leg, other, deltas, account.tolerance_bps + provides.slippage_bps)
    else:
        fault = leg_fault(work, deltas, account.tolerance_bps)
    if fault is not None:
        return fault
    if worth_raw is not None:
        gained = (await _worth(fork, work) or 0) - worth_raw
        cost = provides.entry_cost_bps if provides else work.entry_cost_bps
        if (loss := worth_fault(work, gained, account.tolerance_bps, cost)) is not None:
            return loss
    if work.leg.kind in (LegKind.DEPOSIT, LegKind.REBALANCE):
        trap = await way_out(account, fork, work, worth_raw or 0, fees)
        if trap is not None:
            return trap
    return RehearsedLeg(work.index, txs, deltas)


async def run_steps(
    account: Account, fork: Node, steps: Steps, fees: Fees, provides: Provides | None = None
) -> tuple[RehearsedTx, ...] | Declined:
    """Every step on the fork, or why one would fail or does not let itself be made. ``fees``: what is asked per gas;
    ``provides``: whose tally is kept."""
    priced = {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.priority_fee_wei)}
    done: list[RehearsedTx] = []
    pair = provides.pair if provides else ()
    if provides:
        provides.tally.begin()
    try:
        async for step in steps(fork):
            call = step.call
            fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": "0x0"}
            try:
                needed = int(await fork.request("eth_estimateGas", [fields]), 16)
            except NodeRefused as refusal:
                return would_revert(account, call.description, refusal)
            limit, fee = await rehearsed_gas(account, fork, call, needed, fees)
            if limit > account.max_gas:
                return Declined("GAS_ABOVE_LIMIT", f"{call.description}: {limit} gas, allowed are {account.max_gas}")
            if (short := await short_of_native(account, fork, limit * fees.max_fee_wei, fee)) is not None:
                return short
            before = await balances(fork, account.owner, pair)
            receipt = await mined(account, fork, fields | priced | {"gas": hex(limit)}, call.description)
            if isinstance(receipt, Declined):
                return receipt
            if provides:
                provides.tally.add(changes(before, await balances(fork, account.owner, pair)))
            allowed = frozenset(token.address.lower() for token in step.moves)
            if (stray := _stray(receipt, account.owner, allowed)) is not None:
                return replace(stray, reason=f"{call.description}: {stray.reason}")
            await charge(account, fork, fee, int(receipt["effectiveGasPrice"], 16))
            done.append(RehearsedTx(call, int(receipt["gasUsed"], 16), limit, fee))
    except SafetyError as refused:
        return Declined(refused.code, refused.message)
    except MarketError as unread:
        return Declined("MARKET_UNREADABLE", str(unread))
    return tuple(done)


async def still_allowed(
    account: Account, node: Node, tokens: Sequence[Token], spenders: Sequence[Address]
) -> Declined | None:
    """The first allowance of ours that is left; None where there is none."""
    for token in tokens:
        for spender in spenders:
            if left := await allowance(node, token.address, account.owner, spender):
                message = f"{Amount(token, left)} would stay allowed to {spender}"
                return Declined(
                    "ALLOWANCE_LEFT", f"{message}: `yieldbot allowances --revoke` takes back what is already"
                )
    return None


async def _worth(fork: Node, work: LegWork) -> int | None:
    """What our position in the market is worth on the fork, as the adapter reads it; None where nobody asks (what goes
    in, and what only begins to leave, is judged by it). A market that cannot be read then is worth nothing to us."""
    if work.observe is None or work.leg.kind not in JUDGED_BY_WORTH:
        return None
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    return 0 if isinstance(state, MarketError) else state.held.raw


def note_request(account: Account, receipt: Mapping[str, Any], work: LegWork) -> None:
    """A request that was made of the leg's market on the fork is asked for from now on. Not a Safe's: of what others
    send we see no receipt on the chain either, and would not know its number then."""
    number = request_of(receipt, work.market.address, account.owner)
    if number is not None and number not in work.requests and account.pays_gas:
        work.requests.append(number)


def _stray(receipt: Mapping[str, Any], owner: Address, allowed: frozenset[str]) -> Declined | None:
    stray = (tokens_sent(receipt, owner) - allowed) | nfts_sent(receipt, owner)
    if not stray:
        return None
    return Declined(
        "UNKNOWN_TOKEN_MOVED", f"tokens that the plan does not name would leave: {', '.join(sorted(stray))}"
    )
