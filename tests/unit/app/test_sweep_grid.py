"""Grids of a sweep, as flags and files say them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from yieldbot.app.sweep_grid import read_grid, variants
from yieldbot.errors import ConfigError
from yieldbot.model.policy import alone


def test_flags_and_files_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text('[grid]\nforecaster = ["combined", "quote"]\n"policy.min_move" = [0, 50]\n')
    nested = tmp_path / "nested.toml"
    nested.write_text('[grid]\nforecaster = ["combined", "quote"]\n[grid.policy]\nmin_move = [0, 50]\n')
    told = read_grid(["forecaster=combined,quote", "policy.min_move=0,50"])
    assert told == {"policy.forecaster": ["combined", "quote"], "policy.min_move": [0, 50]}
    assert read_grid([str(file)]) == read_grid([str(nested)]) == told
    lists = read_grid(['policy.exclude=["aave_v3"],[]', "policy.break_even_days=default,30.5"])
    assert lists == {"policy.exclude": [["aave_v3"], []], "policy.break_even_days": ["default", 30.5]}


def test_every_combination_is_a_variant_and_the_unchanged_one_is_first() -> None:
    grid = {
        "policy.move_horizon_days": [3, 7],
        "policy.forecaster": ["paid-3d", "quote"],
        "policy.min_move": ["default", 50],
    }
    made, same = variants(grid, None, "default")
    assert [one.name for one in made][:3] == [
        "default", "move_horizon_days=3 forecaster=paid-3d min_move=default",
        "move_horizon_days=3 forecaster=paid-3d min_move=50",
    ]  # fmt: skip
    assert len(made) == 8 and len(same) == 1 and same[0].endswith("is default: it counts once")
    assert made[0].policy == alone()
    assert made[2].policy == replace(alone(), move_horizon_days=3.0, min_move="50")
    assert made[-1].policy == replace(alone(), min_move="50", forecaster="quote")


def test_a_policys_file_is_what_is_varied(tmp_path: Path) -> None:
    base = tmp_path / "mine.toml"
    base.write_text("[policy]\nmin_move = 20\nbreak_even_days = 10\n")
    made, _ = variants({"policy.break_even_days": [5, "default"]}, base, "mine.toml")
    assert [one.policy.break_even_days for one in made] == [10.0, 5.0, None]
    assert {one.policy.min_move for one in made} == {"20"} and made[0].name == "mine.toml"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["policy.move_horizon=3"], "policy.move_horizon cannot be varied: did you mean policy.move_horizon_days?"),
        (["wealth=3"], "wealth cannot be varied"),
        (["policy.min_move="], "policy.min_move has no values"),
        (["policy.min_move=1", "policy.min_move=2"], "policy.min_move stands twice"),
        (["policy.move_horizon_days=soon"], "policy.move_horizon_days"),
        (["policy.move_horizon_days=-1"], "policy.move_horizon_days"),
        (["policy.bases={usd={}}"], "policy.bases"),
        (["forecaster=oracle"], "unknown forecaster 'oracle'"),
        (["policy.min_move=" + ",".join(map(str, range(1001)))], "1001 combinations are more than 1000"),
        (["nowhere.toml"], "nowhere.toml"),
    ],
)
def test_a_wrong_grid_is_named(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        variants(read_grid(words), None, "default")
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["[other]\n", '[grid]\n"policy.min_move" = 3\n', "[grid]\npolicy = 3\n", "[grid]\n[more]\n"]
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"grid\.toml"):
        read_grid([str(file)])
