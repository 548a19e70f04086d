"""A swap in Uniswap v4's pools is signed by its terms alone, read to the last byte; and so is Permit2's allowance."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from tests.kit.draws import draws
from tests.kit.wiring import CHAIN, EXPIRES, MARKET, NOW, OWNER, RULES, STRANGER, USDC, plan, simulated, supply_tx, work
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import spender_names, with_allowances
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.execution.permit2 import permit_call
from yieldbot.errors import MarketError
from yieldbot.execution.approvals import NEVER, Approval
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Allowance, ApprovedTx, EvmCall, Onward
from yieldbot.model.v4 import PLAN_TYPES, SETTLE_TYPES, SWAP_TYPE, TAKE_TYPES
from yieldbot.protocols import exchanges
from yieldbot.resources import folder

WETH = Token(CHAIN, Address("0x4200000000000000000000000000000000000006"), "WETH", 18)
DAI = Token(CHAIN, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)
ROUTER = Address("0x6fF5693b99212Da76ad316178A184AB56D299b43")
PERMIT2 = Address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
GIVEN, LEAST = Amount(USDC, 1000 * 10**6), Amount(DAI, 9991 * 10**17)
DEADLINE = NOW + 600
ABIS = abi_functions(folder("abis"))
V4 = exchanges()["uniswap_v4"]
OUTER = ["bytes", "bytes[]", "uint256"]


def pool(a: Token, b: Token, fee: int = 500, spacing: int = 10, router: str | None = ROUTER) -> Pool:
    zero, one = sorted((a, b), key=lambda token: int(token.address, 16))
    params = {"id": f"0x{fee:02x}", "fee": fee, "spacing": spacing, "router": router, "permit2": PERMIT2}
    return Pool("uniswap_v4", f"Uniswap v4 {fee / 10**6:.2%}", STRANGER, zero, one, params)


WAYS = {"one pool": (pool(USDC, DAI, 100, 1),), "two pools": (pool(USDC, WETH), pool(WETH, DAI, 3000, 60))}


def built(way: str, **changes: object) -> EvmCall:
    terms = {"pools": WAYS[way], "given": GIVEN, "least": LEAST, "owner": OWNER, "deadline": DEADLINE} | changes
    (call,) = V4.swap(**terms)  # type: ignore[arg-type]
    return call


def code(way: str, data: bytes, now: int = NOW, **terms: object) -> str | None:
    """The refusal of bytes under the way's terms; None when they are let pass."""
    agreed = replace(SwapTerms(WAYS[way], GIVEN, LEAST), **terms)  # type: ignore[arg-type]
    found = objection(ABIS.get(data[:4], ()), data, OWNER, frozenset(), GIVEN.raw, agreed, now)
    return found[0] if found else None


def spelled(call: EvmCall, **changes: Any) -> bytes:
    """The call again with parts changed. commands, inputs, deadline, actions; swaps, settle, take: what their values
    are mapped to; parts: likewise of the encoded list."""
    commands, (inner,), deadline = decode(OUTER, call.data[4:])
    actions, parts = decode(PLAN_TYPES, inner)
    swaps = [decode([SWAP_TYPE], part)[0] for part in parts[:-2]]
    swaps = [changes.get("swaps", lambda place, swap: swap)(place, swap) for place, swap in enumerate(swaps)]
    settle, take = decode(SETTLE_TYPES, parts[-2]), decode(TAKE_TYPES, parts[-1])
    again = [encode([SWAP_TYPE], [swap]) for swap in swaps]
    again.append(encode(SETTLE_TYPES, changes.get("settle", lambda *of: of)(*settle)))
    again.append(encode(TAKE_TYPES, changes.get("take", lambda *of: of)(*take)))
    again = changes.get("parts", lambda of: of)(again)
    plan_ = encode(PLAN_TYPES, [changes.get("actions", actions), again])
    inputs = changes.get("inputs", lambda one: [one])(plan_)
    return call.data[:4] + encode(OUTER, [changes.get("commands", commands), inputs, changes.get("deadline", deadline)])


@pytest.mark.parametrize("way", WAYS)
def test_a_swap_says_what_it_does_and_passes_by_its_terms(way: str) -> None:
    call = built(way)
    assert call.to == ROUTER and call.value == 0 and call.least == LEAST
    assert call.allowance == Allowance(USDC, PERMIT2, GIVEN.raw, Onward(ROUTER, DEADLINE))
    assert call.description.startswith("swap 1,000 USDC for at least 999.1 DAI") and "Uniswap v4" in call.description
    assert ("through WETH" in call.description) == (way == "two pools")
    assert V4.targets(WAYS[way]) == {ROUTER: frozenset({call.data[:4]})}
    assert V4.spenders(WAYS[way]) == (ROUTER, PERMIT2)
    assert spelled(call) == call.data and code(way, call.data) is None
    assert code(way, built(way, least=Amount(DAI, LEAST.raw + 1)).data) is None
    unplanned = objection(ABIS[call.data[:4]], call.data, OWNER, frozenset(), GIVEN.raw)
    assert unplanned is not None and unplanned[0] == "CALLDATA_OPAQUE"


def changed(place: int, at: int, value: Any) -> Any:
    """One member of one pool's swap is another."""

    def swaps(where: int, swap: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*swap[:at], value, *swap[at + 1 :]) if where == place else swap

    return {"swaps": swaps}


def rekeyed(place: int, at: int, value: Any) -> Any:
    """One member of one pool's key is another."""

    def swaps(where: int, swap: tuple[Any, ...]) -> tuple[Any, ...]:
        key = swap[0]
        return ((*key[:at], value, *key[at + 1 :]), *swap[1:]) if where == place else swap

    return {"swaps": swaps}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_leaves_the_terms_is_refused_by_name(way: str) -> None:
    call, last = built(way), len(WAYS[way]) - 1
    n = last + 1
    zero = WAYS[way][0].token0 == USDC
    for expected, changes in (
        ("DEADLINE_NOT_NEAR", {"deadline": NOW}),
        ("DEADLINE_NOT_NEAR", {"deadline": NOW + 3601}),
        ("COMMAND_NOT_KNOWN", {"commands": b""}),
        ("COMMAND_NOT_KNOWN", {"commands": b"\x90"}),  # may fail, and the rest goes on
        ("COMMAND_NOT_KNOWN", {"commands": b"\x04"}),
        ("ARGUMENT_NOT_KNOWN", {"commands": b"\x10\x04", "inputs": lambda one: [one, one]}),
        ("ARGUMENT_NOT_KNOWN", {"inputs": lambda one: []}),
        ("CALLDATA_MALFORMED", {"inputs": lambda one: [one + bytes(32)]}),
        ("CALLDATA_MALFORMED", {"inputs": lambda one: [b"nothing"]}),
        ("COMMAND_NOT_KNOWN", {"actions": b"\x06" * n + b"\x0b\x0e"}),  # to anybody
        ("COMMAND_NOT_KNOWN", {"actions": b"\x06" * n + b"\x0c\x0f"}),
        ("COMMAND_NOT_KNOWN", {"actions": b"\x08" * n + b"\x0b\x0f"}),
        ("COMMAND_NOT_KNOWN", {"actions": b"\x06" * (n + 1) + b"\x0b\x0f", "parts": lambda of: [of[0], *of]}),
        ("COMMAND_NOT_KNOWN", {"parts": lambda of: [*of, of[-1]]}),
        ("COMMAND_NOT_KNOWN", {"parts": lambda of: of[:-1]}),
        ("CALLDATA_MALFORMED", {"parts": lambda of: [of[0] + bytes(32), *of[1:]]}),
        ("CALLDATA_MALFORMED", {"parts": lambda of: [*of[:-1], of[-1] + bytes(32)]}),
        ("PATH_NOT_PLANNED", rekeyed(last, 0, STRANGER)),
        ("PATH_NOT_PLANNED", rekeyed(last, 1, STRANGER)),
        ("PATH_NOT_PLANNED", rekeyed(last, 2, 10_000)),
        ("PATH_NOT_PLANNED", rekeyed(last, 2, 0x800000)),
        ("PATH_NOT_PLANNED", rekeyed(last, 3, 200)),
        ("PATH_NOT_PLANNED", rekeyed(last, 4, STRANGER)),  # hooks
        ("PATH_NOT_PLANNED", changed(0, 1, not zero)),
        ("AMOUNT_ABOVE_PLAN", changed(0, 2, GIVEN.raw + 1)),
        ("AMOUNT_NOT_EXACT", changed(0, 2, GIVEN.raw - 1)),
        ("AMOUNT_NOT_EXACT", changed(0, 2, 0)),
        ("LEAST_BELOW_PLAN", changed(last, 3, LEAST.raw - 1)),
        ("CALLDATA_OPAQUE", changed(last, 4, b"x")),
        ("AMOUNT_ABOVE_PLAN", {"settle": lambda token, raw, ours: (token, raw + 1, ours)}),
        ("AMOUNT_NOT_EXACT", {"settle": lambda token, raw, ours: (token, 0, ours)}),
        ("AMOUNT_ABOVE_PLAN", {"settle": lambda token, raw, ours: (token, 1 << 255, ours)}),
        ("RECIPIENT_NOT_SELF", {"settle": lambda token, raw, ours: (token, raw, False)}),
        ("PATH_NOT_PLANNED", {"settle": lambda token, raw, ours: (WETH.address, raw, ours)}),
        ("PATH_NOT_PLANNED", {"take": lambda token, raw: (WETH.address, raw)}),
        ("LEAST_BELOW_PLAN", {"take": lambda token, raw: (token, raw - 1)}),
    ):
        data = spelled(call, **changes)
        assert data != call.data and code(way, data) == expected, changes
    if last:
        assert code(way, spelled(call, **changed(1, 2, 5))) == "AMOUNT_NOT_EXACT"
        assert code(way, spelled(call, **changed(0, 3, 1))) is None, "the first pool's own least harms nobody"
    assert code(way, call.data, now=DEADLINE) == "DEADLINE_NOT_NEAR"
    other = WAYS["two pools" if way == "one pool" else "one pool"]
    assert code(way, built(way, pools=other).data) == "COMMAND_NOT_KNOWN"
    assert code(way, call.data, pools=(replace(WAYS[way][0], protocol="uniswap_v3"),)) == "ARGUMENT_NOT_KNOWN"
    v3 = replace(pool(USDC, DAI, 100), protocol="uniswap_v3", params={"fee": 100, "router": ROUTER})
    (single,) = exchanges()["uniswap_v3"].swap((v3,), GIVEN, LEAST, OWNER, DEADLINE)
    assert code("one pool", single.data) == "ARGUMENT_NOT_KNOWN"


@pytest.mark.parametrize("way", WAYS)
def test_no_mutant_of_a_swap_says_more(way: str) -> None:
    """Bits and words changed: what passes has a higher least output, another near deadline, or a least in between."""
    good, draw, passed = built(way), random.Random(7), 0
    words = [int.from_bytes(good.data[at : at + 32], "big") for at in range(4, len(good.data), 32)]
    for _ in range(draws(600, 3000)):
        raw = bytearray(good.data)
        if draw.random() < 0.5:
            raw[draw.randrange(4, len(raw))] ^= 1 << draw.randrange(8)
        else:
            at = 4 + 32 * draw.randrange((len(raw) - 4) // 32)
            raw[at : at + 32] = draw.choice([0, 1, 2**256 - 1, int(STRANGER, 16), draw.getrandbits(64)]).to_bytes(
                32, "big"
            )
        if bytes(raw) == good.data or code(way, bytes(raw)) is not None:
            continue
        passed += 1
        changed = [(int.from_bytes(raw[4 + 32 * i : 36 + 32 * i], "big"), w) for i, w in enumerate(words)]
        ((after, before),) = [pair for pair in changed if pair[0] != pair[1]]
        between = way == "two pools" and before == 0
        assert between or (before == LEAST.raw and after > before) or (before == DEADLINE and NOW < after <= NOW + 3600)
    assert passed


def swapping(call: EvmCall, way: str = "one pool") -> LegWork:
    swap = Leg(LegKind.SWAP, MARKET.id, GIVEN, gets=LEAST)
    spenders, targets = V4.spenders(WAYS[way]), V4.targets(WAYS[way])
    terms = SwapTerms(WAYS[way], GIVEN, LEAST)
    return replace(work(), leg=swap, calls=(call,), targets=targets, spenders=spenders, swaps=(terms,))


def test_both_allowances_are_exact_and_said_in_words() -> None:
    call = built("one pool")
    names = spender_names(swapping(call))
    lines = [one.description for one in with_allowances((call,), {}, names)]
    assert lines == [
        "allow Permit2 to take exactly 1,000 USDC",
        "let Aave v3 take exactly 1,000 USDC by Permit2, until 2023-11-14 22:23:20 UTC",
        "swap 1,000 USDC for at least 999.1 DAI on Uniswap v4 0.01%",
    ]
    # Somebody's allowance without limit is made exact too, and each of two parts has both of its own.
    both = with_allowances((call, call), {(USDC, PERMIT2): 2**256 - 1}, names)
    assert [one.description.split()[0] for one in both] == ["take", "allow", "let", "swap", "allow", "let", "swap"]
    back = permit_call(call.allowance, 0, "the router")  # type: ignore[arg-type]
    assert back.description == "take back what Permit2 lets the router take of USDC" and not any(back.data[68:])


def test_the_signer_lets_permit2_allow_exactly_what_the_swap_takes() -> None:
    call = built("one pool")
    leg_work = swapping(call)
    approval = Approval(plan(leg_work.leg), "test", EXPIRES)
    rules = replace(RULES, abi={**RULES.abi, call.data[:4]: ABIS[call.data[:4]]})
    _, permit, _ = with_allowances((call,), {}, {})
    assert permit.to == PERMIT2

    def judged(data: bytes, to: Address = PERMIT2, work: LegWork = leg_work, now: int = NOW) -> ApprovedTx | Declined:
        ran = simulated(supply_tx(to=to, data=data, description="permit"), 0)
        return judge(rules, approval, work, replace(ran, block=replace(ran.block, timestamp=now)), now)

    def said(token: str = USDC.address, spender: str = ROUTER, raw: int = GIVEN.raw, ends: int = DEADLINE) -> bytes:
        return permit.data[:4] + encode(["address", "address", "uint256", "uint256"], [token, spender, raw, ends])

    def refused(data: bytes, **of: Any) -> str | None:
        found = judged(data, **of)
        return found.code if isinstance(found, Declined) else None

    assert said() == permit.data and refused(permit.data) is None
    for expected, data in (
        ("ALLOWANCE_NOT_EXACT", said(raw=GIVEN.raw + 1)),
        ("ALLOWANCE_NOT_EXACT", said(raw=GIVEN.raw - 1)),
        ("ALLOWANCE_NOT_EXACT", said(raw=2**160 - 1)),
        ("ALLOWANCE_NOT_EXACT", said(ends=DEADLINE + 1)),
        ("ALLOWANCE_NOT_EXACT", said(token=DAI.address)),
        ("ALLOWANCE_NOT_EXACT", said(spender=PERMIT2)),
        ("SPENDER_NOT_ALLOWED", said(spender=STRANGER)),
        ("DEADLINE_NOT_NEAR", said(ends=NOW)),
        ("DEADLINE_NOT_NEAR", said(ends=2**48 - 1)),
        ("CALLDATA_MALFORMED", permit.data + bytes(32)),
        ("CALLDATA_MALFORMED", permit.data[:-1]),
        ("CALLDATA_MALFORMED", permit.data[:4] + b"\x01" + permit.data[5:]),
        ("CALLDATA_MALFORMED", permit.data[:36] + b"\x01" + permit.data[37:]),
    ):
        assert refused(data) == expected, expected
    assert refused(permit.data, to=STRANGER) == "TARGET_NOT_ALLOWED"
    assert refused(permit.data, now=EXPIRES) == "EXPIRED"
    # Taking it back is always right, and of the leg's spenders alone.
    gone = judged(said(raw=0, ends=0), now=EXPIRES)
    assert isinstance(gone, ApprovedTx) and gone.expires_at == NEVER
    assert refused(said(raw=0, spender=STRANGER)) == "SPENDER_NOT_ALLOWED"
    # Other legs change nothing at Permit2, and the router itself gets no allowance of the token.
    assert refused(permit.data, work=replace(leg_work, calls=())) == "TARGET_NOT_ALLOWED"
    approve = bytes.fromhex("095ea7b3") + encode(["address", "uint256"], [ROUTER, GIVEN.raw])
    assert refused(approve, to=USDC.address) == "ALLOWANCE_NOT_EXACT"
    assert refused(call.data, to=ROUTER) is None and refused(call.data, to=PERMIT2) == "TARGET_NOT_ALLOWED"


def test_pools_without_a_router_are_not_swapped_in() -> None:
    with pytest.raises(MarketError, match="names no router"):
        V4.swap((pool(USDC, DAI, router=None),), GIVEN, LEAST, OWNER, DEADLINE)
    with pytest.raises(MarketError, match="one router"):
        V4.targets((pool(USDC, WETH), pool(WETH, DAI, router=STRANGER)))
    with pytest.raises(ValueError, match="do not lead"):
        V4.swap((pool(USDC, WETH),), GIVEN, LEAST, OWNER, DEADLINE)
