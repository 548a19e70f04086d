"""Whether balances changed as they should have."""

from dataclasses import replace

import pytest

from tests.kit.chain_double import ChainDouble, hash_at, node_of
from tests.kit.wiring import OWNER, RAW, SHARES, STRANGER, USDC, work
from yieldbot.chains.evm.execution.balances import (
    APPROVAL_TOPIC,
    abi_word,
    allowances_touched,
    changes_in,
    given,
    given_fault,
    log_changes,
    nfts_sent,
    tokens_sent,
)
from yieldbot.execution.deltas import leg_fault, provided_fault, real_fault, still_least, total, within, worth_fault
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.families import EVM_NATIVE
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.tx import Delta

DAI = Token(USDC.chain, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "DAI", 18)
ETH = Token(USDC.chain, EVM_NATIVE, "ETH", 18)
WITHDRAWAL = replace(work(), leg=replace(work().leg, kind=LegKind.WITHDRAW))
ALL = replace(WITHDRAWAL, leg=replace(WITHDRAWAL.leg, all=True))


@pytest.mark.parametrize(
    ("leg", "asset", "shares", "code"),
    [
        (work(), -RAW, RAW - 1, None),
        (work(), -RAW - 1, RAW, "DELTA_NOT_PLANNED"),  # never a unit more than approved
        (work(), -RAW + 2_000_000, RAW, "DELTA_NOT_PLANNED"),
        (work(), -RAW, 0, "NO_SHARES"),
        (WITHDRAWAL, RAW, -RAW, None),
        (WITHDRAWAL, RAW - 2, -RAW, None),  # the protocol rounds down
        (WITHDRAWAL, RAW - 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
        (WITHDRAWAL, RAW + 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
        (WITHDRAWAL, RAW, 1, "DELTA_NOT_PLANNED"),
        (ALL, RAW + 2_000_000, -RAW, None),  # what accrued since comes too
        (ALL, RAW - 2_000_000, -RAW, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_leg_does_what_it_says(leg: object, asset: int, shares: int, code: str | None) -> None:
    found = leg_fault(leg, (Delta(USDC, asset), Delta(SHARES, shares)), 1.0)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("taken", "brought", "code"),
    [
        (-RAW, 11_990_000_000, None),
        (-RAW, 12_100_000_000, None),  # a better price is no fault
        (-RAW, 11_989_999_999, "BELOW_LEAST"),
        (-RAW - 1, 11_990_000_000, "DELTA_NOT_PLANNED"),
        (-RAW + 1, 11_990_000_000, "DELTA_NOT_PLANNED"),
        (0, 0, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_swap_takes_its_amount_and_brings_its_least(taken: int, brought: int, code: str | None) -> None:
    leg = Leg(LegKind.SWAP, MarketId("swap/8453/a/b"), Amount(USDC, RAW), gets=Amount(DAI, 11_990_000_000))
    found = leg_fault(replace(work(), leg=leg, share_token=None), (Delta(USDC, taken), Delta(DAI, brought)), 1.0)
    assert (found.code if found else None) == code


def test_a_swap_for_nothing_or_for_the_same_token_is_none() -> None:
    for gets in (None, Amount(USDC, 1)):
        leg = Leg(LegKind.SWAP, MarketId("swap/8453/a/b"), Amount(USDC, RAW), gets=gets)
        found = leg_fault(replace(work(), leg=leg, share_token=None), (Delta(USDC, -RAW),), 1.0)
        assert found is not None and found.code == "DELTA_NOT_PLANNED"


def test_what_a_swap_brought_is_held_to_its_least_and_not_to_the_simulation() -> None:
    predicted = (Delta(USDC, -RAW), Delta(DAI, 12_000, least=11_940), Delta(ETH, -5))
    for brought, fault in ((11_940, None), (12_500, None), (11_939, "+0.00000001194 DAI")):
        real = (Delta(USDC, -RAW), Delta(DAI, brought), Delta(ETH, -9))
        found = real_fault(predicted, real, {USDC: RAW, DAI: 0}, 1)
        assert (found is None) == (fault is None), found
    found = real_fault(predicted, (Delta(USDC, -RAW - 10**7), Delta(DAI, 12_000), Delta(ETH, -9)), {}, 1)
    assert found is not None and "USDC" in found


def test_the_asset_is_judged_by_its_change_and_growing_shares_by_what_was_held() -> None:
    predicted = (Delta(USDC, -RAW), Delta(SHARES, RAW), Delta(ETH, -5))
    before = {USDC: 10**12, SHARES: 10**12, ETH: 10**18}
    assert (
        real_fault(predicted, (Delta(USDC, -RAW), Delta(SHARES, RAW + 10**8), Delta(ETH, -(10**15))), before, 1) is None
    )
    found = real_fault(predicted, (Delta(USDC, -RAW - 10**8), Delta(SHARES, RAW), Delta(ETH, -5)), before, 1)
    assert found == "-12,100 USDC, simulated was -12,000 USDC"
    found = real_fault(predicted, (Delta(USDC, -RAW), Delta(SHARES, RAW - 10**9), Delta(ETH, -5)), before, 1)
    assert found == "+11,000 aUSDC, simulated was +12,000 aUSDC"


def topic(address: str) -> str:
    return "0x" + abi_word(address).hex()


def test_receipts_are_read() -> None:
    logs = [
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(RAW)},
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(5)},
        {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(OWNER), topic(OWNER)], "data": hex(7)},
        {"address": SHARES.address, "topics": [TRANSFER_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(9)},
        {"address": USDC.address, "topics": [APPROVAL_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(1)},
        {"address": USDC.address, "topics": [APPROVAL_TOPIC, topic(STRANGER), topic(OWNER)], "data": hex(1)},
        {"address": STRANGER, "topics": ["0x00"], "data": "0x"},
    ]
    receipt = {"logs": logs}
    assert tokens_sent(receipt, OWNER) == {USDC.address.lower()}
    assert allowances_touched(receipt, OWNER) == {(USDC.address, STRANGER)}
    assert log_changes(receipt, OWNER, (USDC, SHARES)) == (Delta(USDC, 5 - RAW), Delta(SHARES, 9))
    assert total([(Delta(USDC, 1),), (Delta(USDC, 2), Delta(SHARES, 3))]) == (Delta(USDC, 3), Delta(SHARES, 3))


def test_a_replacement_is_held_to_the_same_least() -> None:
    """Else a swap that is mined at another price, its fee raised meanwhile, would stop the account."""
    signed = (Delta(USDC, -100), Delta(DAI, 90, 88), Delta(ETH, -5))
    again = still_least((Delta(USDC, -100), Delta(DAI, 91), Delta(ETH, -7)), signed)
    assert again == (Delta(USDC, -100), Delta(DAI, 91, 88), Delta(ETH, -7))
    assert real_fault(again, (Delta(USDC, -100), Delta(DAI, 88)), {}, 1.0) is None
    assert "the least was" in str(real_fault(again, (Delta(USDC, -100), Delta(DAI, 87)), {}, 1.0))


def test_only_transfers_of_the_tokens_asked_for_count_as_changes() -> None:
    def event(token: str, *topics: str, data: str = hex(5)) -> dict[str, object]:
        return {"address": token, "topics": list(topics), "data": data}

    logs = [
        event(USDC.address.lower(), TRANSFER_TOPIC.upper().replace("X", "x"), topic(STRANGER), topic(OWNER)),
        event(USDC.address, APPROVAL_TOPIC, topic(STRANGER), topic(OWNER)),
        event(USDC.address, TRANSFER_TOPIC, topic(STRANGER), topic(OWNER), "0x07", data="0x"),
        event(USDC.address, TRANSFER_TOPIC, topic(STRANGER), data="0x"),
        event(STRANGER, TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)),
        event(USDC.address, TRANSFER_TOPIC, topic(STRANGER), topic(STRANGER)),
    ]
    assert log_changes({"logs": logs}, OWNER, (USDC,)) == (Delta(USDC, 5),)
    assert log_changes({}, OWNER, (USDC, SHARES)) == (Delta(USDC, 0), Delta(SHARES, 0))


def test_an_nft_and_a_fungible_token_are_told_apart() -> None:
    mine, his = topic(OWNER), topic(STRANGER)
    nft = {"address": DAI.address, "topics": [TRANSFER_TOPIC, mine, his, "0x07"], "data": "0x"}
    coin = {"address": USDC.address, "topics": [TRANSFER_TOPIC, mine, his], "data": hex(5)}
    other = {"address": USDC.address, "topics": [TRANSFER_TOPIC, his, mine, "0x07"], "data": "0x"}
    bare = {"address": USDC.address, "topics": [TRANSFER_TOPIC, mine], "data": "0x"}
    odd = {"address": STRANGER, "topics": [APPROVAL_TOPIC, mine, his, "0x07"], "data": "0x"}
    receipt = {"logs": [nft, coin, other, bare, odd]}
    assert nfts_sent(receipt, OWNER) == {DAI.address.lower()}
    assert tokens_sent(receipt, OWNER) == {DAI.address.lower(), USDC.address.lower()}
    assert given(receipt, OWNER) == {
        f"transfer {DAI.address}".lower(),
        f"transfer {USDC.address}".lower(),
        f"nft {DAI.address}".lower(),
        f"approval {STRANGER} {STRANGER}".lower(),
    }
    assert given({}, OWNER) == frozenset()


def test_more_given_away_than_simulated_is_named_and_compared_tokens_are_not() -> None:
    name = f"transfer {USDC.address.lower()}"
    assert given_fault(None, frozenset({"nft x"}), ()) is None, "where nobody looked"
    assert given_fault((), frozenset(), ()) is None and given_fault((name,), frozenset({name}), ()) is None
    assert given_fault((), frozenset({name}), (Delta(USDC, 1),)) is None
    found = given_fault((), frozenset({name, "nft x"}), (Delta(SHARES, 1),))
    assert found == f"events that the simulation did not have: nft x, {name}"
    assert given_fault((name, "nft x"), frozenset({name}), ()) is None, "less is no fault"


@pytest.mark.parametrize(
    ("gained", "tolerance", "entry", "said"),
    [
        (RAW, 1.0, 0.0, None),
        (RAW + 10**9, 1.0, 0.0, None),
        (RAW - 1_200_000, 1.0, 0.0, None),
        (RAW - 1_200_001, 1.0, 0.0, "would be worth 11,998.799999 USDC afterwards"),
        (RAW - 2, 0.0, 0.0, None),
        (RAW - 3, 0.0, 0.0, "would be worth"),
        (RAW - 12_000_000, 0.0, 10.0, None),
        (RAW - 12_000_003, 0.0, 10.0, "would be worth"),
        (0, 1.0, 0.0, "a deposit of 12,000 USDC into Aave v3 would be worth 0 USDC"),
    ],
)
def test_a_deposit_is_worth_what_it_took_less_what_was_counted_with(
    gained: int, tolerance: float, entry: float, said: str | None
) -> None:
    found = worth_fault(work(), gained, tolerance, entry)
    assert (found is None) if said is None else (found is not None and said in found.reason)
    assert found is None or found.code == "WORTH_LESS"


def test_a_range_that_is_laid_anew_may_lose_what_was_counted_with_and_no_more() -> None:
    anew = replace(work(), leg=replace(work().leg, kind=LegKind.REBALANCE))
    assert worth_fault(anew, 0, 0.0) is worth_fault(anew, -12_000_000, 0.0, 10.0) is None
    found = worth_fault(anew, -12_000_003, 0.0, 10.0)
    assert found is not None and found.reason == (
        "a new range in Aave v3 would be worth -12.000003 USDC more afterwards"
    )


@pytest.mark.parametrize(
    ("gets", "moved", "brought", "code"),
    [
        (Amount(DAI, 5), 0, 5, None),
        (Amount(DAI, 5), 0, 9, None),
        (Amount(DAI, 5), 0, 4, "BELOW_LEAST"),
        (Amount(DAI, 5), 1, 5, "DELTA_NOT_PLANNED"),
        (Amount(DAI, 5), -1, 5, "DELTA_NOT_PLANNED"),
        (Amount(USDC, 5), 5, 5, None),
        (Amount(USDC, 5), 4, 4, "BELOW_LEAST"),
        (Amount(DAI, 0), 0, 0, "DELTA_NOT_PLANNED"),
        (Amount(DAI, -1), 0, 0, "DELTA_NOT_PLANNED"),
        (None, 0, 0, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_claim_takes_nothing_and_brings_what_was_seen(
    gets: Amount | None, moved: int, brought: int, code: str | None
) -> None:
    leg = Leg(LegKind.CLAIM, MarketId("claim/8453/x"), Amount(USDC, 0), gets=gets)
    deltas = (Delta(USDC, moved),) if gets and gets.token == USDC else (Delta(USDC, moved), Delta(DAI, brought))
    found = leg_fault(replace(work(), leg=leg, share_token=None), deltas, 1.0)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("kind", "usdc", "dai", "right"),
    [
        (LegKind.DEPOSIT, -RAW, 0, True),
        (LegKind.DEPOSIT, -RAW - 1, 0, False),
        (LegKind.DEPOSIT, -RAW + 12_000_002, 0, True),
        (LegKind.DEPOSIT, -RAW + 12_000_003, 0, False),
        (LegKind.DEPOSIT, -RAW, 1, True),
        (LegKind.DEPOSIT, -RAW, -1, False),
        (LegKind.WITHDRAW, RAW - 12_000_002, 0, True),
        (LegKind.WITHDRAW, RAW - 12_000_003, 0, False),
        (LegKind.WITHDRAW, RAW, -1, False),
        (LegKind.WITHDRAW, 2 * RAW, 9, True),
        (LegKind.REBALANCE, 0, 0, True),
        (LegKind.REBALANCE, -1, 0, False),
    ],
)
def test_liquidity_leaves_over_what_a_moved_price_may(kind: LegKind, usdc: int, dai: int, right: bool) -> None:
    """Ten basis points of 12,000 USDC, and two base units of rounding."""
    leg = replace(work().leg, kind=kind)
    found = provided_fault(leg, DAI, (Delta(USDC, usdc), Delta(DAI, dai)), 10.0)
    assert (found is None) is right and (found is None or found.code == "DELTA_NOT_PLANNED")


def test_without_shares_nothing_is_said_of_them() -> None:
    bare = replace(work(), share_token=None)
    assert leg_fault(bare, (Delta(USDC, -RAW),), 1.0) is None
    assert leg_fault(replace(WITHDRAWAL, share_token=None), (Delta(USDC, RAW), Delta(SHARES, 5)), 1.0) is None
    fault = leg_fault(work(), (Delta(USDC, -RAW), Delta(SHARES, -5)), 1.0)
    assert fault is not None and fault.code == "NO_SHARES"
    assert leg_fault(WITHDRAWAL, (Delta(USDC, RAW), Delta(SHARES, 0)), 1.0) is None


async def test_changes_are_read_of_the_block_and_the_one_before_it_or_told_by_events() -> None:
    held, then = {(USDC.address.lower(), OWNER.lower()): 9}, {(USDC.address.lower(), OWNER.lower()): 4}
    chain = ChainDouble(was={hash_at(100): held, hash_at(101): then}, native_wei=50)
    block = BlockRef(USDC.chain, 101, hash_at(101), 0)
    event = {"address": USDC.address, "topics": [TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)], "data": hex(3)}
    receipt = {"logs": [event]}
    found, before = await changes_in(node_of(chain), OWNER, (USDC, ETH), block, receipt)
    assert found == (Delta(USDC, -5), Delta(ETH, 0)) and before == {USDC: 9, ETH: 50}
    chain.refuses = {"eth_call": "missing trie node"}
    assert await changes_in(node_of(chain), OWNER, (USDC, ETH), block, receipt) == ((Delta(USDC, -3),), {})


def test_a_token_that_the_chain_does_not_tell_of_is_not_compared() -> None:
    assert real_fault((Delta(USDC, -5), Delta(DAI, 7)), (Delta(USDC, -5),), {}, 0.0) is None
    assert real_fault((Delta(USDC, -5), Delta(DAI, 7)), (Delta(USDC, -5), Delta(DAI, 9)), {}, 0.0) is None
    assert real_fault((Delta(USDC, -5), Delta(DAI, 7)), (Delta(USDC, -5), Delta(DAI, 10)), {}, 0.0) is not None
    assert within(102, 100, 1, 0.0) and not within(103, 100, 1, 0.0) and within(90, 100, -1_000, 100.0)


@pytest.mark.parametrize(
    ("kind", "asset", "shares", "right"),
    [
        (LegKind.REQUEST, 0, -1, True),
        (LegKind.REQUEST, 0, 0, False),
        (LegKind.REQUEST, 0, 1, False),
        (LegKind.REQUEST, 1, -1, False),
        (LegKind.REQUEST, -1, -1, False),
        (LegKind.REQUEST, 0, None, True),
        (LegKind.CANCEL, 0, 0, True),
        (LegKind.CANCEL, 0, 1, True),
        (LegKind.CANCEL, 0, -1, False),
        (LegKind.CANCEL, 1, 0, False),
    ],
)
def test_what_is_asked_for_leaves_shares_alone_and_what_is_called_back_takes_none(
    kind: LegKind, asset: int, shares: int | None, right: bool
) -> None:
    leg = Leg(kind, MarketId("aave_v3/8453/usdc"), Amount(USDC, RAW))
    made = replace(work(), leg=leg, share_token=None if shares is None else SHARES)
    found = leg_fault(made, (Delta(USDC, asset), Delta(SHARES, shares or 0)), 1.0)
    assert (found is None) is right and (found is None or found.code == "DELTA_NOT_PLANNED")
