"""Rate models of cTokens, and how long a block lasts. Flows yield reads; no I/O.

A JumpRateModel states its terms. Others, such as Venus's of two kinks, and its views that pass from one model to
another at a set time, are asked for the rate at every whole percent of utilisation, and at the market's present one;
between these their rate is a line, which is exact for models whose kinks are at whole percents, as Venus's are.

Sources: VenusProtocol/venus-protocol, TwoKinksInterestRateModel.sol, WhitePaperInterestRateModel.sol and
CheckpointView.sol.
"""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.errors import MarketError
from yieldbot.math.compound_v2 import MANTISSA, RateModel, SampledRate
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.reads import Flow
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.reads import ReadHandle, Reads

PARTS = 100
"""Parts of the utilisation, at whose ends a model is asked."""
ROUNDING = 3
"""Units of 1e-18 a period by which rounding bends a straight line of three points."""
LONG, SHORT = 20_000, 100
"""Blocks over which the length of a block is measured: nodes without an archive answer the second alone."""


def sampled_rate(model: Address, cash_raw: int, borrows_raw: int, reserves_raw: int) -> Flow[SampledRate]:
    """The model by its answers, in one round; amounts: the market's totals as they are stored."""
    codec = abi("compound_v2")
    at = [MANTISSA * part // PARTS for part in range(PARTS + 1)]
    reads = Reads()
    now = reads.add(codec.read(model, "getBorrowRate", cash_raw, borrows_raw, reserves_raw))
    asked = reads.group(codec.read(model, "getBorrowRate", MANTISSA - used, used, 0) for used in at)
    yield from reads.made()
    rates = [codec.one("getBorrowRate", data) for data in asked.data]
    whole = cash_raw + borrows_raw - reserves_raw
    used = borrows_raw * MANTISSA // whole if borrows_raw and whole > 0 else 0
    return SampledRate(tuple(zip(at, rates, strict=True)), min(used, MANTISSA), codec.one("getBorrowRate", now.data))


def block_reads(reads: Reads) -> list[ReadHandle]:
    """Reads of the times LONG and SHORT blocks ago."""
    codec = abi("erc4626")
    return [
        reads.add(codec.read(MULTICALL3, "getCurrentBlockTimestamp", optional=True, lag_blocks=lag))
        for lag in (LONG, SHORT)
    ]


def blocks_per_year(handles: Sequence[ReadHandle], block: BlockRef, name: str) -> tuple[int, bool]:
    """(how many blocks the chain makes a year, whether that is from the last few blocks alone). Raises MarketError if
    no earlier block's time can be read."""
    for lag, handle in zip((LONG, SHORT), handles, strict=True):
        if len(handle.data) >= 32:
            seconds = block.timestamp - int.from_bytes(handle.data[:32], "big")
            if seconds > 0:
                return lag * SECONDS_PER_YEAR // seconds, lag == SHORT
    raise MarketError(f"{name} accrues by block, and no earlier block's time can be read: name blocks_per_year")


def _corners(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points, evenly spaced, without those on the line between their neighbours (up to ROUNDING)."""
    inner = zip(points, points[1:], points[2:], strict=False)
    bends = [middle for before, middle, after in inner if abs(before[1] - 2 * middle[1] + after[1]) > ROUNDING]
    return [points[0], *bends, points[-1]]


def curve_points(model: RateModel, periods: int) -> tuple[tuple[float, float], ...]:
    """(utilisation, annual borrow rate): the curve's points as fractions."""
    if isinstance(model, SampledRate):
        return tuple((u / MANTISSA, rate * periods / MANTISSA) for u, rate in _corners(model.points))
    points = sorted({0, model.kink, MANTISSA})
    return tuple((u / MANTISSA, model.borrow(u) * periods / MANTISSA) for u in points)
