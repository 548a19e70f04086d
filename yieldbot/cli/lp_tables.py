"""Tables of pools and of our positions in them. Imported only when one is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from yieldbot.app.liquidity import AccountLiquidity
from yieldbot.app.pool_names import facing, named, price_at
from yieldbot.cli import skips
from yieldbot.cli.render import at
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.durations import days_long
from yieldbot.model.exchange import Pool
from yieldbot.model.liquidity import PoolPosition
from yieldbot.model.numbers import significant
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    from yieldbot.app.results import LiquidityView

BAR = 21
"""Width of a range's picture, in characters."""


def skipped(found: Iterable[AccountLiquidity]) -> list[Text]:
    """A line for each chain whose pools could not be read."""
    rows = [(one.job.chain.name, one.job.wallet.name, one.skipped or "") for one in found if one.view is None]
    return skips.lines(rows, "wallet")


def pools(one: AccountLiquidity, policy: Policy) -> RenderableType:
    """A row for each pool, ordered by the lower bound of its net yield, then why pools are not entered."""
    who = f"{one.job.wallet.name} on {one.job.chain.name}"
    assert one.view is not None  # else it was skipped
    view = one.view
    title = f"Liquidity. {who}, {at(view.block)}, for {one.value_usd:z,.0f} US dollars"
    heads = (">TVL, $", ">Fees APR", ">LVR APR", ">Cost APR", ">Volatility", ">Net APY", ">Lending", "Best range", "")
    sheet = TextTable(title, "Pool", *heads)
    for found in sorted(one.appraisals, key=lambda a: a.net[0].value, reverse=True):
        state, at_mean = found.state, found.best.at_mean
        tvl = view.worth(state.pool, state.reserves)
        ticks = None if found.best.full else (found.best.ticks.low, found.best.ticks.high)
        sheet.add_row(
            named(state.pool),
            "-" if tvl is None else f"{tvl:z,.0f}",
            f"{at_mean.fees:z.2%}",
            f"{at_mean.lost:z.2%}",
            f"{at_mean.cost:z.2%}",
            f"{_number(found.estimate.sigma.low)} to {_number(found.estimate.sigma.high)}",
            f"{_apy(found.net[0])} to {_apy(found.net[2])}",
            "-" if found.lending is None else f"{found.lending.value:z.2%}",
            span(state.pool, ticks, view),
            "pays" if not found.vetoes else "does not pay",
        )
    lines = [f"{named(found.state.pool)}: {why}" for found in one.appraisals for why in found.vetoes]
    sure = (
        f"Intervals: {policy.confidence:z.0%} confidence by the pools' own records, over {days_long(policy.mean_days)}."
    )
    lines += [
        sure,
        "`yieldbot lp add` adds liquidity; so do plans where a base has liquidity = true (docs/liquidity.md).",
    ]
    lines += [f"not read: {why}" for why in (*view.unread, *one.unvalued)]
    return Group(sheet, *(Text(line) for line in lines))


def positions(one: AccountLiquidity) -> RenderableType:
    """A row for each of our positions: what it holds and has earned, its impermanent loss and its range."""
    who = f"{one.job.wallet.name} on {one.job.chain.name}"
    assert one.view is not None  # else it was skipped
    view = one.view
    heads = (">Value, $", "Holds", "Uncollected fees", ">Fees earned, $", ">Against holding", "Range", "")
    sheet = TextTable(f"Liquidity. {who}, {at(view.block)}", "Position", *heads)
    lines: list[str] = []
    for position, past, advice in zip(view.positions, one.pasts, one.triggers, strict=True):
        pool = position.state.pool
        name = named(pool) if position.token_id is None else f"{named(pool)} #{position.token_id}"
        over, _ = facing(pool, view)
        value, loss, earned = view.worth(pool, position.amounts), "-", "-"
        if isinstance(past, str):
            lines.append(f"{name}: what was put in is not known: {past}")
        else:
            lost = past.impermanent_loss(position.amounts, (position.state.sqrt_price_x96 / 2**96) ** 2)
            loss = "-" if lost is None else f"{lost:+z.3%}"
            dollars = view.worth(pool, past.earned(position.fees))
            earned = "-" if dollars is None else f"{dollars:z,.2f}"
        sheet.add_row(
            name,
            "-" if value is None else f"{value:z,.2f}",
            _pair(pool, position.amounts),
            _pair(pool, position.fees),
            earned,
            loss,
            f"{bar(position.ticks, position.state.tick, over)}\n{span(pool, position.ticks, view)}",
            _standing(position),
        )
        if advice is not None:
            lines.append(f"{name}: {advice.advice.value}: {advice.reason}")
    lines += [f"not read: {why}" for why in view.unread]
    return Group(*([sheet] if view.positions else []), *(Text(line) for line in lines))


def _pair(pool: Pool, amounts: tuple[int, int]) -> str:
    return "\n".join(
        f"{significant(float(Amount(token, raw)), 6)} {token.symbol}"
        for token, raw in zip((pool.token0, pool.token1), amounts, strict=True)
    )


def _standing(position: PoolPosition) -> str:
    if position.in_range:
        return "in range"
    if not position.out_for:
        return "OUT OF RANGE"
    return f"OUT OF RANGE\nfor {position.out_for / 3600:z,.1f} h at least"


def _number(value: float) -> str:
    return "-" if math.isinf(value) else f"{value:z.0%}"


def _apy(value: Apy) -> str:
    return "?" if math.isinf(value.value) else f"{value.value:z.2%}"


def span(pool: Pool, ticks: tuple[int, int] | None, view: LiquidityView) -> str:
    """A range as two prices."""
    if ticks is None or ticks[1] - ticks[0] > 1_000_000:
        return "all prices"
    over, unit = facing(pool, view)
    low, high = (price_at(pool, tick) for tick in ticks)
    if over:
        low, high = 1 / high, 1 / low
    return f"{significant(low, 6)} to {significant(high, 6)} {unit}"


def bar(ticks: tuple[int, int] | None, tick: int, over: bool) -> str:
    """A range with the price inside or outside of it: ``[----|--------]``; logarithmic. ``over``: prices are
    inverted."""
    if ticks is None or ticks[1] - ticks[0] > 1_000_000:
        return "[" + "=" * (BAR - 2) + "]"
    low, high, now = (ticks[0], ticks[1], tick) if not over else (-ticks[1], -ticks[0], -tick)
    inner = BAR - 2
    if now < low:
        return "| [" + "-" * (inner - 2) + "]"
    if now >= high:
        return "[" + "-" * (inner - 2) + "] |"
    at = min(inner - 1, math.floor((now - low) / (high - low) * inner))
    return "[" + "-" * at + "|" + "-" * (inner - 1 - at) + "]"
