"""Grids of a sweep: which policies and forecasters are tried, from flags or a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path

from yieldbot.config.load import read_toml
from yieldbot.config.policy_file import policy_file, policy_with
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.policy import Policy, alone
from yieldbot.model.spelling import did_you_mean

FORECASTER = "forecaster"
"""Short name of the policy's key for the forecaster."""
UNSET = "default"
"""A value that leaves a policy key unset."""
MOST_VARIANTS = 1_000
"""Largest number of variants of one sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One variant of the policy that a sweep tries."""

    name: str
    """What it changes, as ``move_horizon_days=14 forecaster=mean-3d``."""
    policy: Policy
    """The policy that it decides by."""


def read_grid(words: Sequence[str]) -> dict[str, list[object]]:
    """The values to try, by key. words: ``KEY=VALUE,VALUE``, or a TOML file with a [grid] table. Raises ConfigError."""
    found: dict[str, list[object]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if equals:
            _add(found, key.strip(), _values(text), "--grid")
            continue
        document = read_toml(Path(word))
        table = document.get("grid")
        if not isinstance(table, dict) or set(document) != {"grid"}:
            raise ConfigError(f'{word}: a grid\'s file has one table [grid], with lines as "policy.min_move" = [0, 50]')
        for name, values in _flat(table):
            if not isinstance(values, list):
                raise ConfigError(f"{word}: grid.{name}: write a list of values in square brackets")
            _add(found, name, values, word)
    return found


def variants(grid: Mapping[str, Sequence[object]], base: Path | None, unchanged: str) -> tuple[list[Tried], list[str]]:
    """(variants, names left out): every combination of the grid, preceded by the unchanged base, called ``unchanged``.
    A combination that equals an earlier one is left out. base: a policy's file; None: the shipped policy. Raises
    ConfigError."""
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST_VARIANTS:
        raise ConfigError(f"--grid: {count} combinations are more than {MOST_VARIANTS}: write fewer values")
    found = [Tried(name=unchanged, policy=alone() if base is None else policy_file(base))]
    same: list[str] = []
    for row in product(*grid.values()):
        chosen = dict(zip(grid, row, strict=True))
        name = " ".join(f"{key.removeprefix('policy.')}={_shown(value)}" for key, value in chosen.items())
        own = {key.removeprefix("policy."): None if value == UNSET else value for key, value in chosen.items()}
        made = Tried(name=name, policy=policy_with(base, own))
        twin = next((o for o in found if o.policy == made.policy), None)
        if twin is None:
            found.append(made)
        else:
            same.append(f"{name} is {twin.name}: it counts once")
    return found, same


def _add(found: dict[str, list[object]], key: str, values: list[object], where: str) -> None:
    key = f"policy.{FORECASTER}" if key == FORECASTER else key
    keys = [FORECASTER, *(f"policy.{one.name}" for one in fields(Policy))]
    if key not in keys:
        raise ConfigError(f"{where}: {key} cannot be varied: {did_you_mean(key, keys)}")
    if key in found:
        raise ConfigError(f"{where}: {key} stands twice: write all its values at once")
    if not values:
        raise ConfigError(f"{where}: {key} has no values: write some, as {key}=1,2")
    found[key] = values


def _values(text: str) -> list[object]:
    """Comma-separated values, each in TOML syntax; words need no quotes."""
    if not text.strip():
        return []
    try:
        return list(tomllib.loads(f"values = [{text}]")["values"])
    except tomllib.TOMLDecodeError:
        return [_value(one.strip()) for one in text.split(",")]


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _flat(table: Mapping[str, object]) -> list[tuple[str, object]]:
    """The table's entries with dotted keys, quoted or not; [grid.policy] is accepted too."""
    policy = table.get("policy")
    below = [(f"policy.{key}", value) for key, value in policy.items()] if isinstance(policy, dict) else []
    return [(key, value) for key, value in table.items() if key != "policy" or not below] + below


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
