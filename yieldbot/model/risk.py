"""What is thought of a market's danger: evidence, alarms that stop or take back money, and grades."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What an alarm asks for."""

    STOP = "stop"
    """No new money goes in; what is there may stay."""
    LEAVE = "leave"
    """No new money goes in, and what is there is taken out as far as the market pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One number or fact that a judgement was made of, and where it can be read again."""

    what: str
    """What it is: "utilisation", "owner", "timelock delay"."""
    value: str
    """The value with its unit, as a person reads it."""
    source: str
    """Where it comes from: a contract's address with the function or storage slot, "history", or the name of a list."""
    block: int | None = None
    """The block (slot) that it was read at; None where it comes from history or a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A sign of danger in one market that stands now."""

    code: str
    """Which sign: the names in docs/risk.md, and of the policy's switches."""
    act: Act
    """What it asks for."""
    saw: str
    """What was seen, with its numbers, in one line."""
    since: int
    """Unix seconds at which it was first seen."""
    evidence: tuple[Evidence, ...] = ()
    """What it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One side of a market's safety."""

    name: str
    """Which side: the names in docs/risk.md."""
    score: float
    """0 (worst) to 100 (best)."""
    weight: float
    """Its part of the grade; the weights of a grade add up to 1."""
    evidence: tuple[Evidence, ...] = ()
    """The numbers that the score was made of."""
    missing: tuple[str, ...] = ()
    """Facts that are not known, each counted as its worst case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How safe a market is thought to be."""

    safety: int
    """0 (worst) to 100 (best)."""
    letter: str
    """The same in a letter: "A+" to "F"."""
    components: tuple[Component, ...]
    """The sides that it is made of."""
    limits: tuple[str, ...] = ()
    """Hard facts that bound the grade, in words, the one that binds first."""
    loss_bps: float = 0.0
    """Expected loss a year, in bp of what is held."""
    loss_low_bps: float = 0.0
    """Lower end of its 80 % interval."""
    loss_high_bps: float = 0.0
    """Upper end of its 80 % interval."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Every fact that is not known."""
        return tuple(dict.fromkeys(name for component in self.components for name in component.missing))
