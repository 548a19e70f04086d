"""cTokens without a chain: what is refused and why, both clocks, pauses and caps of either comptroller, doubts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from pydantic import ValidationError

from yieldbot.errors import MarketError
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Market, MarketState, Status
from yieldbot.model.reads import EthCall
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.abi import abi

CHAIN = ChainId("eip155:8453")
USDC = Token(CHAIN, Address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USDC", 6)
CBBTC = Token(CHAIN, Address("0xcbB7C0000aB88B473b1f5aFd9ef808440eed33Bf"), "cbBTC", 8)
COMPTROLLER = Address("0xfBb21d0380beE3312B33c4353c8936a0F13EF26C")
M_USDC, M_CBBTC = (
    Address("0xEdc817A28E8B93B03976FBd4a3dDBc9f7D176c22"),
    Address("0xF877ACaFA28c19b96727966690b2f44d35aD5976"),
)
MODEL, OTHER = Address("0x22aD8a160e4785223cD03A86d02c3ccc2838E9FF"), Address("0x" + "11" * 20)
ME = Address("0x1234567890AbcdEF1234567890aBcdef12345678")
BLOCK = BlockRef(CHAIN, 5_000, "0x" + "00" * 32, 1_700_000_000)
ADAPTER = adapters()["compound_v2"]
YEAR, WAD = 31_536_000, 10**18
BLOCKS_PER_YEAR = 10_512_000
BASE, SLOPE, JUMP, KINK = 10**9, 2 * 10**9, 10**11, 9 * 10**17

Answers = Mapping[str, Any]
CTOKEN: Answers = {
    "underlying": USDC.address,
    "comptroller": COMPTROLLER,
    "interestRateModel": MODEL,
    "symbol": "mUSDC",
    "decimals": 8,
    "getCash": 200_000 * 10**6,
    "totalBorrows": 810_000 * 10**6,
    "totalReserves": 10_000 * 10**6,
    "totalSupply": 5 * 10**15,
    "reserveFactorMantissa": 10**17,
    "exchangeRateStored": 2 * 10**14,
    "balanceOf": 0,
    "kink": KINK,
    "mintGuardianPaused": False,
}
"""A market of 1,000,000 USDC, 81 % of it lent."""
SUPPLY_RATE = 81 * 10**16 * ((81 * 10**16 * SLOPE // WAD + BASE) * 9 // 10) // WAD
SECONDS: Answers = {
    "accrualBlockTimestamp": BLOCK.timestamp,
    "supplyRatePerTimestamp": SUPPLY_RATE,
    "baseRatePerTimestamp": BASE,
    "multiplierPerTimestamp": SLOPE,
    "jumpMultiplierPerTimestamp": JUMP,
}
BLOCKS: Answers = {
    "accrualBlockNumber": BLOCK.height,
    "supplyRatePerBlock": SUPPLY_RATE,
    "baseRatePerBlock": BASE,
    "multiplierPerBlock": SLOPE,
    "jumpMultiplierPerBlock": JUMP,
}
MOONWELL = {**CTOKEN, **SECONDS}


def answer(read: EthCall, said: Answers) -> bytes:
    """As a contract that has these functions and no others does; the asset's balance of the cToken is its cash."""
    ctoken = abi("compound_v2")
    if read.to == MULTICALL3:
        second = said.get("block_seconds", {}).get(read.lag_blocks)
        return b"" if second is None else encode(["uint256"], [BLOCK.timestamp - round(second * read.lag_blocks)])
    if read.data[:4] == ctoken.selector("getBorrowRate"):
        return encode(["uint256"], [two_kinks(*decode(["uint256"] * 3, read.data[4:]))])
    if read.to == USDC.address:
        return encode(["uint256"], [said.get("balance", said["getCash"])])
    for name, entry in ctoken._functions.items():
        if read.data[:4] == ctoken.selector(name):
            value = said.get(name)
            if name == "actionPaused" and value is not None:
                value = value[read.data[-1]]
            return b"" if value is None else encode([entry["outputs"][0]["type"]], [value])
    raise AssertionError(read)


FIRST, SECOND, STEEP = 8 * 10**17, 9 * 10**17, 3 * 10**12
"""Kinks of Venus's model, and its slope beyond the second."""


def two_kinks(cash: int, borrows: int, reserves: int) -> int:
    """TwoKinksInterestRateModel.getBorrowRate, without base rates."""
    used = min(WAD, borrows * WAD // (cash + borrows - reserves)) if borrows else 0
    if used < FIRST:
        return used * SLOPE // WAD
    if used < SECOND:
        return FIRST * SLOPE // WAD + (used - FIRST) * JUMP // WAD
    return FIRST * SLOPE // WAD + (SECOND - FIRST) * JUMP // WAD + (used - SECOND) * STEEP // WAD


def deployment(*markets: str, assets: tuple[Token, ...] = (USDC,), **params: Any) -> Deployment:
    table = {"comptroller": COMPTROLLER, "markets": list(markets), **params}
    return Deployment("compound_v2", CHAIN, "Moonwell", table, assets)


def discovered(where: Deployment, said: Mapping[str, Answers]) -> tuple[Market, ...]:
    flow = ADAPTER.discover(where)
    reads = next(flow)
    assert all(isinstance(read, EthCall) for read in reads)
    with pytest.raises(StopIteration) as done:
        flow.send([answer(read, said[read.to]) for read in reads if isinstance(read, EthCall)])
    found: tuple[Market, ...] = done.value.value
    return found


def observed(said: Answers, block: BlockRef = BLOCK, **params: Any) -> MarketState:
    (market,) = discovered(deployment(M_USDC, **params), {M_USDC: said})
    flow = ADAPTER.observe(market, ME, block)
    reads = next(flow)
    with pytest.raises(StopIteration) as done:
        while True:
            reads = flow.send([answer(read, said) for read in reads if isinstance(read, EthCall)])
    state: MarketState = done.value.value
    return state


@pytest.mark.parametrize("function", ["mint", "redeem", "redeemUnderlying"])
def test_selectors(function: str) -> None:
    assert abi("compound_v2").selector(function) == keccak(text=f"{function}(uint256)")[:4]


def test_a_table_needs_a_comptroller_and_markets() -> None:
    for wrong in ({"comptroller": COMPTROLLER}, {"markets": [M_USDC]}, {"comptroller": COMPTROLLER, "markets": []}):
        with pytest.raises(ValidationError):
            ADAPTER.params.model_validate(wrong)
    with pytest.raises(ValidationError, match="blocks_per_year"):
        ADAPTER.params.model_validate({"comptroller": COMPTROLLER, "markets": [M_USDC], "blocks_per_year": 0})


def test_a_market_an_asset() -> None:
    said = {M_USDC: MOONWELL, M_CBBTC: MOONWELL | {"underlying": CBBTC.address}}
    cbbtc, usdc = discovered(deployment(M_CBBTC, M_USDC, assets=(USDC, CBBTC)), said)
    assert (usdc.asset, usdc.address, cbbtc.asset, cbbtc.address) == (USDC, M_USDC, CBBTC, M_CBBTC)
    assert usdc.id == f"compound_v2/8453/{M_USDC.lower()}"


@pytest.mark.parametrize(
    ("markets", "assets", "words"),
    [
        ((M_USDC,), (CBBTC,), "which is not among"),
        ((M_USDC, M_CBBTC), (USDC,), "two markets of USDC"),
        ((M_USDC, OTHER), (USDC, CBBTC), "says no underlying asset"),
    ],
)
def test_a_wrong_entry_of_a_table_is_quarantined_alone(
    markets: tuple[str, ...], assets: tuple[Token, ...], words: str
) -> None:
    *good, bad = discovered(deployment(*markets, assets=assets), {M_USDC: MOONWELL, M_CBBTC: MOONWELL, OTHER: {}})
    assert not any("unfit" in one.params for one in good) and bad.address == markets[-1]
    with pytest.raises(MarketError, match=words):
        next(ADAPTER.observe(bad, ME, BLOCK))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"comptroller": OTHER}, "another comptroller"),
        ({"accrualBlockTimestamp": None}, "does not answer as a cToken does"),
        ({"decimals": None}, "does not answer as a cToken does"),
        ({"accrualBlockTimestamp": None, **BLOCKS}, "no earlier block's time can be read: name blocks_per_year"),
        ({"mintGuardianPaused": None}, "does not say whether minting is paused"),
    ],
)
def test_a_market_that_is_none_is_quarantined_alone(change: Answers, words: str) -> None:
    with pytest.raises(MarketError, match=words):
        observed({**MOONWELL, **change})


def test_a_model_that_is_exchanged_meanwhile_is_noticed() -> None:
    (market,) = discovered(deployment(M_USDC), {M_USDC: MOONWELL})
    flow = ADAPTER.observe(market, ME, BLOCK)
    reads = next(flow)
    changed = MOONWELL | {"interestRateModel": OTHER}
    with pytest.raises(MarketError, match="exchanged"):
        flow.send([answer(read, changed) for read in reads if isinstance(read, EthCall)])


def test_interest_is_counted_by_either_clock() -> None:
    by_seconds = observed(MOONWELL, replace(BLOCK, timestamp=BLOCK.timestamp + 86_400))
    said = {**CTOKEN, **BLOCKS}
    by_blocks = observed(said, replace(BLOCK, height=BLOCK.height + 86_400), blocks_per_year=BLOCKS_PER_YEAR)
    interest = (81 * 10**16 * SLOPE // WAD + BASE) * 86_400 * 810_000 * 10**6 // WAD
    for state in (by_seconds, by_blocks):
        assert state.borrowed is not None and state.borrowed.raw == 810_000 * 10**6 + interest
        assert state.supplied.raw == 10**12 + interest - interest // 10
        assert state.doubts == () and state.status is Status.ACTIVE
    assert by_seconds.quoted.value == SUPPLY_RATE * YEAR / WAD
    assert by_blocks.quoted.value == SUPPLY_RATE * BLOCKS_PER_YEAR / WAD


def test_a_model_that_does_not_state_its_terms_is_asked_and_blocks_are_timed() -> None:
    """Venus's model of two kinks, on a chain whose blocks last 0.45 s."""
    rate = two_kinks(200_000, 810_000, 10_000)
    pays = 81 * 10**16 * (rate * 9 // 10) // WAD
    venus = {**CTOKEN, **BLOCKS, "supplyRatePerBlock": pays, "kink": None, "block_seconds": {20_000: 0.45, 100: 0.44}}
    venus |= {"actionPaused": (False, False), "supplyCaps": 10**14}
    state = observed(venus)
    assert state.doubts == () and "block-time-of-few-blocks" not in state.flags
    year = 20_000 * YEAR // 9_000
    assert state.quoted.value == pays * year / WAD
    later = observed(venus, replace(BLOCK, height=BLOCK.height + 1_000))
    assert later.borrowed is not None and later.borrowed.raw == 810_000 * 10**6 + rate * 1_000 * 810_000 * 10**6 // WAD
    assert isinstance(state.curve, KinkedCurve)
    assert [round(used * 100) for used, _ in state.curve.points] == [0, 80, 90, 100]
    for lent in (0.2, 0.5, 0.8, 0.805):  # our deposit lowers the utilisation
        more = 810_000 / lent - 1_000_000
        true = lent * two_kinks(round((200_000 + more) * WAD), 810_000 * WAD, 10_000 * WAD) * 0.9 * year / WAD
        assert state.curve.apr(more, 1.0) == pytest.approx(true, rel=1e-6)
    short = observed({**venus, "block_seconds": {20_000: None, 100: 0.44}})
    assert "block-time-of-few-blocks" in short.flags and short.quoted.value == pays * (100 * YEAR // 44) / WAD
    assert "above-kink" in observed({**venus, "getCash": 60_000 * 10**6, "balance": 10**12}).flags
    with pytest.raises(MarketError, match="does not state its terms"):
        observed({**venus, "badDebt": 0})


def test_what_is_held_is_what_its_shares_pay() -> None:
    state = observed({**MOONWELL, "balanceOf": 7 * 10**8 + 1})
    assert (state.shares, state.held.raw) == (7 * 10**8 + 1, (7 * 10**8 + 1) * 2 * 10**14 // WAD)
    assert state.share_token is not None and (state.share_token.symbol, state.share_token.decimals) == ("mUSDC", 8)
    (call,) = ADAPTER.withdraw(state, None, ME)
    assert int.from_bytes(call.data[4:], "big") == state.shares
    assert state.rounding_raw == 4
    coarse = observed({**MOONWELL, "totalSupply": 10**9, "exchangeRateStored": 10**21})
    assert coarse.rounding_raw == 2 * 1_000 + 2  # a share of 0.001 USDC


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mintGuardianPaused": True}, Status.FROZEN),
        ({"actionPaused": (True, False), "supplyCaps": 10**14}, Status.FROZEN),
        ({"actionPaused": (False, True), "supplyCaps": 10**14}, Status.PAUSED),
        ({"actionPaused": (False, False), "supplyCaps": 10**14, "mintGuardianPaused": None}, Status.ACTIVE),
        ({"actionPaused": (False, False), "supplyCaps": 0}, Status.FROZEN),  # Venus: no cap is no room
        ({"supplyCaps": 0}, Status.ACTIVE),  # Moonwell: no cap is no limit
    ],
)
def test_pauses_of_either_comptroller(change: Answers, status: Status) -> None:
    state = observed({**MOONWELL, **change})
    assert state.status is status and (str(status) in state.flags) == (status is not Status.ACTIVE)


def test_headroom_stays_below_the_cap_with_an_hour_of_interest() -> None:
    assert observed(MOONWELL).capacity is None and observed({**MOONWELL, "supplyCaps": 0}).capacity is None
    state = observed({**MOONWELL, "supplyCaps": 1_200_000 * 10**6})
    hour = (81 * 10**16 * SLOPE // WAD + BASE) * YEAR * 3600 // YEAR * 810_000 * 10**6 // WAD
    assert state.capacity is not None and state.capacity.raw == 200_000 * 10**6 - 1 - hour
    full = observed({**MOONWELL, "supplyCaps": 10**12})
    assert full.capacity is not None and full.capacity.raw == 0 and "at-cap" in full.flags


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"totalSupply": 6 * 10**15}, "suppliers are owed 1,200,000 USDC, cash and debts are 1,000,000 USDC"),
        ({"balance": 150_000 * 10**6}, "its account holds 150,000 USDC"),
        ({"supplyRatePerTimestamp": SUPPLY_RATE * 2}, "its rate model's terms say"),
        ({"totalSupply": 0}, "no share of it is out"),
        ({"totalSupply": 1_000, "exchangeRateStored": 10**27}, "the least share is worth 1,000 USDC"),
        ({"treasuryPercent": 5 * 10**14}, "0.0500% of what is redeemed is kept"),
    ],
)
def test_doubts(change: Answers, words: str) -> None:
    state = observed({**MOONWELL, **change})
    assert any(words in doubt for doubt in state.doubts), state.doubts
    assert set(state.doubts) <= set(state.flags)


def test_what_a_redemption_costs_is_not_held() -> None:
    state = observed({**MOONWELL, "balanceOf": 5 * 10**12, "treasuryPercent": 10**16})
    assert state.held.raw == 990 * 10**6


def test_cash_is_what_is_there_and_rewards_are_left_out_aloud() -> None:
    assert observed({**MOONWELL, "balance": 150_000 * 10**6}).liquidity.raw == 150_000 * 10**6
    assert "rewards-not-counted" not in observed({**MOONWELL, "rewardDistributor": "0x" + "00" * 20}).flags
    paid = observed({**MOONWELL, "rewardDistributor": OTHER})
    assert "rewards-not-counted" in paid.flags and paid.rewards == () and paid.doubts == ()


def test_reserves_beyond_all_there_is_are_no_market() -> None:
    (market,) = discovered(deployment(M_USDC), {M_USDC: MOONWELL})
    flow = ADAPTER.observe(market, ME, BLOCK)
    reads = next(flow)
    with pytest.raises(ArithmeticError, match="reserves"):
        flow.send([answer(read, MOONWELL | {"totalReserves": 10**14}) for read in reads if isinstance(read, EthCall)])
