"""A swap is signed by its terms alone: whatever says another recipient, way, least output or deadline is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from tests.kit.draws import draws
from tests.kit.wiring import (
    ABI,
    APPROVAL,
    CHAIN,
    EXPIRES,
    MARKET,
    NOW,
    OWNER,
    RULES,
    STRANGER,
    USDC,
    allowance_tx,
    plan,
    simulated,
    supply_tx,
    work,
)
from yieldbot.chains.evm.execution.abi_calls import abi_functions, functions, selector
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.swap_work import lasting
from yieldbot.errors import MarketError
from yieldbot.execution.approvals import Approval
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, SwapTerms, tokens_along, v3_path
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.policy import Base
from yieldbot.model.tx import Allowance, ApprovedTx, EvmCall
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.base import SwapAdapter
from yieldbot.resources import folder

WETH = Token(CHAIN, Address("0x4200000000000000000000000000000000000006"), "WETH", 18)
DAI = Token(CHAIN, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)
ROUTER = Address("0xE592427A0AEce92De3Edee1F18E0157C05861564")
DEADLINE = NOW + 600
V3, V2, SLIPSTREAM = "uniswap_v3", "uniswap_v2", "slipstream"
GIVEN, LEAST = Amount(USDC, 1000 * 10**6), Amount(DAI, 9991 * 10**17)


def pool(
    a: Token, b: Token, fee: int = 500, protocol: str = V3, router: str | None = ROUTER, router02: bool = False
) -> Pool:
    zero, one = sorted((a, b), key=lambda token: int(token.address, 16))
    key = "tick_spacing" if protocol == SLIPSTREAM else "fee"
    params = {key: fee, "router": router, "router02": router02}
    return Pool(protocol, f"Uniswap {fee / 10**6:.2%}", STRANGER, zero, one, params)


WAYS = {
    "v3 one pool": (V3, (pool(USDC, DAI, 100),)),
    "v3 two pools": (V3, (pool(USDC, WETH, 500), pool(WETH, DAI, 3000))),
    "router02 one pool": (V3, (pool(USDC, DAI, 100, router02=True),)),
    "router02 two pools": (V3, (pool(USDC, WETH, 500, router02=True), pool(WETH, DAI, 3000, router02=True))),
    "slipstream one pool": (SLIPSTREAM, (pool(USDC, DAI, 1, SLIPSTREAM),)),
    "slipstream two pools": (SLIPSTREAM, (pool(USDC, WETH, 100, SLIPSTREAM), pool(WETH, DAI, 200, SLIPSTREAM))),
    "v2 one pool": (V2, (pool(USDC, DAI, protocol=V2),)),
    "v2 two pools": (V2, (pool(USDC, WETH, protocol=V2), pool(WETH, DAI, protocol=V2))),
}
ABIS = abi_functions(folder("abis"))


def adapter(name: str) -> SwapAdapter:
    return exchanges()[name]


def built(way: str, **changes: object) -> EvmCall:
    protocol, pools = WAYS[way]
    terms = {"pools": pools, "given": GIVEN, "least": LEAST, "owner": OWNER, "deadline": DEADLINE} | changes
    (call,) = adapter(protocol).swap(**terms)  # type: ignore[arg-type]
    return call


def code(way: str, call: EvmCall, now: int = NOW, **terms: object) -> str | None:
    """The decoder's refusal of a call under the way's terms; None when it is let pass."""
    agreed = replace(SwapTerms(WAYS[way][1], GIVEN, LEAST), **terms)  # type: ignore[arg-type]
    found = objection(ABIS.get(call.data[:4], ()), call.data, OWNER, frozenset(), GIVEN.raw, agreed, now, ABIS)
    return found[0] if found else None


@pytest.mark.parametrize("way", WAYS)
def test_a_swap_says_what_it_does_and_passes_by_its_terms(way: str) -> None:
    protocol, pools = WAYS[way]
    call = built(way)
    assert call.to == ROUTER and call.value == 0 and call.least == LEAST and call.allowance is not None
    assert (call.allowance.token, call.allowance.spender, call.allowance.raw) == (USDC, ROUTER, GIVEN.raw)
    assert call.description.startswith("swap 1,000 USDC for at least 999.1 DAI") and "Uniswap" in call.description
    assert ("through WETH" in call.description) == (len(pools) == 2)
    assert adapter(protocol).targets(pools) == {ROUTER: frozenset({call.data[:4]})}
    assert adapter(protocol).spenders(pools) == (ROUTER,)
    assert code(way, call) is None
    unplanned = objection(ABIS[call.data[:4]], call.data, OWNER, frozenset(), GIVEN.raw)
    name = next(iter(ABIS[call.data[:4]])).name
    opaque = "ARGUMENT_NOT_KNOWN", f"{name}: deadline has the role deadline, which no such call of ours has"
    assert unplanned == (
        opaque if name == "multicall" else ("SWAP_NOT_PLANNED", f"{name}: a swap, and the leg is none")
    )


@pytest.mark.parametrize("way", WAYS)
def test_whatever_leaves_the_terms_is_refused_by_name(way: str) -> None:
    protocol, pools = WAYS[way]
    keys = {"tick_spacing": 2000} if protocol == SLIPSTREAM else {"fee": 10_000}
    fees = tuple(replace(one, params={**one.params, **keys}) for one in pools)
    for expected, call in (
        ("RECIPIENT_NOT_SELF", built(way, owner=STRANGER)),
        ("RECIPIENT_NOT_SELF", built(way, owner=ROUTER)),
        ("RECIPIENT_NOT_SELF", built(way, owner=Address("0x" + "00" * 20))),
        ("LEAST_BELOW_PLAN", built(way, least=Amount(DAI, LEAST.raw - 1))),
        ("LEAST_BELOW_PLAN", built(way, least=Amount(DAI, 0))),
        ("AMOUNT_ABOVE_PLAN", built(way, given=Amount(USDC, GIVEN.raw + 1))),
        ("AMOUNT_NOT_EXACT", built(way, given=Amount(USDC, GIVEN.raw - 1))),
        ("DEADLINE_NOT_NEAR", built(way, deadline=NOW)),
        ("DEADLINE_NOT_NEAR", built(way, deadline=NOW - 1)),
        ("DEADLINE_NOT_NEAR", built(way, deadline=NOW + 3601)),
        ("DEADLINE_NOT_NEAR", built(way, deadline=2**256 - 1)),
    ):
        assert code(way, call) == expected, call
    assert code(way, built(way), now=DEADLINE) == "DEADLINE_NOT_NEAR"
    if protocol != V2:
        assert code(way, built(way, pools=fees)) == "PATH_NOT_PLANNED"
    other = tuple(reversed(pools)) if len(pools) == 2 else (pool(USDC, WETH, 100, protocol),)
    assert code(way, built(way), pools=other) == "PATH_NOT_PLANNED"
    by = {"protocol": protocol, "router02": way.startswith("router02")}
    between = (pool(USDC, WETH, 500, **by), pool(WETH, DAI, 3000, **by))
    longer = between if len(pools) == 1 else (pool(USDC, DAI, 100, **by),)
    (call,) = adapter(protocol).swap(longer, GIVEN, LEAST, OWNER, DEADLINE)
    assert code(way, call) == "PATH_NOT_PLANNED"


@pytest.mark.parametrize("way", WAYS)
def test_no_mutant_of_a_swap_says_more(way: str) -> None:
    """Bits and words changed: what passes is the call itself with a higher least output or another near deadline."""
    good, draw, passed = built(way), random.Random(7), 0
    for _ in range(draws(400, 2000)):
        raw = bytearray(good.data)
        if draw.random() < 0.5:
            raw[draw.randrange(4, len(raw))] ^= 1 << draw.randrange(8)
        else:
            at = 4 + 32 * draw.randrange((len(raw) - 4) // 32)
            raw[at : at + 32] = draw.choice([0, 1, 2**256 - 1, int(STRANGER, 16), draw.getrandbits(64)]).to_bytes(
                32, "big"
            )
        mutant = replace(good, data=bytes(raw))
        if mutant.data == good.data or code(way, mutant) is not None:
            continue
        passed += 1
        changed = [(w, i) for i, w in enumerate(words_of(mutant.data)) if w != words_of(good.data)[i]]
        ((word, at),) = changed
        before = words_of(good.data)[at]
        assert (before == LEAST.raw and word > before) or (before == DEADLINE and NOW < word <= NOW + 3600)
    assert passed


def words_of(data: bytes) -> list[int]:
    """The words of a call; of a multicall those of the call in it, after its deadline."""
    if len(data) > 132 and data[:4] == selector("multicall(uint256,bytes[])"):
        (inner,) = decode(["uint256", "bytes[]"], data[4:])[1]
        return [int.from_bytes(data[4:36], "big"), *words_of(bytes(inner))]
    return [int.from_bytes(data[at : at + 32], "big") for at in range(4, len(data), 32)]


def test_a_multicall_holds_one_swap_of_its_router_and_nothing_else() -> None:
    call, terms = built("router02 one pool"), SwapTerms(WAYS["router02 one pool"][1], GIVEN, LEAST)
    multicall = call.data[:4]
    (swap,) = decode(["uint256", "bytes[]"], call.data[4:])[1]
    sweep = selector("sweepToken(address,uint256,address)") + encode(
        ["address", "uint256", "address"], [USDC.address, 0, STRANGER]
    )
    first, second = built("v3 one pool").data, built("v2 one pool").data
    again = multicall + encode(["uint256", "bytes[]"], [DEADLINE, [swap]])

    def refused(calls: list[bytes], deadline: int = DEADLINE, tail: bytes = b"") -> str | None:
        return said(multicall + encode(["uint256", "bytes[]"], [deadline, calls]) + tail)

    def said(data: bytes) -> str | None:
        found = objection(ABIS[data[:4]], data, OWNER, frozenset(), GIVEN.raw, terms, NOW, ABIS)
        return found[0] if found else None

    assert again == call.data and refused([swap]) is None
    for calls in ([], [swap, swap], [swap, sweep], [sweep, swap]):
        assert refused(calls) == "SWAP_NOT_PLANNED"
    for one in (sweep, b"", swap[:-1], swap + bytes(32), call.data, second, first[:4] + swap[4:]):
        assert refused([one]) == "CALLDATA_UNKNOWN", one.hex()
    assert refused([first]) == "CALLDATA_MALFORMED", "the other router's call has a deadline of its own"
    assert refused([swap], tail=bytes(32)) == "CALLDATA_MALFORMED"
    assert refused([swap], deadline=NOW) == refused([swap], deadline=NOW + 3601) == "DEADLINE_NOT_NEAR"
    assert said(swap) == "SWAP_NOT_BOUND", "without the multicall it would wait for ever"
    # What the router would read as "to whoever calls" and "to the router itself", and all of what lies there.
    for marker in (1, 2):
        (to_marker,) = decode(["uint256", "bytes[]"], built("router02 one pool", owner=f"0x{marker:040x}").data[4:])[1]
        assert refused([to_marker]) == "RECIPIENT_NOT_SELF"
    (all_of_it,) = decode(["uint256", "bytes[]"], built("router02 one pool", given=Amount(USDC, 0)).data[4:])[1]
    assert refused([all_of_it]) == "AMOUNT_NOT_EXACT"


@pytest.mark.parametrize("protocol", ["curve_stableswap", "curve_crypto", "curve_meta"])
def test_a_swap_of_curves_names_its_coins_and_pays_whoever_calls(protocol: str) -> None:
    coins = (USDC.address, DAI.address, WETH.address)
    three = replace(pool(USDC, DAI, protocol=protocol), params={"coins": coins, "router": STRANGER})
    if protocol == "curve_meta":
        three = replace(three, params={**three.params, "coins": (USDC.address, ROUTER), "underlying": coins})
    curve, terms = adapter(protocol), SwapTerms((three,), GIVEN, LEAST)
    (call,) = curve.swap((three,), GIVEN, LEAST, OWNER, DEADLINE)
    assert call.to == STRANGER and call.least == LEAST and call.allowance is not None
    assert (call.allowance.spender, call.allowance.raw) == (STRANGER, GIVEN.raw)
    assert curve.targets((three,)) == {STRANGER: frozenset({call.data[:4]})} and curve.spenders((three,)) == (STRANGER,)

    def refused(data: bytes, terms: SwapTerms = terms) -> str | None:
        found = objection(ABIS[data[:4]], data, OWNER, frozenset(), GIVEN.raw, terms, NOW)
        return found[0] if found else None

    def said(i: int, j: int, dx: int = GIVEN.raw, least: int = LEAST.raw) -> bytes:
        return call.data[:4] + b"".join(n.to_bytes(32, "big", signed=n < 0) for n in (i, j, dx, least))

    assert said(0, 1) == call.data and refused(call.data) is None
    assert refused(said(0, 1, least=LEAST.raw + 1)) is None
    for data in (said(1, 0), said(0, 2), said(2, 1), said(0, -1)):
        assert refused(data) == "PATH_NOT_PLANNED"
    assert refused(said(0, 1, dx=GIVEN.raw + 1)) == "AMOUNT_ABOVE_PLAN"
    assert refused(said(0, 1, dx=GIVEN.raw - 1)) == "AMOUNT_NOT_EXACT"
    assert refused(said(0, 1, least=LEAST.raw - 1)) == "LEAST_BELOW_PLAN"
    assert refused(call.data, SwapTerms(WAYS["v3 one pool"][1], GIVEN, LEAST)) == "PATH_NOT_PLANNED"
    other = SwapTerms((replace(three, params={"coins": coins[:1], "underlying": coins[1:]}),), GIVEN, LEAST)
    assert refused(call.data, other) == "PATH_NOT_PLANNED", "an index into a list that lacks one of the tokens"
    if protocol == "curve_meta":  # the same indexes of the metapool's own coins: shares of the base would come out
        exchange = adapter("curve_stableswap").swap((replace(three, params={"coins": coins}),), GIVEN, LEAST, OWNER, 0)
        assert exchange[0].data[4:] == call.data[4:] and refused(exchange[0].data) == "PATH_NOT_PLANNED"
    with pytest.raises(MarketError, match="one at a time"):
        curve.swap((three, three), GIVEN, LEAST, OWNER, DEADLINE)


def test_the_signer_takes_the_adapters_own_bytes_alone() -> None:
    """``judge`` over the whole: the terms, then byte for byte; a higher least output is still another call."""
    call, terms = built("v3 one pool"), SwapTerms(WAYS["v3 one pool"][1], GIVEN, LEAST)
    swap = Leg(LegKind.SWAP, MARKET.id, GIVEN, gets=LEAST)
    targets = {ROUTER: frozenset({call.data[:4]})}
    swapping = replace(work(), leg=swap, calls=(call,), targets=targets, spenders=(ROUTER,), swaps=(terms,))
    approval = Approval(plan(swap), "test", EXPIRES)
    rules = replace(RULES, abi={**RULES.abi, call.data[:4]: ABIS[call.data[:4]]})
    tx = supply_tx(to=ROUTER, data=call.data, description=call.description)

    def refused(data: bytes = call.data, now: int = NOW, **changes: Any) -> str | None:
        ran = simulated(replace(tx, data=data), -GIVEN.raw)
        ran = replace(ran, block=replace(ran.block, timestamp=now))  # deadlines are in the chain's time
        found = judge(rules, approval, replace(swapping, **changes), ran, NOW)
        return found.code if isinstance(found, Declined) else None

    brief = judge(rules, approval, replace(swapping, lasts_seconds=60), simulated(tx, -GIVEN.raw), NOW)
    assert isinstance(brief, ApprovedTx) and brief.expires_at == NOW + 60, "never sent again after its deadline"
    assert refused() is None
    assert refused(built("v3 one pool", least=Amount(DAI, LEAST.raw + 1)).data) == "NOT_THE_CALL"
    assert refused(built("v3 one pool", least=Amount(DAI, LEAST.raw - 1)).data) == "LEAST_BELOW_PLAN"
    assert refused(built("v3 one pool", owner=STRANGER).data) == "RECIPIENT_NOT_SELF"
    assert refused(built("v3 two pools").data) == "SELECTOR_NOT_ALLOWED"
    assert refused(now=DEADLINE) == "DEADLINE_NOT_NEAR"
    assert refused(swaps=()) == "SWAP_NOT_PLANNED"
    half = replace(terms, given=Amount(USDC, GIVEN.raw // 2), least=Amount(DAI, LEAST.raw // 2))
    assert refused(swaps=(half,)) == "SWAP_NOT_PLANNED" and refused(swaps=(half, half)) == "AMOUNT_ABOVE_PLAN"
    assert refused(swaps=(replace(terms, least=Amount(DAI, LEAST.raw - 1)),)) == "SWAP_NOT_PLANNED"
    allowance = replace(allowance_tx(GIVEN.raw, ROUTER), description="allow")
    assert not isinstance(judge(rules, approval, swapping, simulated(allowance), NOW), Declined)
    too_much = allowance_tx(GIVEN.raw + 1, ROUTER)
    found = judge(rules, approval, swapping, simulated(too_much), NOW)
    assert isinstance(found, Declined) and found.code == "ALLOWANCE_NOT_EXACT"
    # A deposit's leg signs no swap, whatever terms stand beside it.
    deposit = replace(work(), calls=(call,), targets=targets)
    for one in (deposit, replace(deposit, swaps=(terms,))):
        found = judge(rules, APPROVAL, one, simulated(tx, -GIVEN.raw), NOW)
        assert isinstance(found, Declined) and found.code == "SWAP_NOT_PLANNED"


def test_terms_alone_let_no_other_call_pass() -> None:
    """A leg that swaps signs swaps: a supply under its terms is refused, and so is a swap that says too little."""
    terms = SwapTerms(WAYS["v2 one pool"][1], GIVEN, LEAST)
    known = frozenset({USDC.address.lower()})
    (supply,) = functions(ABI)
    refused = objection((supply,), supply_tx().data, OWNER, known, 2**255, terms, NOW)
    assert refused is not None and refused[0] == "ARGUMENT_NOT_KNOWN"
    roles = {"amountIn": "amount_in", "amountOutMin": "least_out"}
    named = [{"name": name, "type": "uint256", "role": role} for name, role in roles.items()]
    (short,) = functions([{"type": "function", "name": "swap", "inputs": named}])
    data = selector(short.signature) + GIVEN.raw.to_bytes(32, "big") + LEAST.raw.to_bytes(32, "big")
    refused = objection((short,), data, OWNER, known, GIVEN.raw, terms, NOW)
    assert refused is not None and refused[0] == "SWAP_NOT_BOUND"


def test_pools_must_lead_there_by_one_router() -> None:
    v3 = adapter(V3)
    with pytest.raises(MarketError, match="names no router"):
        v3.swap((pool(USDC, DAI, router=None),), GIVEN, LEAST, OWNER, DEADLINE)
    with pytest.raises(MarketError, match="one router"):
        v3.targets((pool(USDC, WETH), pool(WETH, DAI, router=STRANGER)))
    with pytest.raises(MarketError, match="one router"):
        v3.spenders((pool(USDC, WETH), pool(WETH, DAI, router=None)))
    for pools in ((pool(USDC, WETH),), (pool(WETH, DAI),), (pool(WETH, DAI), pool(USDC, WETH))):
        with pytest.raises(ValueError, match=r"does not take|do not lead"):
            v3.swap(pools, GIVEN, LEAST, OWNER, DEADLINE)
    assert tokens_along(WAYS["v3 two pools"][1], USDC, DAI) == (USDC, WETH, DAI)
    packed = v3_path(SwapTerms(WAYS["v3 two pools"][1], GIVEN, LEAST))
    assert (
        len(packed) == 66 and packed[20:23] == (500).to_bytes(3, "big") and packed[43:46] == (3000).to_bytes(3, "big")
    )


def test_reverts_of_routers_in_words() -> None:
    from eth_abi.abi import encode

    def reverted(text: str) -> bytes:
        return bytes.fromhex("08c379a0") + encode(["string"], [text])

    assert "less than the least" in str(adapter(V3).explain_revert(reverted("Too little received")))
    assert "deadline is over" in str(adapter(V2).explain_revert(reverted("UniswapV2Router: EXPIRED")))
    assert adapter(V2).explain_revert(reverted("something else")) == "something else"
    assert adapter(V3).explain_revert(b"\x01\x02\x03\x04") is None


def test_a_legs_deadline_leaves_time_for_each_of_its_transactions() -> None:
    call = EvmCall(ROUTER, b"", 0, "")
    allowed = replace(call, allowance=Allowance(USDC, ROUTER, 1))
    base = Base(unit="USD", shares={}, deadline_seconds=600)
    assert lasting([call], base) == 600 and lasting([allowed], base) == 1200 and lasting([call, allowed], base) == 1800
    assert lasting([allowed] * 4, base) == 3600, "never more than what the judge lets be"
