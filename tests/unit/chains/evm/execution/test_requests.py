"""Numbers of requests (EIP-7540): told by an event, kept in the journal, asked for; pure pieces. No chain."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.wiring import OWNER, STRANGER
from yieldbot.chains.evm.execution.balances import REDEEM_REQUEST, request_of
from yieldbot.chains.evm.execution.rehearse import note_request
from yieldbot.journal.exit_entries import ExitEnded
from yieldbot.journal.fold import Record, fold_requests
from yieldbot.journal.journal_entries import TxSettled, TxSigned
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.market import Kind, Market
from yieldbot.model.requests import IDS, own_terms, with_requests
from yieldbot.model.tx import Confirmed
from yieldbot.protocols.evm.two_step_exits import ExitRequests, exit_requests, ids_of, request_reads

VAULT = Address("0x00000000000000000000000000000000000000aA")
CHAIN = evm_chain(1)
BLOCK = BlockRef(CHAIN, 5, "0x05", 1)
M, N = MarketId("erc4626/1/m"), MarketId("erc4626/1/n")
MARKET = Market(M, "erc4626", Kind.LENDING, CHAIN, "V", Token(CHAIN, STRANGER, "USDC", 6), VAULT)


def topic(value: str | int) -> str:
    return f"0x{int(value, 16) if isinstance(value, str) else value:064x}"


def log(number: int, controller: str = OWNER, vault: str = VAULT, name: str = REDEEM_REQUEST) -> dict[str, Any]:
    return {"address": vault, "topics": [name, topic(controller), topic(OWNER), topic(number)], "data": "0x"}


def test_the_number_is_that_of_our_own_request_of_that_vault() -> None:
    assert request_of({"logs": [log(7)]}, VAULT.lower(), OWNER) == 7
    assert request_of({"logs": [log(2**255)]}, VAULT, OWNER) == 2**255
    for other in (log(0), log(7, controller=STRANGER), log(7, vault=STRANGER), log(7, name=topic(1))):
        assert request_of({"logs": [other]}, VAULT, OWNER) is None, other
    assert request_of({"logs": [log(7, vault=STRANGER), log(8)]}, VAULT, OWNER) == 8
    assert (
        request_of({"logs": [{**log(7), "topics": []}]}, VAULT, OWNER) is None and request_of({}, VAULT, OWNER) is None
    )


@pytest.mark.parametrize(("pays_gas", "noted"), [(True, [7]), (False, [])])
def test_a_safes_request_is_not_noted_for_its_receipt_is_never_seen(pays_gas: bool, noted: list[int]) -> None:
    account: Any = SimpleNamespace(owner=OWNER, pays_gas=pays_gas)
    work: Any = SimpleNamespace(market=MARKET, requests=[])
    for _ in range(2):
        note_request(account, {"logs": [log(7)]}, work)
    note_request(account, {"logs": []}, work)
    assert work.requests == noted


def test_open_requests_are_those_since_nothing_was_on_its_way() -> None:
    def signed(tx_hash: str, market_id: MarketId) -> TxSigned:
        return TxSigned(
            chain=CHAIN,
            owner=OWNER,
            plan_id="p",
            leg=0,
            market_id=market_id,
            hash=tx_hash,
            raw=b"",
            nonce=1,
            gas=1,
            max_fee_wei=1,
            priority_fee_wei=1,
            words="",
            expires_at=1,
            simulated_at=BLOCK,
            predicted=(),
        )

    def settled(tx_hash: str, number: int | None) -> TxSettled:
        return TxSettled(CHAIN, OWNER, Confirmed(tx_hash, BLOCK, 1, 1, (), 1, number))

    events: list[Any] = [signed("a", M), settled("a", 3), signed("b", N), settled("b", 9), signed("c", M)]
    events += [settled("c", None), signed("d", M), settled("d", 4), settled("unknown", 5)]

    def folded() -> dict[MarketId, tuple[int, ...]]:
        return fold_requests([Record(i, i, event) for i, event in enumerate(events)], CHAIN, OWNER)

    assert folded() == {M: (3, 4), N: (9,)}
    events.append(ExitEnded(chain=CHAIN, owner=STRANGER, market_id=M, time=1))
    assert folded()[M] == (3, 4)
    events.append(ExitEnded(chain=CHAIN, owner=OWNER, market_id=M, time=1))
    assert folded() == {N: (9,)}
    assert fold_requests([Record(0, 0, signed("a", M)), Record(1, 1, settled("a", 3))], CHAIN, STRANGER) == {}


def test_a_market_is_asked_for_every_number_and_stays_what_it_is() -> None:
    known = with_requests(with_requests(MARKET, (3,)), (4, 3))
    assert known.params[IDS] == (3, 4) and own_terms(known.params) == own_terms(MARKET.params)
    assert with_requests(MARKET, ()) is MARKET
    where = {"async_redeem": True, **known.params}
    assert ids_of(where) == (3, 4) and ids_of({}) == ids_of({IDS: ()}) == (0,)
    assert (
        len(request_reads(where, VAULT, OWNER)) == 8 and len(request_reads({"async_redeem": True}, VAULT, OWNER)) == 4
    )

    def word(value: int) -> bytes:
        return value.to_bytes(32, "big")

    # of each: pending, claimable, being called back, called back
    answers = [word(0), word(5), word(0), word(0), word(11), word(0), word(1), word(2)]
    assert exit_requests(where, answers, None) == ExitRequests(11, 5, 2, True, pending_id=4, back_id=4)
    assert exit_requests({"async_redeem": True}, [word(1), b"", word(0), word(0)], None) == ExitRequests(1)
