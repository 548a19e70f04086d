"""Pieces of a sweep: keyed by what they are computed from, kept whole or not at all, the same as a study's windows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.policies import loose
from tests.unit.backtest.recorded import panel
from yieldbot.backtest import pieces
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.crews import _on_worker, alone
from yieldbot.backtest.levels import Levels
from yieldbot.backtest.pieces import Keys, Task, Variant, WorkerInputs, compute
from yieldbot.backtest.results import Results
from yieldbot.backtest.software import software
from yieldbot.backtest.study import window_of
from yieldbot.errors import ConfigError

RATES = {"USDC": [0.05] * 40, "USDC/two": [0.03] * 20 + [0.08] * 20, "USDT": [0.04] * 40}


def levels(mean: np.ndarray, high: np.ndarray) -> dict[str, Levels]:
    said, none = Levels(mean, mean, high, 7.0, "said"), np.full(mean.shape, np.nan)
    return {"default": said, "slow": said, "quote": Levels(none, none, none, 7.0, "quote")}


def inputs(rates: Mapping[str, Sequence[float]] = RATES, **more: Any) -> WorkerInputs:
    seen = panel(rates, supplied=1e9)
    flat = np.full(seen.quoted.shape, 0.04)
    made = WorkerInputs(
        panel=seen, costs={"eip155:8453": [Costs.of_rollup()] * len(seen.times)}, columns={"u": [0, 1], "v": [1, 2]},
        variants=[
            Variant(name="default", policy=loose()),
            Variant(name="quote", policy=loose()),
            Variant(name="slow", policy=loose(move_horizon_days=1.0)),
        ],
        levels=levels(flat, flat), window=15, failures=0.0, seed=0, software="one",
    )  # fmt: skip
    return replace(made, **more)


def task(variant: int | None = 0, universe: str = "u", first: int = 5, wealth: float = 1e4) -> Task:
    return Task(universe=universe, wealth=wealth, first=first, variant=variant)


def test_pieces_make_the_windows_of_a_study() -> None:
    given = inputs()
    done = dict(alone(given, [task(None), task(0), task(1)]))
    as_text = {one: json.loads(json.dumps(result)) for one, result in done.items()}
    made = [given.window_of(task(at), as_text[task(at)], as_text[task(None)]) for at in (0, 1)]
    world = given.world("u")
    said = partial(given.levels["default"].of, [0, 1])
    (usual,) = window_of(world, {"default": said}, "u", 1e4, {"default": loose()}, 5, 15)
    (quoted,) = window_of(world, {"quote": lambda row: [None, None]}, "u", 1e4, {"quote": loose()}, 5, 15)
    assert made == [usual, quoted]


@pytest.mark.parametrize(
    "other",
    [
        task(1), task(2), task(None), task(universe="v"), task(first=6), task(wealth=2e4),
    ],
)  # fmt: skip
def test_another_piece_has_another_key(other: Task) -> None:
    keys = Keys(inputs())
    assert keys.of(task()) == Keys(inputs()).of(task()) != keys.of(other) and len(keys.of(other)) == 64


def test_whatever_reaches_a_piece_is_in_its_key_and_nothing_that_comes_later() -> None:
    usual, bounds = Keys(inputs()).of(task()), Keys(inputs()).of(task(None))

    def changed(row: int) -> Mapping[str, Sequence[float]]:
        return {**RATES, "USDC": [*RATES["USDC"][:row], 0.07, *RATES["USDC"][row + 1 :]]}

    assert Keys(inputs(changed(20))).of(task()) != usual, "the last day earned"
    assert Keys(inputs(changed(21))).of(task()) == usual and Keys(inputs(changed(0))).of(task()) != usual
    assert Keys(inputs(software="two")).of(task()) != usual != Keys(inputs(window=16)).of(task())
    for more in ({"seed": 1}, {"failures": 0.1}):
        assert Keys(inputs(**more)).of(task()) != usual and Keys(inputs(**more)).of(task(None)) == bounds
    cheap = {"eip155:8453": [Costs.of_rollup(0.01)] * 40}
    assert Keys(inputs(costs=cheap)).of(task()) != usual
    for row, same in ((4, True), (5, False), (19, False), (20, True)):  # decided on at rows 5 to 19
        grid = np.full((40, 3), 0.04)
        grid[row, 1] = 0.05
        said = levels(np.full((40, 3), 0.04), grid)
        assert (Keys(inputs(levels=said)).of(task()) == usual) is same, row


def test_a_worker_keeps_the_worlds_of_one_sweep_alone() -> None:
    one, two = inputs(), inputs({**RATES, "USDC": [0.09] * 40})
    first = compute(one, one.digest, task(1))
    assert {digest for digest, _ in pieces._worlds} == {one.digest}
    assert compute(two, two.digest, task(1))["apy"] > first["apy"]
    assert {digest for digest, _ in pieces._worlds} == {two.digest}
    assert compute(one, one.digest, task(1)) == first


def test_a_worker_with_other_code_is_refused() -> None:
    """Its figures could differ from the others'."""
    given = inputs(software=software())
    assert _on_worker(given, given.digest, task()) == compute(given, given.digest, task())
    with pytest.raises(ConfigError, match=r"other code or other versions .* install the same there"):
        _on_worker(replace(given, software=given.software.replace("numpy", "numpy 1")), given.digest, task())


def test_a_piece_that_is_kept_is_whole_or_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path / "new")
    assert results.get("ab12") is None
    results.put("ab12", {"apy": 0.1 + 0.2, "rules": {}})
    assert results.get("ab12") == {"apy": 0.1 + 0.2, "rules": {}}
    (file,) = (tmp_path / "new").rglob("*.*")
    whole = file.read_bytes()
    for torn in (whole[:-1], whole[:70], b"", b"\xff" * 80, whole.replace(b"0.3", b"0.4")):
        file.write_bytes(torn)
        assert results.get("ab12") is None
    file.write_bytes(whole)
    file.rename(file.with_name("ab13.json"))
    assert results.get("ab13") is None, "of other inputs"


def test_a_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/x keeps no results: .*"):
        Results(tmp_path / "file" / "x").put("ab12", {})
