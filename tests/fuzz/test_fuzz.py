"""Each fuzz target for a moment, so that it stays able to run; and what the fuzzer has found, for ever."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.fuzz.targets import TARGETS
from tests.kit.draws import draws
from yieldbot.math.kamino import KaminoReserve
from yieldbot.math.save import SaveReserve
from yieldbot.math.slots import MOST_STEPS, with_steps
from yieldbot.model.units import WAD

RUNS = draws(100, 300)


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed here")
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_moment_of_fuzzing_finds_nothing(target: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", target, "--runs", str(RUNS)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0 and "FOUND" not in ended.stdout, ended.stdout + ended.stderr[-2000:]
    executed = next(line for line in ended.stderr.splitlines() if "number_of_executed_units" in line)
    assert int(executed.split()[-1]) >= RUNS


def test_interest_beyond_the_programs_numbers_is_an_error_and_not_a_wait() -> None:
    """A reserve that a node made up: its numbers would have grown for ever."""
    lent = SaveReserve(0, 1, 10**12 * WAD, 0, 10**12, 80, 90, 0, 6, 30, 2**63, 10)
    with pytest.raises(OverflowError, match="does not fit"):
        lent.accrued(400_000_000)
    points = ((0, 0), (10_000, 2**32 - 1))
    kamino = KaminoReserve(0, 1, 10**12 << 60, 0, 0, 0, 10**12, points, 10, 0)
    with pytest.raises(OverflowError, match="does not fit"):
        kamino.accrued(400_000_000)
    assert replace(kamino, points=((0, 0), (10_000, 500))).accrued(400_000_000).slot == 400_000_000


def test_a_curve_of_absurd_rates_has_few_points() -> None:
    assert len(with_steps(((0.0, 0.0), (1.0, (2**32 - 1) / 10_000)))) <= MOST_STEPS + 2
