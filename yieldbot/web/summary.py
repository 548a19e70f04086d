"""What the overview shows, from documents of ``app``: for the page, and for the report in one file."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.app.summary import AssetSummary, in_dollars, of_assets
from yieldbot.model.dataclass import dataclass
from yieldbot.web.charts import Chart, Line

Row = Mapping[str, Any]
MOST_DONE = 8
"""Most lines of what was done."""
MOST_RUNS = 200
"""Most runs of the past that these lines may stand for."""
WAITING = "queued"
_DIGITS = re.compile(r"[\d.,]+")
"""Numbers, which differ between reasons that are the same."""


@dataclass(slots=True)
class Done:
    """A run, and those before it that ended in the same way."""

    run: Row
    """The newest of them."""
    times: int
    """How many they are."""
    since: int
    """When the first of them began, in unix seconds."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the overview shows."""

    assets: Sequence[tuple[AssetSummary, Chart | None]]
    """Each asset with its wealth over time, what is worth most first; None: there are not two points yet."""
    usd: float | None
    """The worth of everything in US dollars; None: a price is not known, or there is nothing."""
    waiting: Sequence[Row]
    """Plans that wait for a person."""
    positions: Sequence[Row]
    """Holdings in markets, the largest first."""
    alarms: Sequence[tuple[Row, Row]]
    """(position, alarm) for each sign of danger where our money is."""
    done: Sequence[Done]
    """The last runs, the newest first, each with those before it that ended in the same way."""
    plans: Mapping[str, Row]
    """Plans of these runs by their id."""
    stopped: Sequence[Row]
    """Accounts for which nothing is signed until a person clears them."""
    unread: Sequence[str]
    """What could not be read, a line each."""
    reading: str | None
    """Why the figures are not of now; None: they are."""
    proposed: int
    """How many of the assistant's proposals wait."""
    chains: Mapping[str, str]
    """Chains' names by their identifiers."""


def of(
    *,
    wealth: Sequence[Row],
    positions: Sequence[Row],
    plans: Sequence[Row],
    runs: Sequence[Any],
    accounts: Sequence[Row],
    chains: Mapping[str, str],
    unread: Sequence[str] = (),
    reading: str | None = None,
    proposed: int = 0,
) -> Summary:
    """The overview of these rows, which a person may see."""
    assets = of_assets(wealth)
    done = _alike([one if isinstance(one, Mapping) else one.model_dump(mode="json") for one in runs[:MOST_RUNS]])
    named = {job["plan_id"] for one in done for job in one.run["jobs"]}
    return Summary(
        assets=[(one, _chart(one)) for one in assets],
        usd=in_dollars(assets),
        waiting=[one for one in plans if one["status"] == WAITING and one["expires_at"] > time.time()],
        positions=sorted(positions, key=lambda row: -float(row["held"]["text"])),
        alarms=[(row, alarm) for row in positions for alarm in row["alarms"]],
        done=done,
        plans={one["id"]: one for one in plans if one["id"] in named},
        stopped=[one for one in accounts if one["stopped"]],
        unread=unread,
        reading=reading,
        proposed=proposed,
        chains=chains,
    )


def _alike(runs: Sequence[Row]) -> list[Done]:
    """Runs, the newest first, as lines: runs one after another that ended in the same way are one."""
    found = list[Done]()
    for run in runs:
        if found and _end(found[-1].run) == _end(run):
            found[-1].times += 1
            found[-1].since = run["began_at"]
        elif len(found) == MOST_DONE:
            break
        else:
            found.append(Done(run, 1, run["began_at"]))
    return found


def _end(run: Row) -> tuple[object, ...]:
    """How a run ended. One that has a plan, an error or is in progress is like no other."""
    jobs = [
        (job["wallet"], job["chain_id"], tuple(job["assets"]), job["outcome"], _DIGITS.sub("", job["reason"] or ""))
        for job in run["jobs"]
    ]
    alone = run["error"] or not jobs or any(job["plan_id"] for job in run["jobs"])
    return (run["id"] if alone else "", run["command"], run["by"], *jobs)


def _chart(asset: AssetSummary) -> Chart | None:
    points = asset.points
    if len(points) < 2:
        return None
    first, last = points[0].total, points[-1].total
    return Chart(
        name=f"Wealth in {asset.symbol} over time, from {first:z,.2f} to {last:z,.2f}; the table below has the values",
        x=[one.at for one in points],
        lines=[Line("Wealth", [one.total for one in points])],
        unit="amount",
        symbol=asset.symbol,
    )
