"""The weights, scales and bounds of grades (``scales.toml``), each with its reason there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

Scale = Sequence[Sequence[float]]
"""[value, score] pairs, ascending by value: straight lines between them, their ends beyond."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one component counts for."""

    weight: float
    """Its part of the grade."""
    factor: float
    """By what it multiplies the expected loss at a score of 0; by 1 at 100."""
    why: str
    """The reason, in words."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The whole table. Sections are mappings as the file has them."""

    sides: Mapping[str, Side]
    """By component."""
    sections: Mapping[str, Mapping[str, Any]]
    """Everything else, by section."""

    def of(self, section: str, name: str) -> Any:
        """One entry. Raises KeyError for one that is not there."""
        return self.sections[section][name]


def score(scale: Scale, value: float) -> float:
    """The score of a value: 0 to 100."""
    if value <= scale[0][0]:
        return float(scale[0][1])
    for (x0, y0), (x1, y1) in pairwise(scale):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return float(scale[-1][1])


@cache
def scales() -> Scales:
    """The table that is shipped."""
    return read(Path(__file__).with_name("scales.toml").read_text(encoding="utf-8"))


def read(text: str) -> Scales:
    """A table as ``scales.toml`` has it. Raises ValueError for weights that do not add up to 1."""
    found = tomllib.loads(text)
    sides = {name: Side(one["weight"], one["factor"], one["why"]) for name, one in found.pop("components").items()}
    whole = sum(side.weight for side in sides.values())
    if abs(whole - 1.0) > 1e-9:
        raise ValueError(f"the components' weights add up to {whole}, not to 1")
    return Scales(sides, found)
