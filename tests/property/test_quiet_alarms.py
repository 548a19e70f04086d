"""What is left out of judgement because it is calm changes no alarm: random worlds, judged whole and as runs do."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.draws import draws
from tests.kit.market_builder import BLOCK, CHAIN, USDC, kinked, market, snapshot, usdc
from yieldbot.app import alarms as module
from yieldbot.app.alarms import with_alarms
from yieldbot.app.memory import FOLDER
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.recent import COARSE, STEPS, recent
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.amounts import Amount, Apr
from yieldbot.model.exchange import Price
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.policy import Policy
from yieldbot.risk.alarm_candidates import Candidates

NOW, HOUR, DAY = BLOCK.timestamp, 3600, 86_400
COINS = tuple(f"0x{at:040x}" for at in (7, 8))
PROTOCOLS = ("aave_v3", "aave_v3", "morpho_blue", "erc4626")


class World:
    """Some markets with a history, of which a few show something, near a threshold or beyond it."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.count = draw, draw.choice([1, 3, 9])
        self.names = [f"{PROTOCOLS[at % 4]}/1/m{at}" for at in range(self.count)]
        self.odd = {at: draw.choice(ODD) for at in range(self.count) if draw.random() < 0.4}
        self.of_weth = draw.random() < 0.5
        self.times = sorted({NOW - round(draw.uniform(0, 9 * DAY)) for _ in range(draw.choice([3, 30, 80]))})
        self.times += [NOW - step * 600 for step in range(40, 0, -1)] if draw.random() < 0.7 else []

    def look(self, at: int, time: int) -> dict[str, Any]:
        """The numbers of a market at a time."""
        draw, day = self.draw, (time - NOW) / DAY
        found: dict[str, Any] = {
            "supply_rate": 0.04 + 0.002 * draw.random(), "utilisation": 0.8 + 0.02 * draw.random(), "supplied": 1e6,
            "borrowed": None, "cash": 2e5, "index": 1.0 + 0.04 * (day + 20) / 365, "price_usd": 1.0,
            "traded_usd": 1.0, "token_supply": 1e10, "held": 0.0, "borrow_rate": None, "reserve_factor": None,
            "status": "active",
            "backing": tuple((coin, 1e26) for coin in COINS[: at % 3]),
        }  # fmt: skip
        if at in self.odd and draw.random() < 0.5:
            self.odd[at](found, draw)
        return found

    def remembered(self, folder: Path) -> None:
        rows = []
        for at, name in enumerate(self.names):
            key = MarketKey(chain=CHAIN, market=name, protocol=name.split("/")[0], asset="USDC",
                            asset_address=USDC.address.lower())  # fmt: skip
            rows += [Reading(key=key, time=time, **self.look(at, time)) for time in self.times if time < NOW]
        if self.of_weth:
            key = MarketKey(chain=CHAIN, market="aave_v3/1/weth", protocol="aave_v3", asset="WETH")
            use = self.draw.choice([0.9, 0.989, 0.99, 1.0])
            rows += [Reading(key=key, time=time, utilisation=use) for time in self.times[-5:] if time < NOW]
        kept = Store(folder / FOLDER).append(rows)
        assert not kept.failure

    def seen(self) -> Snapshot:
        states = [self.state(at, self.look(at, NOW)) for at in range(self.count)]
        made = snapshot(self.draw.choice([1_000, 1e6]), *states)
        supplies = {USDC.address: 10**16, **{coin: 10**26 for coin in COINS}}
        if self.draw.random() < 0.2:
            supplies[self.draw.choice([USDC.address, *COINS])] *= 2
        if self.draw.random() < 0.1:
            del supplies[self.draw.choice([USDC.address, *COINS])]
        usd = self.draw.choice([1.0, 1.0, 1.0, 0.994, 0.98])
        traded = self.draw.choice([None, 1.0, 0.98])
        return replace(made, supplies=supplies, pegs={USDC: Price(usd, NOW, traded=traded)})

    def state(self, at: int, look: dict[str, Any]) -> MarketState:
        name = self.names[at]
        made = market(name, kinked(1e6, 8e5), protocol="p")
        coins = tuple(coin for coin, _ in look["backing"])
        where = replace(
            made.market, id=name, protocol=name.split("/")[0],
            params={"collaterals": {str(n): coin for n, coin in enumerate(coins)}},
        )  # fmt: skip
        use = look["utilisation"]
        return replace(
            made, market=where, pools=frozenset({name}), held=usdc(look["held"] or 0.0),
            supplied=usdc(look["supplied"]),
            borrowed=None if use is None else Amount(USDC, round(look["supplied"] * use * USDC.one)),
            liquidity=usdc(look["cash"] or 0.0), quoted=Apr(look["supply_rate"]), index=look["index"],
        )  # fmt: skip


def _set(name: str, *values: Any) -> Any:
    def change(look: dict[str, Any], draw: random.Random) -> None:
        look[name] = draw.choice(values)

    return change


ODD = [
    _set("utilisation", 0.8999, 0.9, 0.93, 0.9499, 0.95, 0.985, 1.0, None),
    _set("cash", 1e5, 9e4, 0.0, None),
    _set("supply_rate", 0.0899, 0.0901, 0.2, 0.0, None, -1.0),
    _set("index", 0.9, 1.5, None, 0.0, 1.004),
    _set("supplied", 4.9e5, 5.1e5, 2e6),
    _set("token_supply", 1.49e10, 1.5e10, 3e10, 0.0, None),
    _set("price_usd", 0.9951, 0.995, 0.98, None, 1.02),
    _set("traded_usd", 0.9951, 0.995, 0.98, None),
    _set("held", 5e4, 3e5),
    _set("backing", ((COINS[0], 1.6e26),), ((COINS[0], 1e26), (COINS[1], 0.0)), ()),
    _set("status", "frozen"),
    lambda look, draw: look.update(utilisation=None, borrowed=draw.choice([8e5, 9.6e5, 1.2e6])),
    lambda look, draw: look.update(utilisation=None, borrow_rate=draw.choice([0.05, 0.042]), reserve_factor=0.1),
]


LIMITS: list[dict[str, Any]] = [
    {},
    {},
    {"spike_least": 0.001},
    {"collateral_utilisation": 0.7},
    {"cooldown_hours": 100.0},
    {"peg_stop_bps": 0.0, "tvl_fall": 0.01},
]


def judged(seen: Snapshot, folder: Path, policy: Policy, records: list[Record]) -> Any:
    said: list[str] = []
    found, entries = with_alarms(seen, folder, policy, said.append, records)
    assert not said
    return {key: state.alarms for key, state in found.states.items()}, sorted(map(repr, entries))


@pytest.mark.parametrize("seed", range(draws(8, 600)))
def test_whoever_is_left_out_has_no_alarm(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    world = World(draw)
    world.remembered(tmp_path)
    seen = world.seen()
    policy = Policy(alarms=AlarmLimits(**draw.choice(LIMITS)))
    records: list[Record] = []
    for _ in range(2):  # the second time with what the first wrote into the journal
        mine = judged(seen, tmp_path, policy, records)
        with monkeypatch.context() as patch:
            patch.setattr(
                module, "alarm_candidates", lambda memory, live, subjects, *_: Candidates(frozenset(subjects))
            )
            whole = judged(seen, tmp_path, policy, records)
        assert mine == whole
        _, entries = with_alarms(seen, tmp_path, policy, pytest.fail, records)
        records = [Record(at, NOW, one) for at, one in enumerate(entries)]


def test_a_calm_world_is_left_out_whole(tmp_path: Path) -> None:
    world = World(random.Random(1))
    world.count, world.odd, world.of_weth = 9, {}, False
    world.names = [f"{PROTOCOLS[at % 4]}/1/m{at}" for at in range(9)]
    world.remembered(tmp_path)
    states = [world.state(at, world.look(at, NOW)) for at in range(9)]
    supplies = {USDC.address: 10**16, **{coin: 10**26 for coin in COINS}}
    seen = replace(snapshot(1e6, *states), supplies=supplies, pegs={USDC: Price(1.0, NOW, traded=1.0)})
    asked: list[Candidates] = []
    plain = module.alarm_candidates
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "alarm_candidates", lambda *args: asked.append(plain(*args)) or asked[-1])
        found, entries = with_alarms(seen, tmp_path, Policy(), pytest.fail)
    assert found is seen and entries == () and asked[0].names == frozenset()


@pytest.mark.parametrize("seed", range(draws(1, 60)))
def test_thinned_readings_are_the_last_of_each_step(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    folder, rows = tmp_path, list[Reading]()
    keys = [MarketKey(chain=CHAIN, market=f"m{at}", asset=("USDC", "weth")[at % 2]) for at in range(5)]
    for _ in range(6):
        batch = [
            Reading(
                key=draw.choice(keys), time=NOW - draw.randrange(10 * DAY), supply_rate=draw.random(),
                cash=draw.choice([None, 1.0]), source=draw.choice(["observed", "backfill"]),
                backing=((COINS[0], draw.random()),) if draw.random() < 0.5 else (),
            )
            for _ in range(40)
        ]  # fmt: skip
        rows += batch
        assert not Store(folder).append(batch).failure
    for later in (0, 0, 5 * HOUR, 31 * HOUR, 3 * DAY + 7):  # the second time from days that were kept
        assert recent(Store(folder), CHAIN, NOW + later, 9 * DAY, ("m0", "m2"), ("WETH",)) == _last(rows, NOW + later)
    kept = sorted(folder.rglob("*.cache"))
    assert kept and all(one.name.startswith("recent-") for one in kept)
    for one in kept:
        one.write_bytes(draw.choice([b"", b"PAR1", one.read_bytes()[:-40]]))
    batch = [Reading(key=draw.choice(keys), time=NOW - draw.randrange(10 * DAY), supply_rate=0.5) for _ in range(20)]
    assert not Store(folder).append(batch).failure
    rows += batch
    for _ in range(2):
        assert recent(Store(folder), CHAIN, NOW, 9 * DAY, ("m0", "m2"), ("WETH",)) == _last(rows, NOW)
    Store(folder).compact(now=NOW + 60 * DAY, everything=True)
    assert recent(Store(folder), CHAIN, NOW, 9 * DAY, ("m0", "m2"), ("WETH",)) == _last(rows, NOW)


def _last(rows: list[Reading], moment: int) -> dict[str, list[Reading]]:
    """The last reading of each step, of two markets and of those of WETH, one by one."""
    known: dict[tuple[str, int], Reading] = {}
    for one in rows:
        known.setdefault((one.key.market, one.time), one)
    expected: dict[str, dict[tuple[int, int], Reading]] = {}
    for (name, time), one in sorted(known.items(), key=lambda item: item[0]):
        if not moment - 9 * DAY <= time < moment or (name not in ("m0", "m2") and one.key.asset != "weth"):
            continue
        step = next((step for age, step in STEPS if time > moment - age), COARSE)
        expected.setdefault(name, {})[step, time // step] = one
    return {name: list(cells.values()) for name, cells in expected.items()}
