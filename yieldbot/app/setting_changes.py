"""Changes of yieldbot.toml that an assistant may propose: one setting of [policy], and only to the safer side.

Whether a change is safer is decided here, by the settings that result from it, whatever whoever proposes it says.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.config.load import parse, policy_of
from yieldbot.config.schema import SettingsTable
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import ChainSettings

LOWER = frozenset(
    (
        *("max_share_market", "max_share_collateral", "max_expected_loss_bps", "max_utilisation_entry"),
        *("max_exit_hours", "max_gas_share_of_gain", "auto_max_move", "auto_max_total", "limit_move", "limit_day"),
        *("limit_day_market", "limit_day_chain", "max_failures", "stop_at_loss_bps", "max_depeg_bps"),
        *("max_feed_age_seconds", "delta_tolerance_bps", "plan_ttl_seconds"),
    )
)
"""Settings that are safer the lower they are; without a value they limit nothing."""
HIGHER = frozenset(
    (
        *("min_safety", "min_liquidity_multiple", "min_gain_bps", "min_gain", "min_gain_share", "cooldown_hours"),
        *("idle_buffer", "approvals_needed", "failure_window_hours", "confidence", "reward_haircut_bps"),
    )
)
"""Settings that are safer the higher they are; without a value they ask for nothing."""
LONGER = frozenset(("exclude", "try_first"))
"""Lists of names that get no new money, or get it after a trial."""
Value = float | int | str | tuple[str, ...]


def changed(path: Path, text: str, key: str, value: Value, chains: Mapping[str, ChainSettings]) -> str:
    """The text of yieldbot.toml with one setting of [policy] changed. Raises SafetyError unless everything else stays
    and the change is to the safer side, and ConfigError for a value that the setting cannot have."""
    if key not in LOWER | HIGHER | LONGER:
        raise SafetyError("NOT_PROPOSED", f"policy.{one_line(key, 60)} is changed by a person alone, in the file")
    before = tomllib.loads(text)
    new = _edited(text, key, value)
    try:
        after = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        after = {}
    policy = dict(before.get("policy", {})) | {key: after.get("policy", {}).get(key)}
    if after != before | {"policy": policy}:
        raise ConfigError(f"{path}: policy.{key} is written in a form that is not changed here: edit it by hand")
    old_policy = policy_of(path, parse(path, before, SettingsTable).policy, chains)
    new_policy = policy_of(path, parse(path, after, SettingsTable).policy, chains)
    differs = [one.name for one in fields(old_policy) if getattr(old_policy, one.name) != getattr(new_policy, one.name)]
    if not differs:
        raise ConfigError(f"policy.{key} has this value already")
    if differs != [key] or not _safer(key, old_policy, new_policy):
        raise SafetyError("NOT_SAFER", f"policy.{key}: only a change to the safer side can be proposed")
    return new


def difference(old: str, new: str) -> tuple[str, ...]:
    """What changes in a file, line by line, in the form of a patch."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "yieldbot.toml", "yieldbot.toml", n=1, lineterm="")
    return tuple(lines)


def _safer(key: str, old: Policy, new: Policy) -> bool:
    before, after = getattr(old, key), getattr(new, key)
    if key in LONGER:
        return set(before) < set(after)
    if after is None:
        return False
    if before is None:
        return key in LOWER or Decimal(str(after)) > 0
    return Decimal(str(after)) < Decimal(str(before)) if key in LOWER else Decimal(str(after)) > Decimal(str(before))


def _edited(text: str, key: str, value: Value) -> str:
    line = f"{key} = {_literal(value)}"
    lines = text.split("\n")
    start = next((at for at, one in enumerate(lines) if re.fullmatch(r"\s*\[policy\]\s*(#.*)?", one)), None)
    if start is None:
        return text.rstrip("\n") + f"\n\n[policy]\n{line}\n"
    end = next((at for at in range(start + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    for at in range(start + 1, end):
        found = re.fullmatch(rf"(\s*){re.escape(key)}\s*=\s*[^#]*?(\s*#.*)?", lines[at])
        if found is not None:
            lines[at] = f"{found[1]}{line}{found[2] or ''}"
            return "\n".join(lines)
    lines.insert(start + 1, line)
    return "\n".join(lines)


def _literal(value: Value) -> str:
    """A value as TOML, which for these is as JSON."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return json.dumps(list(value))
    return json.dumps(value)
