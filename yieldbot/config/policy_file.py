"""Policies from files of their own, for backtests and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yieldbot.config.load import older_keys, parse, policy_of, read_toml
from yieldbot.config.messages import config_error
from yieldbot.config.schema import PolicyFile
from yieldbot.model.alarm_limits import CODES
from yieldbot.model.policy import Policy


def policy_file(path: Path) -> Policy:
    """A policy from a file of its own: a [policy] table as in yieldbot.toml, without bases. Raises ConfigError."""
    return _own_policy(path, read_toml(path))


def notes_of(path: Path) -> list[str]:
    """What is to be said of such a file: its outdated keys. Raises ConfigError."""
    return [f"{path}: {line}" for line in older_keys(parse(path, read_toml(path), PolicyFile).policy)]


ALONE: Mapping[str, object] = {"max_share_market": 1.0, "alarms": {"off": list(CODES)}}
"""The [policy] keys that give the policy ``model.policy.alone``."""


def policy_with(path: Path | None, values: Mapping[str, object]) -> Policy:
    """The policy of such a file, or ``alone`` without one, with these keys set; a value of None leaves its key out.
    Raises ConfigError."""
    table = read_toml(path).get("policy", {}) if path is not None else dict(ALONE)
    both = {key: value for key, value in {**table, **values}.items() if value is not None}
    return _own_policy(Path("--grid"), {"policy": both})


def _own_policy(path: Path, document: dict[str, Any]) -> Policy:
    table = parse(path, document, PolicyFile).policy
    if table.bases:
        raise config_error(path, "policy.bases", "a policy's own file has none: leave it out")
    return policy_of(path, table, {})
