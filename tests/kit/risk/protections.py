"""A job of two markets, and plans that move money between them."""

from __future__ import annotations

from pathlib import Path

from tests.kit.market_builder import market, snapshot, usdc
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    JournalEntry,
    TxSettled,
    TxSigned,
)
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.settings import ChainSettings, Job, Wallet
from yieldbot.model.tx import Confirmed, Delta, Outcome, Reverted

NOW = 1_800_000_000
HOUR = 3600
SEEN = snapshot(100_000, market("a", ConstantCurve(0.1)), market("b", ConstantCurve(0.08), held=5_000))
A, B = (state.market.id for state in list(SEEN.states.values())[:2])
USDC = usdc(1).token
JOB = Job(
    wallet=Wallet(name="w", address=SEEN.owner, keystore=Path("none")),
    chain=ChainSettings(
        name="c",
        chain=SEEN.block.chain,
        rpc_env="X",
        rpc_urls=(),
        multicall3=SEEN.owner,
        native_symbol="ETH",
        native_feed=None,
        feeds={},
        tokens={"USDC": USDC},
        deployments=(),
        max_fee_gwei=50,
    ),
    asset=USDC,
)


def moved(number: int, into: MarketId, whole: float, hours_ago: float, outcome: str = "confirmed") -> list[Record]:
    """Journal records of a transaction of ours that moves ``whole`` USDC into a market; negative: out of it."""
    tx_hash = f"0x{number:064x}"
    delta = Delta(USDC, -usdc(abs(whole)).raw if whole > 0 else usdc(abs(whole)).raw)
    signed = TxSigned(
        chain=SEEN.block.chain,
        owner=SEEN.owner,
        plan_id="p",
        leg=0,
        market_id=into,
        hash=tx_hash,
        raw=b"",
        nonce=number,
        gas=1,
        max_fee_wei=1,
        priority_fee_wei=1,
        words="",
        expires_at=NOW,
        simulated_at=SEEN.block,
        predicted=(delta,),
    )
    ends: dict[str, Outcome] = {
        "confirmed": Confirmed(tx_hash, SEEN.block, 1, 1, (delta,)),
        "reverted": Reverted(tx_hash, SEEN.block, 1, "why"),
    }
    events: list[JournalEntry] = [signed]
    if outcome in ends:
        events.append(TxSettled(SEEN.block.chain, SEEN.owner, ends[outcome]))
    return [Record(2 * number + place, int(NOW - hours_ago * HOUR), event) for place, event in enumerate(events)]


def deposit(whole: float, into: MarketId = A) -> Leg:
    return Leg(LegKind.DEPOSIT, into, usdc(whole))
