"""Which markets a list shows, and in which order: what we hold first, then by the figure that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from yieldbot.app.market_documents import GlancedMarket, JobMarkets, Market
from yieldbot.app.parts import JobHead
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import ExitKind
from yieldbot.model.spelling import did_you_mean

USUAL = "apy"
NAME = "name"
_UNKNOWN = float("-inf")


def _figure(value: float | None) -> float:
    """A figure of which the greatest comes first; what is not known comes last."""
    return _UNKNOWN if value is None else value


def hours_of(one: Market) -> float | None:
    """The longest that money needs to leave; None: unbounded."""
    return 0.0 if one.exit.kind == ExitKind.INSTANT.value else one.exit.hours


def _soonest(one: Market) -> float:
    hours = hours_of(one)
    return _UNKNOWN if hours is None else -hours


SORTS: dict[str, Callable[[Market], float]] = {
    "apy": lambda one: _figure(one.total_apy_after_deposit),
    "quoted": lambda one: _figure(one.quoted_apy),
    "rewards": lambda one: _figure(one.reward_apy_after_deposit),
    "forecast": lambda one: _figure(one.forecast.apy if one.forecast else None),
    "safety": lambda one: _figure(one.safety),
    "held": lambda one: float(one.held.text),
    "supplied": lambda one: float(one.supplied.text),
    "liquidity": lambda one: float(one.liquidity.text),
    "used": lambda one: _figure(one.utilisation),
    "exit": _soonest,
}
"""By name of an order: the figure of which the greatest comes first. ``exit``: the shortest way out first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which markets of a list are shown, and in which order."""

    protocol: str | None = None
    """Only markets of this protocol: its adapter's name, or a part of the market's name; None: all."""
    min_supplied: str | None = None
    """Only markets to which all suppliers have lent this much or more, in whole tokens; None: all."""
    exit_within_hours: float | None = None
    """Only markets that pay out within so many hours; None: all."""
    sort: str = USUAL
    """A name of SORTS, or ``name``."""
    reverse: bool = False
    """Whether the order is turned round."""
    top: int | None = None
    """Only so many markets, counted over all jobs; None: all."""

    def check(self) -> None:
        """Raises ConfigError for a request that cannot be met, with the remedy."""
        if self.sort not in (*SORTS, NAME):
            raise ConfigError(f"--sort {self.sort}: {did_you_mean(self.sort, (*SORTS, NAME))}")
        if self.top is not None and self.top < 1:
            raise ConfigError(f"--top {self.top}: write how many markets, 1 or more")
        if self.exit_within_hours is not None and not 0 <= self.exit_within_hours < float("inf"):
            raise ConfigError("--exit-within: write a number of hours, 0 for markets that pay out at once")
        self.least_supplied()

    def least_supplied(self) -> Decimal:
        """``min_supplied`` as a number. Raises ConfigError."""
        try:
            least = Decimal(self.min_supplied or "0")
        except InvalidOperation:
            least = Decimal("nan")
        if not least.is_finite() or least < 0:
            raise ConfigError(f"--min-supplied {self.min_supplied}: write whole tokens, as 1000000 or 0.5")
        return least

    def shows(self, one: Market) -> bool:
        """Whether the filters let a market through; ``top`` aside."""
        hours = hours_of(one)
        return self._wants(one.protocol, one.name, one.supplied.text) and (
            self.exit_within_hours is None or (hours is not None and hours <= self.exit_within_hours)
        )

    def shows_glanced(self, one: GlancedMarket) -> bool:
        """Whether the filters let a market through that was not read in full: its way out is not known."""
        return self._wants(one.id.partition("/")[0], one.name, one.supplied.text) and self.exit_within_hours is None

    def _wants(self, protocol: str, name: str, supplied: str) -> bool:
        called = (self.protocol or "").casefold()
        return (called == protocol.casefold() or called in name.casefold()) and Decimal(
            supplied
        ) >= self.least_supplied()


FLAGS = {
    "protocol": "--protocol",
    "min_supplied": "--min-supplied",
    "exit_within_hours": "--exit-within",
    "sort": "--sort",
    "reverse": "--reverse",
    "top": "--top",
}
"""By name of a view's field: the flag that sets it."""


def rows_of(jobs: Sequence[JobMarkets | JobHead], view: View) -> list[tuple[JobMarkets, Market]]:
    """Each shown market with its job, in the view's order: what is held comes first whatever the order is."""
    rows = [(job, one) for job in jobs if isinstance(job, JobMarkets) for one in job.markets if view.shows(one)]
    rows.sort(key=lambda row: (row[1].name.casefold(), row[1].id), reverse=view.reverse and view.sort == NAME)
    if view.sort != NAME:
        known = SORTS[view.sort]
        rows.sort(key=lambda row: known(row[1]), reverse=not view.reverse)
    rows.sort(key=lambda row: float(row[1].held.text) == 0)
    return rows[: view.top]


def arranged(jobs: Sequence[JobMarkets | JobHead], view: View) -> tuple[JobMarkets | JobHead, ...]:
    """The jobs with the markets that the view shows, in its order."""
    rows = rows_of(jobs, view)
    return tuple(
        job.model_copy(
            update={
                "markets": tuple(one for owner, one in rows if owner is job),
                "glanced": tuple(one for one in job.glanced if view.shows_glanced(one)),
            }
        )
        if isinstance(job, JobMarkets)
        else job
        for job in jobs
    )
