"""The weights, scales and caps of grades (``scales.toml``, where each has its reason)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from yieldbot.model.dataclass import dataclass

Scale = Sequence[Sequence[float]]
"""[value, score] pairs, ascending by value: linear between them, constant beyond the ends."""


@dataclass(frozen=True, slots=True)
class Side:
    """The weight of one component."""

    weight: float
    """Its weight in the grade, 0 to 1."""
    factor: float
    """The factor on the expected loss at a score of 0; at 100 the factor is 1."""
    why: str
    """The reason for the weight and the factor."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The whole table; sections are mappings, as in the file."""

    sides: Mapping[str, Side]
    """Weights by component."""
    sections: Mapping[str, Mapping[str, Any]]
    """All other entries, by section."""

    def of(self, section: str, name: str) -> Any:
        """One entry of a section. Raises KeyError if it does not exist."""
        return self.sections[section][name]


def score(scale: Scale, value: float) -> float:
    """The score of a value on a scale: 0 to 100."""
    if value <= scale[0][0]:
        return float(scale[0][1])
    for (x0, y0), (x1, y1) in pairwise(scale):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return float(scale[-1][1])


@cache
def scales() -> Scales:
    """The table that is shipped with yieldbot."""
    return read(Path(__file__).with_name("scales.toml").read_text(encoding="utf-8"))


def read(text: str) -> Scales:
    """Parse the text of a ``scales.toml``. Raises ValueError if the weights do not add up to 1."""
    found = tomllib.loads(text)
    sides = {name: Side(one["weight"], one["factor"], one["why"]) for name, one in found.pop("components").items()}
    whole = sum(side.weight for side in sides.values())
    if abs(whole - 1.0) > 1e-9:
        raise ValueError(f"the components' weights add up to {whole}, not to 1")
    return Scales(sides, found)
