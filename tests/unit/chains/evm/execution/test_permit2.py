"""Permit2's allowances: exactly what a call consumes, for the leg's spenders, over soon; or taken back, whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, node_of, open_journal
from tests.kit.wiring import (
    APPROVAL,
    EXPIRES,
    NOW,
    OWNER,
    POOL,
    RAW,
    RULES,
    STRANGER,
    USDC,
    simulated,
    supply_tx,
    word,
    work,
)
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.execution.permit2 import (
    PERMIT,
    fetch_permitted,
    is_permit,
    onward,
    permit_call,
    permit_fault,
    permits_nothing,
    still_permitted,
)
from yieldbot.chains.evm.execution.swaps import MOST_DEADLINE_SECONDS
from yieldbot.execution.approvals import NEVER
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Allowance, ApprovedTx, EvmCall, Onward

PERMIT2 = Address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
NEED = Allowance(USDC, PERMIT2, RAW, Onward(POOL, EXPIRES))
CALL = EvmCall(POOL, b"\x01\x02\x03\x04", 0, "swap", NEED)
PLAIN = EvmCall(POOL, b"\x05", 0, "supply", Allowance(USDC, POOL, 5))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def leg_work(*calls: EvmCall) -> LegWork:
    return replace(work(), calls=calls or (CALL,))


def said(
    raw: int = RAW, ends: int = EXPIRES, token: str = USDC.address, spender: str = POOL, more: bytes = b""
) -> bytes:
    return PERMIT + word(token) + word(spender) + raw.to_bytes(32, "big") + ends.to_bytes(32, "big") + more


def refused(data: bytes, now: int = NOW, of: LegWork | None = None) -> str | None:
    found = permit_fault(of or leg_work(), supply_tx(to=PERMIT2, data=data), now)
    return found.code if found else None


def test_the_call_is_permit2s_approve_of_exactly_what_is_needed() -> None:
    made = permit_call(NEED, RAW, "Aave v3")
    assert (made.to, made.data, made.value, made.allowance) == (PERMIT2, said(), 0, None)
    assert made.description == "let Aave v3 take exactly 12,000 USDC by Permit2, until 2023-11-14 23:13:20 UTC"
    back = permit_call(NEED, 0, "Aave v3")
    assert (back.to, back.data) == (PERMIT2, said(raw=0, ends=0))
    assert back.description == "take back what Permit2 lets Aave v3 take of USDC"


def test_what_goes_on_through_permit2_is_named_once() -> None:
    assert onward((PLAIN, CALL, CALL, replace(CALL, allowance=None))) == (NEED,)
    assert onward(()) == ()


@pytest.mark.parametrize(
    ("data", "nothing"),
    [
        (said(raw=0, ends=0), True),
        (said(raw=0), True),
        (said(raw=0, ends=2**255), True),
        (said(raw=1), False),
        (said(raw=2**255), False),
        (said(raw=0, more=b"\0"), False),
        (said(raw=0)[:-1], False),
        (b"", False),
        (PERMIT, False),
    ],
)
def test_only_an_exact_approve_of_nothing_permits_nothing(data: bytes, nothing: bool) -> None:
    """It is what lets a take-back be signed after its approval has ended: no other bytes may pass for it."""
    assert permits_nothing(supply_tx(to=PERMIT2, data=data)) is nothing


def test_a_call_is_permit2s_where_the_leg_needs_it() -> None:
    assert is_permit(leg_work(), supply_tx(to=PERMIT2, data=said()))
    assert is_permit(leg_work(), supply_tx(to=PERMIT2.lower(), data=said()))
    assert not is_permit(leg_work(), supply_tx(to=POOL, data=said()))
    assert not is_permit(leg_work(), supply_tx(to=PERMIT2, data=b"\0" + said()[1:]))
    assert not is_permit(leg_work(PLAIN), supply_tx(to=PERMIT2, data=said()))


def test_what_may_be_permitted_is_exact_near_and_of_the_leg() -> None:
    late = NOW + MOST_DEADLINE_SECONDS
    assert refused(said()) is None
    assert refused(said(raw=0, ends=0)) is refused(said(raw=0, ends=2**48 - 1)) is None
    for code, data in (
        ("CALLDATA_MALFORMED", said(more=b"\0")),
        ("CALLDATA_MALFORMED", said()[:-1]),
        ("CALLDATA_MALFORMED", said()[:15] + b"\1" + said()[16:]),
        ("CALLDATA_MALFORMED", said()[:4] + b"\1" + said()[5:]),
        ("CALLDATA_MALFORMED", said()[:36] + b"\1" + said()[37:]),
        ("CALLDATA_MALFORMED", said()[:47] + b"\1" + said()[48:]),
        ("ALLOWANCE_NOT_EXACT", said(token=STRANGER)),
        ("SPENDER_NOT_ALLOWED", said(spender=STRANGER)),
        ("SPENDER_NOT_ALLOWED", said(spender=STRANGER, raw=0, ends=0)),
        ("DEADLINE_NOT_NEAR", said(ends=NOW)),
        ("DEADLINE_NOT_NEAR", said(ends=late + 1)),
        ("ALLOWANCE_NOT_EXACT", said(ends=late - 1)),
        ("ALLOWANCE_NOT_EXACT", said(ends=NOW + 1)),
        ("ALLOWANCE_NOT_EXACT", said(raw=RAW + 1)),
        ("ALLOWANCE_NOT_EXACT", said(raw=RAW - 1)),
    ):
        assert refused(data) == code, data.hex()
    assert late == EXPIRES, "the last second that may be"
    near = replace(CALL, allowance=replace(NEED, onward=Onward(POOL, NOW + 1)))
    assert refused(said(ends=NOW + 1), of=leg_work(near)) is None
    much = replace(CALL, allowance=replace(NEED, raw=RAW + 1))
    assert refused(said(raw=RAW + 1), of=leg_work(much)) == "ALLOWANCE_NOT_EXACT", "more than the leg moves"
    assert refused(said(), of=leg_work(PLAIN)) == "ALLOWANCE_NOT_EXACT"
    other = replace(CALL, allowance=replace(NEED, onward=Onward(STRANGER, EXPIRES)))
    assert refused(said(), of=leg_work(other)) == "ALLOWANCE_NOT_EXACT"


async def test_what_is_left_to_be_taken_is_read_of_us_the_token_and_the_spender(journal: Journal) -> None:
    token, ours, spender = USDC.address.lower(), OWNER.lower(), POOL.lower()
    chain = ChainDouble(permits={(ours, token, spender): 7, (spender, token, ours): 9, (token, ours, spender): 8})
    node: Any = node_of(chain)
    assert await fetch_permitted(node, OWNER, NEED) == 7
    assert [to for method, (call, _) in chain.asked if method == "eth_call" for to in [call["to"]]] == [PERMIT2]
    found = await still_permitted(node, OWNER, (PLAIN, CALL))
    assert found is not None and found.code == "ALLOWANCE_LEFT"
    assert found.reason == f"0.000007 USDC stay allowed to {POOL} by Permit2"
    chain.permits = {}
    assert await still_permitted(node, OWNER, (CALL,)) is None


async def test_only_the_first_word_of_three_is_the_amount(journal: Journal) -> None:
    chain = ChainDouble(answers={(PERMIT2.lower(), "927da105"): (5).to_bytes(32, "big") + bytes([9]) * 64})
    assert await fetch_permitted(node_of(chain), OWNER, NEED) == 5


def judged(data: bytes, to: Address = PERMIT2, now: int = NOW) -> ApprovedTx | Declined:
    leg = replace(work(), calls=(CALL,))
    ran = simulated(supply_tx(to=to, data=data), 0)
    return judge(RULES, APPROVAL, leg, replace(ran, block=replace(ran.block, timestamp=now)), now)


def test_the_gate_lets_it_be_permitted_in_time_and_taken_back_at_any() -> None:
    found = judged(said())
    assert isinstance(found, ApprovedTx) and found.expires_at == EXPIRES
    for data, now, code in (
        (said(), EXPIRES, "EXPIRED"),
        (said(raw=RAW + 1), NOW, "ALLOWANCE_NOT_EXACT"),
        (said(spender=STRANGER, raw=0, ends=0), NOW, "SPENDER_NOT_ALLOWED"),
    ):
        refused_ = judged(data, now=now)
        assert isinstance(refused_, Declined) and refused_.code == code
    back = judged(said(raw=0, ends=0), now=EXPIRES)
    assert isinstance(back, ApprovedTx) and back.expires_at == NEVER
    elsewhere = judged(said(raw=0, ends=0), to=STRANGER, now=NOW)
    assert isinstance(elsewhere, Declined) and elsewhere.code == "TARGET_NOT_ALLOWED"
