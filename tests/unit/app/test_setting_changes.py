"""An assistant may propose to make a setting safer, and nothing else."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from yieldbot.app.setting_changes import HIGHER, LONGER, LOWER, changed, difference
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.model.policy import Policy

PATH = Path("yieldbot.toml")
TEXT = """schema = 1
[policy]
max_share_market = 0.4   # of all
min_safety = 60
exclude = ["aave_v3"]
"""


def test_every_setting_has_one_side() -> None:
    names = {one.name for one in fields(Policy)}
    assert names >= LOWER | HIGHER | LONGER
    assert not (LOWER & HIGHER or LOWER & LONGER or HIGHER & LONGER)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("max_share_market", 0.3, "max_share_market = 0.3   # of all"),
        ("min_safety", 70, "min_safety = 70"),
        ("limit_day", "5000", 'limit_day = "5000"'),
        ("approvals_needed", 2, "approvals_needed = 2"),
        ("max_failures", 3, "max_failures = 3"),
    ],
)
def test_the_safer_side_is_taken_and_nothing_else_changes(key: str, value: object, line: str) -> None:
    new = changed(PATH, TEXT, key, value, {})  # type: ignore[arg-type]
    assert line in new.split("\n")
    kept = [one for one in TEXT.split("\n") if not one.startswith(key)]
    assert [one for one in new.split("\n") if not one.startswith(key)] == kept
    assert any(one.startswith("+") and line in one for one in difference(TEXT, new))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_share_market", 0.41),
        ("min_safety", 59),
        ("min_safety", 0),
        ("auto_max_move", "1"),
        ("auto_exit", 1),
        ("sell_rewards", 1),
        ("haircut_bps", 0),
        ("wallets", 1),
        ("max_utilisation_entry", 1.0),
        ("min_gain_share", 0.1),
        ("forecaster", "persistence"),
        ("exclude", ()),
        ("data_dir", "/tmp"),
    ],
)
def test_the_riskier_side_and_other_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(SafetyError):
        changed(PATH, TEXT, key, value, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (TEXT, "min_safety", 60),
        (TEXT, "min_safety", 1000),
        (TEXT.replace('exclude = ["aave_v3"]', 'exclude = [\n "aave_v3",\n]'), "exclude", ("aave_v3", "morpho")),
        (TEXT, "min_safety", 'x"\nauto_max_move = "9'),
    ],
)
def test_what_cannot_be_is_one_line(text: str, key: str, value: object) -> None:
    with pytest.raises((ConfigError, SafetyError)) as refused:
        changed(PATH, text, key, value, {})  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
