"""A market's history as a picture in a file, by matplotlib (the extra ``plot``)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.amounts import Apr

if TYPE_CHECKING:
    from yieldbot.app.memory_documents import MarketRemembered

ENDINGS = (".png", ".svg")


def plot(found: MarketRemembered, file: Path) -> None:
    """Draw rates and utilisation over time. Raises ConfigError for an unknown file ending and if matplotlib is not
    installed, YieldbotError if the file cannot be written."""
    check(file)
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    times = [datetime.fromtimestamp(row.time, UTC) for row in found.rows]
    figure = Figure(figsize=(10, 6), layout="constrained")
    rates, used = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name, label in (("supply_rate", "quoted"), ("realised_rate", "paid"), ("borrow_rate", "borrow rate")):
        values = [getattr(row, name) for row in found.rows]
        if any(value is not None for value in values):
            percent = [float("nan") if value is None else 100 * Apr(value).compounded().value for value in values]
            rates.plot(times, percent, label=label, linewidth=1)
    rates.set_ylabel("APY, %")
    rates.legend(frameon=False)
    rates.grid(alpha=0.3)
    utilisation = [float("nan") if row.utilisation is None else 100 * row.utilisation for row in found.rows]
    used.plot(times, utilisation, color="tab:gray", linewidth=1)
    used.set_ylabel("utilisation, %")
    used.grid(alpha=0.3)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    used.xaxis.set_major_locator(locator)
    used.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    market = found.market
    rates.set_title(
        f"{market.name}: {market.asset} {market.protocol} on {market.chain_name}\n{market.market}",
        loc="left",
        fontsize="small",
    )
    try:
        figure.savefig(file, dpi=120)
    except OSError as failure:
        raise YieldbotError(f"{file} cannot be written ({failure.strerror})") from None


def check(file: Path) -> None:
    """Raise ConfigError for a picture that cannot be made here."""
    from importlib.util import find_spec

    if file.suffix.lower() not in ENDINGS:
        raise ConfigError(f"--plot {file}: name a file that ends in {' or '.join(ENDINGS)}")
    if find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib: `pip install 'yieldbot[plot]'`")
