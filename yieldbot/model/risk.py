"""Judgements about a market's danger: evidence, alarms that stop or take back money, and grades."""

from __future__ import annotations

from enum import StrEnum

from yieldbot.model.dataclass import dataclass


class Act(StrEnum):
    """What an alarm asks for."""

    STOP = "stop"
    """No new money goes in; what is there may stay."""
    LEAVE = "leave"
    """No new money goes in, and the holding is taken out as far as the market pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One number or fact that a judgement rests on, and where it can be read again."""

    what: str
    """What it is: "utilisation", "owner", "timelock delay"."""
    value: str
    """The value with its unit, as a person reads it."""
    source: str
    """Where it comes from: a contract's address with the function or storage slot, "history", or the name of a list."""
    block: int | None = None
    """The block (slot) at which it was read; None if it comes from history or a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A sign of danger that stands now in one market."""

    code: str
    """Which sign: a code in docs/risk.md, also used by the policy's switches."""
    act: Act
    """What it asks for."""
    saw: str
    """What was observed, with its numbers, in one line."""
    since: int
    """Unix seconds at which it was first observed."""
    evidence: tuple[Evidence, ...] = ()
    """The facts that it rests on."""
    about: str = ""
    """Address of the collateral whose danger it is; empty: it is the market's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One of the aspects that a grade is made of."""

    name: str
    """Name of the aspect, as in docs/risk.md."""
    score: float
    """0 (worst) to 100 (best)."""
    weight: float
    """Its weight in the grade; the weights of a grade add up to 1."""
    evidence: tuple[Evidence, ...] = ()
    """The numbers that the score was computed from."""
    missing: tuple[str, ...] = ()
    """Facts that are unknown, each counted as its worst case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How safe a market is judged to be."""

    safety: int
    """0 (worst) to 100 (best)."""
    letter: str
    """The grade as a letter: "A+" to "F"."""
    components: tuple[Component, ...]
    """The aspects that it is made of."""
    limits: tuple[str, ...] = ()
    """Hard facts that cap the grade, in words, the one that binds first."""
    loss_bps: float = 0.0
    """Expected loss a year, in bp of the holding."""
    loss_low_bps: float = 0.0
    """Lower end of its 80 % interval."""
    loss_high_bps: float = 0.0
    """Upper end of its 80 % interval."""

    @property
    def missing(self) -> tuple[str, ...]:
        """All facts that are unknown."""
        return tuple(dict.fromkeys(name for component in self.components for name in component.missing))
