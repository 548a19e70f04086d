"""The policy on liquidity denies by default: whatever is not the order's own is refused, whoever built the bytes."""

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.evm.pool_calls import MANAGER, POOL, POSITION, ROUTER, RULES, STATE, WETH, swapped
from tests.kit.wiring import BLOCK, CHAIN, EXPIRES, NOW, OWNER, STRANGER, USDC
from yieldbot.chains.evm.execution.balances import abi_word, nfts_sent, tokens_sent
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.judge import judge_liquidity
from yieldbot.chains.evm.liquidity.order import LiquidityOrder
from yieldbot.execution.approvals import NEVER
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx, Delta, EvmCall, SimulatedTx, UnsignedTx
from yieldbot.protocols.evm import position_manager as calls
from yieldbot.protocols.evm.abi import abi

NEW = LiquidityOrder(
    id="lp-add",
    manager=MANAGER,
    tokens=(WETH, USDC),
    fee_pips=500,
    token_id=None,
    ticks=(-100, 100),
    most=(1000, 2000),
    least_put=(900, 1800),
    expires_at=EXPIRES,
)
OURS = replace(NEW, token_id=7, ticks=None, liquidity=500, least_out=(90, 180))
SWAP = replace(OURS, most=(1000, 0), router=ROUTER, swap=SwapTerms((POOL,), Amount(WETH, 1000), Amount(USDC, 1900)))


def tx(call: EvmCall, order: LiquidityOrder, **changes: Any) -> UnsignedTx:
    fields: dict[str, Any] = {"plan_id": order.id, "leg": 0, "market_id": MarketId("uniswap_v3_lp/8453/0x")}
    made = UnsignedTx(CHAIN, OWNER, call.to, call.data, 0, 3, 500_000, 2 * 10**9, 10**9, call.description, **fields)
    return replace(made, **changes)


def judged(
    call: EvmCall, order: LiquidityOrder, *deltas: Delta, now: int = NOW, **changes: Any
) -> ApprovedTx | Declined:
    seen = SimulatedTx(tx(call, order, **changes), BLOCK, 400_000, deltas)
    return judge_liquidity(RULES, order, call, seen, now)


def code(call: EvmCall, order: LiquidityOrder, *deltas: Delta, **rest: Any) -> str | None:
    found = judged(call, order, *deltas, **rest)
    return found.code if isinstance(found, Declined) else None


WHOLE = Range(-100, 100)


def minted(ticks: Range = WHOLE, most: Any = (1000, 2000), least: Any = (900, 1800), **rest: Any) -> EvmCall:
    state = replace(STATE, **{k: v for k, v in rest.items() if k in ("fee", "manager", "pool")})
    return calls.mint(state, ticks, most, least, rest.get("owner", OWNER), rest.get("deadline", EXPIRES))


GOOD = [
    (minted(), NEW),
    (calls.increase(STATE, 7, (1000, 2000), (900, 1800), EXPIRES), OURS),
    (calls.decrease(STATE, 7, 500, (90, 180), EXPIRES), OURS),
    (calls.collect(STATE, 7, OWNER), OURS),
    (allowance_call(WETH, MANAGER, 1000, "m"), NEW),
    (allowance_call(USDC, MANAGER, 0, "m"), NEW),
    (allowance_call(WETH, ROUTER, 1000, "r"), SWAP),
    (swapped(1900), SWAP),
]


@pytest.mark.parametrize(("call", "order"), GOOD, ids=lambda value: getattr(value, "words", ""))
def test_what_the_order_says_passes(call: EvmCall, order: LiquidityOrder) -> None:
    found = judged(call, order, Delta(WETH, 0), Delta(USDC, 0), Delta(POSITION, 1))
    assert isinstance(found, ApprovedTx), found
    assert found.expires_at == (NEVER if not any(call.data[36:]) else EXPIRES)


@pytest.mark.parametrize(
    ("expected", "call", "order"),
    [
        ("NOT_IN_PLAN", minted(Range(-110, 100)), NEW),
        ("NOT_IN_PLAN", minted(fee=0.003), NEW),
        ("NOT_IN_PLAN", minted(pool=replace(POOL, token0=POSITION)), NEW),
        ("NOT_IN_PLAN", minted(), OURS),
        ("AMOUNT_ABOVE_PLAN", minted(most=(1001, 2000)), NEW),
        ("BELOW_LEAST", minted(least=(899, 1800)), NEW),
        ("BELOW_LEAST", minted(least=(900, 0)), NEW),
        ("RECIPIENT_NOT_SELF", minted(owner=STRANGER), NEW),
        ("EXPIRED", minted(deadline=EXPIRES + 1), NEW),
        ("EXPIRED", minted(deadline=NOW), NEW),
        ("TARGET_NOT_ALLOWED", minted(manager=STRANGER), NEW),
        ("NOT_IN_PLAN", calls.increase(STATE, 8, (1, 1), (900, 1800), EXPIRES), OURS),
        ("NOT_IN_PLAN", calls.decrease(STATE, 8, 500, (90, 180), EXPIRES), OURS),
        ("NOT_IN_PLAN", calls.collect(STATE, 7, OWNER), NEW),
        ("AMOUNT_ABOVE_PLAN", calls.decrease(STATE, 7, 501, (90, 180), EXPIRES), OURS),
        ("BELOW_LEAST", calls.decrease(STATE, 7, 500, (89, 180), EXPIRES), OURS),
        ("RECIPIENT_NOT_SELF", calls.collect(STATE, 7, STRANGER), OURS),
        ("ALLOWANCE_NOT_EXACT", allowance_call(WETH, MANAGER, 1001, "m"), NEW),
        ("SPENDER_NOT_ALLOWED", allowance_call(WETH, STRANGER, 1000, "s"), NEW),
        ("SPENDER_NOT_ALLOWED", allowance_call(WETH, ROUTER, 1000, "r"), NEW),
        ("TARGET_NOT_ALLOWED", allowance_call(POSITION, STRANGER, 7, "nft"), replace(NEW, manager=ROUTER)),
        ("SELECTOR_NOT_ALLOWED", allowance_call(POSITION, STRANGER, 7, "nft"), OURS),  # approve(address,tokenId)
        ("SELECTOR_NOT_ALLOWED", EvmCall(MANAGER, bytes.fromhex("42842e0e") + bytes(96), 0, "send it away"), OURS),
        ("SELECTOR_NOT_ALLOWED", EvmCall(MANAGER, bytes.fromhex("ac9650d8") + bytes(64), 0, "multicall"), OURS),
        ("SELECTOR_NOT_ALLOWED", EvmCall(WETH.address, bytes.fromhex("a9059cbb") + bytes(64), 0, "transfer"), NEW),
        ("CALLDATA_MALFORMED", replace(minted(), data=minted().data + b"\0"), NEW),
        ("LEAST_BELOW_PLAN", swapped(1), SWAP),
        ("RECIPIENT_NOT_SELF", swapped(1900, STRANGER), SWAP),
        ("TARGET_NOT_ALLOWED", GOOD[-1][0], OURS),
    ],
)  # fmt: skip
def test_whatever_is_not_the_orders_is_refused(expected: str, call: EvmCall, order: LiquidityOrder) -> None:
    assert code(call, order) == expected


@pytest.mark.parametrize(
    ("expected", "rest"),
    [
        ("EXPIRED", {"now": EXPIRES}),
        ("NOT_THE_CALL", {"plan_id": "another"}),
        ("NOT_THE_CALL", {"to": STRANGER}),
        ("VALUE_NOT_ZERO", {"value": 1}),
        ("SENDER_NOT_SELF", {"sender": STRANGER}),
        ("GAS_ABOVE_LIMIT", {"gas": 10**7}),
        ("FEE_ABOVE_CEILING", {"max_fee_wei": 10**11}),
    ],
)
def test_the_bounds_of_every_transaction_hold_here_too(expected: str, rest: dict[str, Any]) -> None:
    assert code(minted(), NEW, **rest) == expected
    assert code(allowance_call(WETH, MANAGER, 0, "m"), NEW, now=EXPIRES + 10**6) is None, "taking back has no end"
    for call in (calls.collect(STATE, 7, OWNER), allowance_call(WETH, MANAGER, 1, "m")):  # which name no deadline
        order = NEW if call.to == WETH.address else OURS
        assert code(call, order, now=EXPIRES - 1) is None and code(call, order, now=EXPIRES) == "EXPIRED"


def test_what_it_did_on_the_fork_counts() -> None:
    assert code(minted(), NEW, Delta(WETH, -1001), Delta(USDC, 0)) == "DELTA_NOT_PLANNED"
    assert code(calls.collect(STATE, 7, OWNER), OURS, Delta(POSITION, -1)) == "UNKNOWN_TOKEN_MOVED"
    assert code(calls.collect(STATE, 7, OWNER), OURS, Delta(WETH, 89, 90)) == "BELOW_LEAST"


def test_a_changed_byte_never_says_another_account_position_pool_or_function() -> None:
    """Of the bytes that say who, which and where, no mutant passes; less than was approved may."""
    draw = random.Random(1)
    for call, order in GOOD:
        free = _amounts(call)
        for _ in range(200):
            at = draw.randrange(len(call.data))
            if at >= 4 and (at - 4) // 32 in free:
                continue
            data = bytearray(call.data)
            data[at] ^= 1 << draw.randrange(8)
            assert isinstance(judged(replace(call, data=bytes(data)), order), Declined), (call.description, at)


def _amounts(call: EvmCall) -> frozenset[int]:
    """Words of a call that are amounts or times: a smaller one is no harm."""
    function = RULES.abi[call.data[:4]][0]
    inner = function.inputs[0].get("components", function.inputs) if len(function.inputs) == 1 else function.inputs
    harmless = ("amount", "liquidity", "deadline", "value")
    return frozenset(i for i, one in enumerate(inner) if str(one["name"]).lower().startswith(harmless))


def test_a_position_that_leaves_is_seen() -> None:
    mine, other = "0x" + abi_word(OWNER).hex(), "0x" + abi_word(STRANGER).hex()
    sent = {"address": MANAGER, "topics": [TRANSFER_TOPIC, mine, other, "0x" + "07".rjust(64, "0")]}
    came = {"address": MANAGER, "topics": [TRANSFER_TOPIC, "0x" + "00" * 32, mine, "0x" + "07".rjust(64, "0")]}
    plain = {"address": USDC.address, "topics": [TRANSFER_TOPIC, mine, other]}
    assert nfts_sent({"logs": [sent, came, plain]}, OWNER) == {MANAGER.lower()}
    assert nfts_sent({"logs": [came, plain]}, OWNER) == frozenset()
    assert tokens_sent({"logs": [sent, plain]}, OWNER) == {MANAGER.lower(), USDC.address.lower()}


SHARE = Token(CHAIN, STRANGER, "pair", 18)
PAIR = replace(NEW, manager=ROUTER, ticks=None, share=SHARE, liquidity=500, least_out=(90, 180))


def paired(
    name: str, *numbers: int, to: Address = OWNER, tokens: Any = (WETH, USDC), deadline: int = EXPIRES
) -> EvmCall:
    return EvmCall(
        ROUTER, abi("uniswap_v2").encode(name, *(t.address for t in tokens), *numbers, to, deadline), 0, name
    )


@pytest.mark.parametrize(
    ("expected", "call"),
    [
        (None, paired("addLiquidity", 1000, 2000, 900, 1800)),
        (None, paired("removeLiquidity", 500, 90, 180)),
        (None, allowance_call(SHARE, ROUTER, 500, "r")),
        ("ALLOWANCE_NOT_EXACT", allowance_call(SHARE, ROUTER, 501, "r")),
        ("SPENDER_NOT_ALLOWED", allowance_call(SHARE, MANAGER, 500, "m")),
        ("AMOUNT_ABOVE_PLAN", paired("addLiquidity", 1001, 2000, 900, 1800)),
        ("AMOUNT_ABOVE_PLAN", paired("removeLiquidity", 501, 90, 180)),
        ("BELOW_LEAST", paired("addLiquidity", 1000, 2000, 0, 1800)),
        ("BELOW_LEAST", paired("removeLiquidity", 500, 90, 179)),
        ("RECIPIENT_NOT_SELF", paired("removeLiquidity", 500, 90, 180, to=STRANGER)),
        ("NOT_IN_PLAN", paired("removeLiquidity", 500, 90, 180, tokens=(USDC, WETH))),
        ("EXPIRED", paired("addLiquidity", 1000, 2000, 900, 1800, deadline=EXPIRES + 1)),
        ("SELECTOR_NOT_ALLOWED", replace(calls.collect(STATE, 7, OWNER), to=ROUTER)),
    ],
)
def test_shares_of_a_pair_are_judged_likewise(expected: str | None, call: EvmCall) -> None:
    assert code(call, PAIR) == expected
    assert code(paired("removeLiquidity", 500, 90, 180), PAIR, Delta(SHARE, -501)) == "DELTA_NOT_PLANNED"
    assert code(paired("addLiquidity", 1, 1, 900, 1800), NEW) == "TARGET_NOT_ALLOWED", "the order is of the manager"
