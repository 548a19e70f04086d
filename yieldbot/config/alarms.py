"""[policy.alarms]: the thresholds from which readings count as signs of danger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yieldbot.config.messages import config_error
from yieldbot.config.policy_names import known_names
from yieldbot.config.schema import AlarmsTable
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.settings import ChainSettings


def alarm_limits(path: Path, table: AlarmsTable, chains: Mapping[str, ChainSettings]) -> AlarmLimits:
    """[policy.alarms] as limits. Raises ConfigError for a name that no market has, and for thresholds that contradict
    each other."""
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in table.model_dump(exclude_unset=True).items()
        if value is not None
    }
    if "off_for" in given:
        known = known_names(path, "policy.alarms.off_for", given["off_for"], chains)
        given["off_for"] = {name: tuple(codes) for name, codes in known.items()}
    limits = AlarmLimits(**given)
    if limits.peg_stop_bps > limits.peg_leave_bps:
        message = f"{limits.peg_stop_bps:g} is above peg_leave_bps {limits.peg_leave_bps:g}: what leaves must stop too"
        raise config_error(path, "policy.alarms.peg_stop_bps", message)
    return limits
