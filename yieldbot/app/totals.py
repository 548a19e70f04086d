"""The sums below ``positions``: of each asset over all jobs, what there is, what it earned, what that cost, and its
yield as a whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.app.formatting import number
from yieldbot.app.yields import apy_after
from yieldbot.books.export_text import decimal
from yieldbot.books.pnl import Pnl
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.positions import HeldByJob
    from yieldbot.history.holdings import MeasuredPosition
    from yieldbot.model.policy import Policy


class AssetTotals(Part):
    """One asset over all jobs, in whole tokens as decimal text unless a field says otherwise."""

    asset: str = Field(description="the asset's symbol")
    wealth: str | None = Field(
        description="`invested` and `idle` together, of what could be read (see `unread_jobs` and `unread`); null: a "
        "wallet could not be read"
    )
    unread_jobs: int = Field(
        default=0, description="how many jobs with this asset are in no figure, since their chain could not be read"
    )
    unread: str | None = Field(
        default=None,
        description="what the journal last recorded in markets that could not be read, or that are not configured any "
        "more; in no other figure; null: there is none",
    )
    invested: str = Field(description="what withdrawing everything from markets would pay")
    withdrawable: str = Field(description="the part of it that can be withdrawn now")
    idle: str | None = Field(description="in the wallets; null: one could not be read")
    earned: str = Field(
        description="what the positions that are held have earned, as far as that is known and they could be read (see "
        "`unread_jobs` and `unread`)"
    )
    unknown: int = Field(description="how many held positions' earnings are not in `earned`, since they are not known")
    apy_now: float | None = Field(
        description="what the money in markets earns from now on, weighted by amount; null: there is none"
    )
    apy_predicted: float | None = Field(
        description="yield predicted for the positions whose realised yield is known, weighted by amount and time; "
        "null: there is none"
    )
    apy_realised: float | None = Field(
        description="their realised yield, weighted in the same way; null: there is none"
    )
    base: str | None = Field(
        description="the currency of the figures after it, USD or the unit of the jobs' base; null: jobs differ, or no "
        "position was ever entered"
    )
    profit: str | None = Field(
        description="profit of all positions that are held, and of the last stay in those that were left, in `base`, "
        "without those that could not be read (see `unread_jobs` and `unread`); null: a price or an entry is missing"
    )
    gas: str | None = Field(description="fees of their transactions, in `base`; null: one is not known")
    net: str | None = Field(description="`profit` less `gas`; null: one of them is")


def totals(jobs: Sequence[HeldByJob], horizon_seconds: float, policy: Policy) -> tuple[AssetTotals, ...]:
    """A row for each asset, in the order of the jobs; jobs whose chain could not be served are counted apart."""
    served = [one for one in jobs if one.snapshot is not None]
    lost = [{token.symbol for token in one.job.assets} for one in jobs if one.snapshot is None]
    symbols = dict.fromkeys(one.job.asset.symbol for one in served)
    with localcontext() as context:
        context.prec = 100
        return tuple(
            _of(
                [one for one in served if one.job.asset.symbol == symbol],
                horizon_seconds,
                policy,
                sum(symbol in each for each in lost),
            )
            for symbol in symbols
        )


def _of(jobs: Sequence[HeldByJob], horizon_seconds: float, policy: Policy, lost: int) -> AssetTotals:
    """One asset's row. lost: how many of its jobs could not be read at all."""
    away = {
        (one.job.chain.chain, one.job.wallet.address, gone.market_id): gone.held.decimal
        for one in jobs
        for gone in one.unread
        if gone.held is not None and gone.held.token.symbol == one.job.asset.symbol
    }
    held = [row for one in jobs for row in one.positions]
    idle = _idle(jobs)
    invested = sum((row.state.held.decimal for row in held), Decimal(0))
    known = [row.earned.decimal for row in held if row.earned is not None]
    units = {row.unit for one in jobs for row in one.earned}
    unit = units.pop() if len(units) == 1 else None
    pnl = [row.found for one in jobs for row in one.earned]
    profit = _sum(one.base if isinstance(one, Pnl) else None for one in pnl) if unit else None
    gas = _sum(one.gas_base if isinstance(one, Pnl) else None for one in pnl) if unit else None
    return AssetTotals(
        asset=jobs[0].job.asset.symbol,
        wealth=None if idle is None else f"{invested + idle:f}",
        unread_jobs=lost,
        unread=f"{sum(away.values(), Decimal(0)):f}" if away else None,
        invested=f"{invested:f}",
        withdrawable=f"{sum((row.state.withdrawable.decimal for row in held), Decimal(0)):f}",
        idle=None if idle is None else f"{idle:f}",
        earned=f"{sum(known, Decimal(0)):f}",
        unknown=len(held) - len(known),
        apy_now=_mean(
            (float(row.state.held), apy_after(row.state, row.state.held, horizon_seconds, policy)) for row in held
        ),
        apy_predicted=_mean((weight, row.predicted) for weight, row in _measured(held)),
        apy_realised=_mean((weight, row.realised) for weight, row in _measured(held)),
        base=unit,
        profit=decimal(profit) or None,
        gas=decimal(gas) or None,
        net=None if profit is None or gas is None else decimal(profit - gas),
    )


def _idle(jobs: Iterable[HeldByJob]) -> Decimal | None:
    """What lies in the wallets, each account's balance of a token once; None: one could not be read."""
    found: dict[tuple[str, str, str], Amount] = {}
    for one in jobs:
        assert one.snapshot is not None
        lying = [state for state in one.snapshot.states.values() if state.market.kind is Kind.IDLE]
        if not lying:
            return None
        for state in lying:
            token = state.market.asset
            if token == one.job.asset:
                found[(one.job.chain.chain, one.job.wallet.address, token.address)] = state.held
    return sum((amount.decimal for amount in found.values()), Decimal(0))


def _measured(held: Iterable[MeasuredPosition]) -> list[tuple[float, MeasuredPosition]]:
    """(amount times seconds, position) of those whose predicted and realised yields are both known."""
    return [
        (float(row.state.held) * max(row.state.block.timestamp - row.since, 0), row)
        for row in held
        if row.predicted is not None and row.realised is not None and row.since is not None
    ]


def _mean(rows: Iterable[tuple[float, Apy | None]]) -> float | None:
    """The mean of the yields with these weights; None: the weights are zero together."""
    weighed = [(weight, apy.value) for weight, apy in rows if apy is not None]
    whole = sum(weight for weight, _ in weighed)
    return number(sum(weight * value for weight, value in weighed) / whole) if whole else None


def _sum(parts: Iterable[Fraction | None]) -> Fraction | None:
    """The sum; None if a part is missing or there is none."""
    known = list(parts)
    if not known or any(one is None for one in known):
        return None
    return sum((one for one in known if one is not None), Fraction(0))
