"""Small snapshots for the allocator's tests."""

from __future__ import annotations

from yieldbot.math.curves import ConstantCurve, KinkedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, Market, MarketState, Snapshot, Status

CHAIN = ChainId("eip155:1")
USDC = Token(CHAIN, Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
OWNER = Address("0x000000000000000000000000000000000000dEaD")
BLOCK = BlockRef(CHAIN, 1, "0x" + "12" * 32, 1_700_000_000)
IDLE_ID = MarketId("idle/1/usdc")


def usdc(whole: float) -> Amount:
    return Amount(USDC, round(whole * USDC.one))


def kinked(others: float, borrowed: float, kink: float = 0.9, low: float = 0.05, high: float = 0.6) -> KinkedCurve:
    return KinkedCurve(others, borrowed, ((0.0, 0.0), (kink, low), (1.0, low + high)), 0.9)


def market(
    name: str,
    curve: YieldCurve,
    *,
    held: float = 0,
    liquidity: float = 1e9,
    capacity: float | None = None,
    protocol: str = "lend",
    status: Status = Status.ACTIVE,
    pools: frozenset[str] | None = None,
    borrowed: float | None = None,
    gas: int = 200_000,
) -> MarketState:
    where = Market(MarketId(f"{protocol}/1/{name}"), protocol, Kind.LENDING, CHAIN, name, USDC, OWNER)
    return MarketState(
        market=where,
        block=BLOCK,
        held=usdc(held),
        shares=usdc(held).raw,
        share_token=None,
        liquidity=usdc(liquidity),
        capacity=None if capacity is None else usdc(capacity),
        supplied=usdc(1e6),
        borrowed=None if borrowed is None else usdc(borrowed),
        status=status,
        curve=curve,
        quoted=Apr(curve.apr(held, 30 * 86_400)),
        pools=frozenset({name}) if pools is None else pools,
        gas_deposit=gas,
        gas_withdraw=gas,
    )


def snapshot(idle: float, *states: MarketState, gwei: float = 1.0) -> Snapshot:
    wallet = Market(IDLE_ID, "idle", Kind.IDLE, CHAIN, "Wallet", USDC, USDC.address)
    idle_state = MarketState(
        market=wallet,
        block=BLOCK,
        held=usdc(idle),
        shares=0,
        share_token=None,
        liquidity=usdc(idle),
        capacity=None,
        supplied=usdc(idle),
        borrowed=None,
        status=Status.ACTIVE,
        curve=ConstantCurve(0.0),
        quoted=Apr(0.0),
        pools=frozenset(),
        gas_deposit=0,
        gas_withdraw=0,
    )
    fees = ChainFees(int(gwei * 1e9), 0, 3000.0)
    return Snapshot(
        block=BLOCK,
        owner=OWNER,
        states={s.market.id: s for s in (*states, idle_state)},
        quarantined=(),
        fees=fees,
        native_balance_raw=10**19,
    )
