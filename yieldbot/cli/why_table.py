"""The table of why each market has its target; jobs whose tables are equal share one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from yieldbot.app.yields import apy_after, net_apy, probe_of
from yieldbot.cli.render import compounded, money, names_of, percent, plan
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Apr
from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import days_long
from yieldbot.model.market import RateForecast, Snapshot
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Why:
    """One job's table, as text."""

    chain: str
    """The chain's name."""
    heads: tuple[str, ...]
    """Heads of the columns."""
    rows: tuple[tuple[str, ...], ...]
    """A row for each market, the largest target first."""
    notes: tuple[str, ...]
    """Lines below the table."""

    def table(self, wallets: Sequence[str]) -> RenderableType:
        """wallets: those that it is of; one needs no name."""
        made = TextTable(f"Why, for {', '.join(wallets)}" if wallets[1:] else "Why", *self.heads)
        for row in self.rows:
            made.add_row(*row)
        return Group(made, *map(Text, self.notes))


def explained(jobs: Iterable[tuple[Job, Snapshot, Plan | Hold]], policy: Policy) -> list[RenderableType]:
    """For each job the plan, and why each market has its target. A table that is equal to another job's on the same
    chain is printed once, with the names of the wallets."""
    every = list(jobs)
    tables = [why(job, snapshot, found, policy) for job, snapshot, found in every]
    wallets = dict[Why, list[str]]()
    for (job, _, _), one in zip(every, tables, strict=True):
        if one is not None:
            wallets.setdefault(one, []).append(job.wallet.name)
    printed = set[Why]()
    parts = list[RenderableType]()
    for (job, snapshot, found), one in zip(every, tables, strict=True):
        shown = [plan(job, snapshot, found)]
        if one in printed and one is not None:
            shown.append(Text(f"Why: as for {wallets[one][0]}"))
        elif one is not None:
            printed.add(one)
            shown.append(one.table(wallets[one]))
        parts.append(Group(*shown))
    return parts


def why(job: Job, snapshot: Snapshot, found: Plan | Hold, policy: Policy) -> Why | None:
    """Why each market has its target: the yield that ``markets`` shows, with forecasts what is expected in its place,
    and what is left of it after the expected loss, by which it is chosen; None for an empty wallet."""
    tokens = {state.market.asset for state in snapshot.states.values()}
    if found.allocation is None or (isinstance(found, Hold) and not any(snapshot.wealth(one).raw for one in tokens)):
        return None  # an empty wallet has nothing to explain
    names, allocation = names_of(snapshot), found.allocation
    symbol = job.asset.symbol if job.base is None else ""
    said = {state.market.id: state.forecast for state in snapshot.markets if state.forecast is not None}
    days = "/".join(f"{one:g}" for one in sorted({forecast.days for forecast in said.values()}))
    horizon_days = policy.horizon_seconds / DAY_SECONDS
    probes = {
        state.market.id: (state, probe_of(state, allocation, snapshot.wealth(state.market.asset)))
        for state in snapshot.markets
        if state.market.id in allocation.targets
    }
    now = {key: apy_after(*one, policy.horizon_seconds, policy) for key, one in probes.items()}
    net = {key: net_apy(*one, policy.horizon_seconds, policy) for key, one in probes.items()}
    other = any(
        compounded(reason.apr_after, horizon_days) != percent(now.get(reason.market_id))
        for reason in allocation.reasons
        if allocation.targets[reason.market_id]
    )
    expected = [f">Forecast APY, {days} d (80 %)"] if said else []
    expected += [">APY expected"] if other else []
    heads = (f">Target {symbol}".rstrip(), ">APY after", *expected, ">Net APY", ">Net marginal APY", "Because")
    rows = []
    for reason in sorted(allocation.reasons, key=lambda reason: -allocation.targets[reason.market_id].raw):
        amount, because = allocation.targets[reason.market_id], reason.binding
        shown = [percent(now.get(reason.market_id))]
        target = money(amount) if job.base is None else f"{money(amount)} {amount.token.symbol}"
        if said:
            forecast = said.get(reason.market_id)
            shown.append("-" if forecast is None else _interval(forecast))
            because += f"; {forecast.reason}" if forecast is not None and forecast.reason else ""
        shown += [compounded(reason.apr_after, horizon_days)] if other else []
        shown += [percent(net.get(reason.market_id)), compounded(reason.marginal_apr, horizon_days)]
        rows.append((names.get(reason.market_id, reason.market_id), target, *shown, because))
    one_more = f"One more {job.asset.symbol} would earn {compounded(allocation.shadow_price, horizon_days)} a year"
    worth = (
        f"APY after: over {days_long(horizon_days)} with the target in it; where none is, with all our money in it. "
        f"Net: less the expected loss, by which markets are chosen. {one_more}, net of haircuts."
    )
    return Why(job.chain.name, ("Market", *heads), tuple(rows), (worth, _stands_on(said.values())))


def _stands_on(said: Collection[RateForecast]) -> str:
    """Which rates the decision was based on, in one line."""
    if not said:
        return "Decided on today's rates: memory spans less than three days, or the policy decides on quotes."
    by = ", ".join(sorted({one.by or "a forecaster" for one in said}))
    return f"Decided on forecasts by {by} (`yieldbot forecast` shows others); one without counts as it pays now."


def _interval(said: RateForecast) -> str:
    """The forecast's mean and interval, as ``4.10 % (3.0-6.2)``, compounded over its horizon."""
    low, high = (Apr(one).compounded(said.days * DAY_SECONDS).value * 100 for one in (said.low, said.high))
    return f"{compounded(said.mean, said.days)} ({low:z.1f}-{high:z.1f})"
