"""How long a backtest takes: 395 days x 30 markets x one policy, each day decided by the very ``decide`` of live runs.

The markets are drawn, the same for the same seed: rates that move every day, pools of a third of a million to a
billion. Once they all lend one coin, and once six coins, where every decision counts swaps between them too. Seconds
are the processor's, on one core. ``of_limit`` is seconds over the most that is allowed; ``of_loop`` is seconds over
those of a plain loop of additions that is timed in between, which tells machines apart from code.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.kit.policies import loose
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.replay import Replayed, replay
from yieldbot.backtest.study import bounds_of
from yieldbot.backtest.world import World
from yieldbot.forecast.levels import rate_forecasts
from yieldbot.forecast.outlook import outlook
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey
from yieldbot.model.market import RateForecast

DAYS, MARKETS, WARM = 395, 30, 14
MOST = 5.0
"""Seconds of the processor that one policy may take with markets of one coin."""
COINS = ("USDC", "USDT", "DAI", "USDS", "GHO", "PYUSD")
PROTOCOLS = ("aave_v3", "compound_v3", "morpho_blue", "metamorpho", "fluid", "euler")
ROUNDS = 3
LOOP = 5_000_000


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench decisions``."""
    made = argparse.ArgumentParser(prog="scripts/bench decisions", description=__doc__)
    made.add_argument("--days", type=int, default=DAYS)
    made.add_argument("--markets", type=int, default=MARKETS)
    made.add_argument("--coins", type=int, nargs="+", default=[1, len(COINS)], help=f"1 to {len(COINS)}")
    made.add_argument("--wealth", type=float, nargs="+", default=[10_000.0, 1_000_000.0], help="dollars")
    made.add_argument("--rounds", type=int, default=ROUNDS, help="the median of so many counts")
    return made


def compare(
    days: int = DAYS,
    markets: int = MARKETS,
    coins: Sequence[int] = (1, len(COINS)),
    wealth: Sequence[float] = (10_000.0, 1_000_000.0),
    rounds: int = ROUNDS,
) -> list[dict[str, Any]]:
    """A row for each number of coins and wealth, said on stderr too."""
    found = []
    for count in coins:
        panel = panel_of(days, markets, count)
        took, forecasts = _timed(lambda panel=panel: _forecasts(panel))  # type: ignore[misc]
        for dollars in wealth:
            found.append(_row(panel, forecasts, count, dollars, rounds) | {"forecasts_seconds": round(took, 2)})
            _say(found[-1])
    return found


def panel_of(days: int, markets: int, coins: int, seed: int = 1) -> Panel:
    """The drawn history."""
    draw, shape = np.random.default_rng(seed), (days, markets)
    used = np.empty(shape)
    used[0] = usual = draw.uniform(0.5, 0.93, markets)
    for day in range(1, days):
        back = 0.1 * (usual - used[day - 1])
        used[day] = np.clip(used[day - 1] + draw.normal(0.0, 0.03, markets) + back, 0.05, 0.999)
    kink, low, high = draw.uniform(0.8, 0.92, markets), draw.uniform(0.03, 0.08, markets), draw.uniform(0.3, 1, markets)
    borrowed_at = np.where(used < kink, low * used / kink, low + high * (used - kink) / (1.0 - kink))
    factor = np.broadcast_to(draw.choice([0.0, 0.1, 0.2], markets), shape).copy()
    quoted = borrowed_at * used * (1.0 - factor)
    supplied = 10 ** draw.uniform(5.5, 9.0, markets) * np.exp(np.cumsum(draw.normal(0.0, 0.02, shape), axis=0))
    realised = np.full(shape, np.nan)
    realised[1:] = (quoted[1:] + quoted[:-1]) / 2.0
    keys = tuple(
        MarketKey(
            chain="eip155:1",
            market=f"{PROTOCOLS[n % len(PROTOCOLS)]}/1/0x{n:040x}",
            protocol=PROTOCOLS[n % len(PROTOCOLS)],
            asset=COINS[n % coins],
            asset_address=f"0x{n % coins + 1:040x}",
        )
        for n in range(markets)
    )
    return Panel(
        keys=keys, times=1_704_067_200 + 86_400 * np.arange(days, dtype=np.int64), step_seconds=86_400, quoted=quoted,
        realised=realised, utilisation=used, supplied=supplied, cash=supplied * (1.0 - used), borrow_rate=borrowed_at,
        reserve_factor=factor, blocked=np.zeros(shape, dtype=bool),
    )  # fmt: skip


def _forecasts(panel: Panel) -> list[Sequence[RateForecast | None]]:
    """What was forecast on each day, of that day and those before it."""
    said = outlook(panel, loose().forecaster)
    return [rate_forecasts(said, row, loose().mean_days) for row in range(len(panel.times))]


def _row(
    panel: Panel, forecasts: Sequence[Sequence[RateForecast | None]], coins: int, dollars: float, rounds: int
) -> dict[str, Any]:
    costs = [Costs(gas_price_wei=5e9, native_usd=3000.0)] * len(panel.times)
    last = len(panel.times) - 1

    def run() -> Replayed:  # a world of its own: nothing is kept from another round
        return replay(World(panel, costs), loose(), forecasts.__getitem__, dollars, WARM, last)

    replay(World(panel, costs), loose(), forecasts.__getitem__, dollars, WARM, WARM + 1)  # imports
    pairs, made = [], run()
    for _ in range(rounds):
        loop, _ = _timed(_loop)
        took, made = _timed(run)
        pairs.append((took, took / loop))
    bounds, _ = _timed(lambda: bounds_of(World(panel, costs), dollars, WARM, last - WARM))
    seconds = statistics.median(one for one, _ in pairs)
    decisions = last - WARM
    return {
        "days": len(panel.times),
        "markets": len(panel.keys),
        "coins": coins,
        "wealth": dollars,
        "decisions": decisions,
        "plans": made.ledger.plans,
        "seconds": round(seconds, 2),
        "milliseconds_a_day": round(1000 * seconds / decisions, 2),
        "most_seconds": MOST,
        "of_limit": round(seconds / MOST, 2),
        "of_loop": round(statistics.median(ratio for _, ratio in pairs), 2),
        "rules_and_foresight_seconds": round(bounds, 2),
    }


def _loop() -> int:
    found = 0
    for k in range(LOOP):
        found += k
    return found


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def _say(row: dict[str, Any]) -> None:
    print(
        f"{row['days']} days x {row['markets']} markets ({row['coins']} coins) x one policy at ${row['wealth']:,.0f}: "
        f"{row['seconds']} s, {row['milliseconds_a_day']} ms a day, {row['of_limit']} of the most allowed "
        f"({row['most_seconds']:g} s), {row['of_loop']} times a loop of {LOOP:,} additions; forecasts apart "
        f"{row['forecasts_seconds']} s, rules and foresight {row['rules_and_foresight_seconds']} s",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    compare()
