"""[policy.alarms] and policy.blacklist: read, checked, and refused in one line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from yieldbot.config.policy_file import policy_file
from yieldbot.config.schema import AlarmsTable
from yieldbot.errors import ConfigError
from yieldbot.model.alarm_limits import CODES, AlarmLimits


def read(folder: Path, text: str) -> AlarmLimits:
    file = folder / "policy.toml"
    file.write_text(text)
    return policy_file(file).alarms


def test_every_threshold_has_a_key_and_each_key_reaches_the_policy(tmp_path: Path) -> None:
    assert set(AlarmsTable.model_fields) == {one.name for one in fields(AlarmLimits)}
    assert read(tmp_path, "[policy]\n") == AlarmLimits()
    made = read(
        tmp_path,
        '[policy.alarms]\nutilisation = 0.97\noff = ["SPIKE"]\nstop_only = ["PEG"]\npeg_sources = 1\n'
        'collaterals = ["wstETH"]\n[policy.alarms.off_for]\nmorpho_blue = ["UTILISATION"]\n',
    )
    assert (made.utilisation, made.off, made.stop_only, made.peg_sources) == (0.97, ("SPIKE",), ("PEG",), 1)
    assert made.collaterals == ("WSTETH",) and made.off_for == {"morpho_blue": ("UTILISATION",)}
    file = tmp_path / "black.toml"
    file.write_text('[policy]\nblacklist = ["rsETH", "0xab"]\n')
    assert policy_file(file).blacklist == ("rsETH", "0xab")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('off = ["SPIKES"]', "SPIKES.*SPIKE"),
        ("utilisation = 1.2", "utilisation"),
        ("utilisation = 0", "utilisation"),
        ("cooldown_hours = -1", "cooldown_hours"),
        ("clear_readings = 0", "clear_readings"),
        ("peg_stop_bps = 200.0", "peg_stop_bps.*peg_leave_bps"),
        ("peg_sources = 1.5", "peg_sources"),
        ("spike_of_mean = 0.5", "spike_of_mean"),
        ("tvl_fal = 0.5", "tvl_fal"),
        ("[policy.alarms.off_for]\nmorfo = ['SPIKE']", "morfo"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        read(tmp_path, f"[policy.alarms]\n{text}\n")
    assert "\n" not in str(refused.value)


def test_every_code_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "risk.md").read_text()
    raised_here = set(CODES) - {"CONTROL_WEAKER", "PENDING_CHANGE", "ORACLE", "LOW_GRADE"}
    assert all(f"`{code}`" in page for code in raised_here)
