"""What Solana's transactions tell of deposits and withdrawals, and what is found among too many of them."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace

import pytest

from tests.kit.recorded import folder
from tests.kit.solana.flow_chain import (
    ASSET,
    CASH,
    LENDING,
    MARKET,
    ME,
    ONE,
    PLEDGED,
    PROGRAM,
    RESERVE,
    SHARES,
    Past,
    key,
    listening,
    obligation_image,
    wallet_image,
)
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.landed import ProgramCall, TokenChange
from yieldbot.model.reads import SvmLargest, SvmSignatures, SvmTransaction
from yieldbot.protocols.solana.flow_events import Whole, flow_of, position_of, whole_of
from yieldbot.protocols.solana.flow_reads import (
    ANEW_SECONDS,
    MOST_OF_ONE,
    MOST_READ,
    HeardHere,
    KnownFlows,
    read_flows,
)
from yieldbot.protocols.solana.layout import key_bytes, layout
from yieldbot.risk.money_flows import movements

NOW, HER, HIM, THEM = 1_700_000_000, key(1), key(2), key(3)
BANK = key(40)


def look(past: Past, known: KnownFlows | None = None, follow: tuple[str, ...] = (), at: int = NOW) -> HeardHere:
    one = replace(listening(), supplied_raw=past.shares)
    return past.run(read_flows([one], ME, past.slot, at, known or KnownFlows(), follow))


def test_a_deposit_and_a_withdrawal_are_said_to_the_unit_and_a_loan_is_none() -> None:
    past = Past()
    first = look(past)
    past.move(HER, 70_000.000001)
    past.move(HIM, -20_000)
    past.move(THEM, 0.0, lent=90_000)
    found = look(past, first.known)
    flows = found.heard.flows[MARKET]
    assert [(one.account, round(one.amount * ONE)) for one in flows.largest] == [
        (HER, 70_000_000_001),
        (HIM, -20_000_000_000),
    ]
    assert (flows.count, flows.cut, flows.first) == (2, "", False)
    assert not look(past, found.known).heard.flows, "nothing twice"


def test_a_deposit_that_borrows_in_the_same_transaction_counts_by_its_shares() -> None:
    past = Past()
    first = look(past)
    past.move(HER, 70_000, lent=30_000)
    assert look(past, first.known).heard.flows[MARKET].largest[0].amount == pytest.approx(70_000, rel=1e-3)


def test_our_own_flows_are_left_out_and_the_first_look_is_of_the_past() -> None:
    past = Past()
    past.move(ME, 5_000)
    past.move(HER, 6_000)
    found = look(past).heard.flows[MARKET]
    assert found.first and [one.account for one in found.largest] == [HER]


def test_what_is_pledged_is_who_paid_and_the_position_is_read_until_it_is_left() -> None:
    past, place = Past(), key(900)
    past.largest = [(PLEDGED, 600_000 * ONE), (key(501), 100_000 * ONE)]
    past.images = {key(501): wallet_image(HIM), place: obligation_image(HER, 250_000 * ONE)}
    first = look(past)
    past.move(HER, 250_000, position=place)
    found = look(past, first.known)
    assert found.heard.flows[MARKET].largest[0].account == HER
    holders = found.heard.holders[MARKET]
    assert holders.top == ((HER, 0.2), (HIM, 0.08)) and holders.pledged == 0.48
    assert holders.seen == pytest.approx(0.28) and holders.largest(0.3) == pytest.approx(0.3)
    past.images[place] = obligation_image(HER, 0)
    later = look(past, found.known, at=NOW + ANEW_SECONDS)
    assert later.heard.holders[MARKET].top == ((HIM, 0.08),)


def test_a_claimed_position_of_another_market_or_program_is_nobodys() -> None:
    assert position_of(listening(), obligation_image(HER, 5)) == (HER, 5)
    assert position_of(listening(), obligation_image(HER, 5, lending=HIM)) is None
    assert position_of(replace(listening(), program=HIM), obligation_image(HER, 5)) is None
    assert position_of(listening(), key_bytes(PROGRAM) + b"\xff" * 3344) is None


def test_the_recorded_position_has_what_it_pledged_in_the_recorded_reserve() -> None:
    accounts = {}
    for name in ("reserve", "obligation"):
        document = json.loads((folder() / "solana" / f"kamino_usdc_{name}.json").read_text())
        account = document["account"]
        accounts[name] = (Address(document["pubkey"]), Address(account["owner"]), base64.b64decode(account["data"][0]))
    at, program, data = accounts["reserve"]
    fields = layout("kamino_lend").decode("Reserve", data)
    one = replace(listening(), program=program, address=at, root=Address(fields["lending_market"]))
    whole = whole_of(one, key_bytes(program) + data)
    assert whole is not None and whole.shares == fields["collateral_mint_total_supply"]
    position = position_of(one, key_bytes(program) + accounts["obligation"][2])
    assert position is not None
    known = layout("kamino_lend").decode("Obligation", accounts["obligation"][2])
    assert position[0] == known["owner"]
    assert position[1] == (known["deposit_collateral"] if known["deposit_reserve"] == at else 0) > 0


def test_saves_position_is_read_by_its_own_layout() -> None:
    one = replace(listening(), protocol="save")
    data = bytearray(1300)
    data[0] = 1
    data[10:42], data[42:74], data[202] = key_bytes(LENDING), key_bytes(HER), 2
    data[204 + 88 : 204 + 120] = key_bytes(RESERVE)
    data[204 + 120 : 204 + 128] = (77).to_bytes(8, "little")
    assert position_of(one, key_bytes(PROGRAM) + bytes(data)) == (HER, 77)
    data[202] = 1
    assert position_of(one, key_bytes(PROGRAM) + bytes(data)) == (HER, 0)


def banked(*calls: tuple[int, str, int]) -> tuple[ProgramCall, ...]:
    """Calls of a bank at a depth, each with the transfer that it makes; below 0 out of the vault."""
    made = []
    for depth, name, raw in calls:
        tag = layout("marginfi").tag(name) if name.startswith("lending") else b"borrowing"[:8]
        made.append(ProgramCall(depth, PROGRAM, (LENDING, key(41), HER, BANK), tag + bytes(8)))
        ends = (key(42), CASH) if raw > 0 else (CASH, key(42))
        data = bytes([12]) + abs(raw).to_bytes(8, "little") + b"\x06"
        made.append(ProgramCall(depth + 1, Address(TOKEN_PROGRAM), (ends[0], ASSET, ends[1]), data))
    return tuple(made)


def test_a_banks_instructions_count_by_their_transfers_at_any_depth_and_loans_do_not() -> None:
    past = Past()
    one = replace(listening(), protocol="marginfi", address=BANK, shares=None, listed=CASH)
    calls = banked((1, "lending_account_deposit", 50), (2, "lending_account_withdraw", -8), (1, "borrow", -30))
    landing = past.add(HIM, [TokenChange(CASH, ASSET, LENDING, 100, 112)], calls=calls)
    flow = flow_of(landing, one, Whole(1000, None))
    assert flow is not None and (flow.account, round(flow.amount * ONE)) == (HER, 42) and flow.others == (HIM,)
    other = replace(one, address=key(43))
    assert flow_of(landing, other, Whole(1000, None)) is None, "another bank's"


@pytest.mark.parametrize("seed", range(12))
def test_a_large_withdrawal_is_found_under_thousands_of_small_transactions(seed: int) -> None:
    draw, past = random.Random(seed), Past()
    first = look(past)
    place = draw.randrange(2_500)
    for number in range(2_500):
        past.move(key(10_000 + number), draw.choice((1, -1)) * draw.random())
        if number == place:
            past.move(HER, -150_000)
    past.asked.clear()
    flows = look(past, first.known).heard.flows[MARKET]
    assert flows.largest[0].account == HER and round(flows.largest[0].amount) == -150_000
    read = sum(isinstance(one, SvmTransaction) for one in past.asked)
    assert read <= MOST_OF_ONE and f"of 2,501 transactions {read}" in flows.cut


def test_a_flood_without_anything_large_ends_soon_and_says_what_was_not_read() -> None:
    past = Past()
    first = look(past)
    for number in range(3_500):
        past.move(key(10_000 + number % 2_000), 0.5)
    past.asked.clear()
    flows = look(past, first.known).heard.flows[MARKET]
    assert "too many to list" in flows.cut and "of 3,000 transactions" in flows.cut
    assert sum(isinstance(one, SvmTransaction) for one in past.asked) < MOST_OF_ONE
    assert len(past.asked) < MOST_READ


def test_whoever_is_followed_is_found_by_their_own_transactions_and_not_twice() -> None:
    past = Past()
    first = look(past, follow=(HER,))
    for number in range(400):
        past.move(key(10_000 + number), 0.5)
        if number == 137:
            past.move(HER, 3)
    found = look(past, first.known, follow=(HER,))
    assert any(one.account == HER and one.amount == 3.0 for one in found.heard.flows[MARKET].largest)
    assert HER not in str(look(past, found.known, follow=(HER,)).heard.flows)
    named_now = look(past, found.known, follow=(HER, key(10_001)))
    assert not named_now.heard.flows, "what somebody did before they were named is no news"


def test_what_somebody_followed_receives_and_sends_is_said_beside_their_flows() -> None:
    past = Past()
    first = look(past, follow=(HER,))
    past.add(HIM, [TokenChange(key(70), ASSET, HER, 5, 40 * ONE + 5)], named=(HIM, HER))
    past.move(HER, 3)
    past.add(HER, [TokenChange(key(70), ASSET, HER, 9 * ONE, 0)], named=(HER,))
    found = look(past, first.known, follow=(HER,))
    assert [round(one.amount) for one in found.moves[MARKET]] == [40, -9], "a deposit is no movement beside itself"
    assert movements(found.moves[MARKET])[1].endswith("sent 9 USDC (block 1,000,003)")
    assert not look(past, found.known, follow=(HER,)).moves


def test_what_a_node_refuses_is_said_and_what_was_known_stays() -> None:
    past = Past()
    past.largest, past.images = [(key(501), 400_000 * ONE)], {key(501): wallet_image(HIM)}
    first = look(past)
    assert first.heard.holders[MARKET].top == ((HIM, 0.4),) and not first.notes
    past.refuses = (SvmSignatures, SvmLargest)
    deaf = look(past, first.known, at=NOW + ANEW_SECONDS)
    assert deaf.notes and deaf.heard.holders == first.heard.holders and not deaf.heard.flows
    past.refuses = (SvmLargest,)
    blind = look(past, first.known, at=NOW + ANEW_SECONDS)
    assert "holders" in blind.notes[0] and not blind.heard.holders[MARKET].top
    past.refuses = ()
    past.move(HER, 9)
    assert look(past, deaf.known).heard.flows[MARKET].count == 1, "nothing is lost by a look that heard nothing"


def test_a_transaction_in_a_slot_that_is_not_final_yet_is_said_once() -> None:
    past = Past()
    known = look(past).known
    for whole in (10, 20, 30):
        past.move(HER, whole)
        found = look(past, known)
        assert [one.amount for one in found.heard.flows[MARKET].largest] == [whole]
        known = found.known
    past.slot += 1_000
    assert not look(past, look(past, known).known).heard.flows


def test_accounts_of_another_mint_or_program_are_no_holders() -> None:
    past = Past()
    past.largest = [(key(501), 400_000 * ONE), (key(502), 300_000 * ONE)]
    past.images = {key(501): wallet_image(HIM, ASSET), key(502): b"\1" * 32 + wallet_image(HER)[32:]}
    assert not look(past).heard.holders[MARKET].top
    assert SHARES != RESERVE
