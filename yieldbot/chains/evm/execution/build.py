"""From an adapter's calls to unsigned EIP-1559 transactions: exact allowances, fees below the ceiling. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.evm.execution.abi_calls import APPROVE
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.permit2 import NAME as PERMIT2
from yieldbot.chains.evm.execution.permit2 import onward, permit_call
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Declined
from yieldbot.model.tx import EvmCall, UnsignedTx
from yieldbot.model.units import GWEI

GAS_MARGIN_PERCENT = 25
"""Added to the gas that the fork needed, because state changes between the simulation and the block that mines it."""

BASE_FEE_HEADROOM = 2
"""max_fee = this * base fee + priority fee, so that the base fee may double (six full blocks of +12.5 %) before the
transaction is too cheap."""


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees, in wei per gas."""

    max_fee_wei: int
    """Most that is paid, base fee and priority fee together."""
    priority_fee_wei: int
    """What the block's builder gets."""


@dataclass(frozen=True, slots=True)
class TxContext:
    """What a transaction needs beyond its call."""

    chain: ChainId
    """Where it is sent."""
    sender: Address
    """Our account."""
    plan_id: str
    """The plan that it belongs to."""
    leg: int
    """The leg's place in its plan, from 0."""
    market_id: MarketId
    """The leg's market."""


def allowance_call(token: Token, spender: Address, raw: int, spender_name: str) -> EvmCall:
    """The call ``approve(spender, raw)`` of a token (EIP-20); ``raw`` in base units; 0 revokes the allowance."""
    data = APPROVE + bytes(12) + bytes.fromhex(spender[2:]) + raw.to_bytes(32, "big")
    description = (
        f"allow {spender_name} to take exactly {Amount(token, raw)}"
        if raw
        else f"take back {spender_name}'s allowance of {token.symbol}"
    )
    return EvmCall(token.address, data, 0, description)


def revocation(given: GrantedAllowance) -> EvmCall:
    """The call ``approve(spender, 0)`` that revokes an allowance."""
    return allowance_call(given.token, given.spender, 0, given.name or given.spender)


def with_allowances(
    calls: Sequence[EvmCall], existing: Mapping[tuple[Token, Address], int], names: Mapping[Address, str]
) -> tuple[EvmCall, ...]:
    """The calls, each preceded by the calls that set the allowance it consumes.

    existing: allowances on the chain now, in base units. An exact one stays. Any other that is not zero is set to zero
    first: tokens such as USDT refuse to change it in one step. If Permit2 is the spender, its own allowance for the
    onward spender is set as well. names: spenders' names for the descriptions.
    """
    spread: list[EvmCall] = []
    given = dict(existing)
    for call in calls:
        need = call.allowance
        if need is not None:
            key = (need.token, need.spender)
            name = names.get(need.spender, need.spender)
            now = given.get(key, 0)
            if now != need.raw:
                if now:
                    spread.append(allowance_call(need.token, need.spender, 0, name))
                spread.append(allowance_call(need.token, need.spender, need.raw, name))
            if need.onward is not None:
                spread.append(permit_call(need, need.raw, names.get(need.onward.spender, need.onward.spender)))
            given[key] = 0  # the call consumes it in full
        spread.append(call)
    return tuple(spread)


def spender_names(work: LegWork) -> dict[Address, str]:
    """The names of a leg's spenders, for the person who approves."""
    names = {spender: work.market.name for spender in work.spenders}
    return names | {need.spender: PERMIT2 for need in onward(work.calls)}


def price(base_fee_wei: int, priority_fee_wei: int, ceiling_wei: int) -> Fees | Declined:
    """Fees for the next blocks; FEE_ABOVE_CEILING if base fee and priority fee now exceed the ceiling. All in wei per
    gas."""
    now = base_fee_wei + priority_fee_wei
    if now > ceiling_wei:
        return Declined(
            "FEE_ABOVE_CEILING",
            f"gas costs {significant(now / GWEI, 4)} gwei now, above the ceiling of "
            f"{significant(ceiling_wei / GWEI, 4)} gwei (max_fee_gwei)",
        )
    return Fees(min(BASE_FEE_HEADROOM * base_fee_wei + priority_fee_wei, ceiling_wei), priority_fee_wei)


def bumped(fees: Fees, paid: Fees) -> Fees:
    """Fees of a replacement for a transaction that offers ``paid``: ``fees``, but each at least 12.5 % above the old
    one (nodes demand 10 %, go-ethereum's --txpool.pricebump)."""

    def more(wei: int) -> int:
        return wei + wei // 8 + 1

    return Fees(max(fees.max_fee_wei, more(paid.max_fee_wei)), max(fees.priority_fee_wei, more(paid.priority_fee_wei)))


def gas_limit(needed: int) -> int:
    """The gas limit of a transaction that used ``needed`` gas on the fork: GAS_MARGIN_PERCENT more."""
    return needed + needed * GAS_MARGIN_PERCENT // 100


def unsigned(call: EvmCall, context: TxContext, nonce: int, gas: int, fees: Fees) -> UnsignedTx:
    """The unsigned transaction of one call."""
    return UnsignedTx(
        chain=context.chain,
        sender=context.sender,
        to=call.to,
        data=call.data,
        value=call.value,
        nonce=nonce,
        gas=gas,
        max_fee_wei=fees.max_fee_wei,
        priority_fee_wei=min(fees.priority_fee_wei, fees.max_fee_wei),
        description=call.description,
        plan_id=context.plan_id,
        leg=context.leg,
        market_id=context.market_id,
    )


def cancellation(context: TxContext, nonce: int, gas: int, fees: Fees, description: str) -> UnsignedTx:
    """An empty transfer to ourselves with the nonce of an unwanted transaction, so that the latter can never be mined.
    description: that transaction's."""
    return unsigned(EvmCall(context.sender, b"", 0, f"cancel: {description}"), context, nonce, gas, fees)
