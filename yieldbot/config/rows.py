"""Rows of a table that are made, and checked, when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

R = TypeVar("R")
T = TypeVar("T")


class Rows(Sequence[T]):
    """What ``make`` makes of each row, by its index and the row, once any of them is used. ``make`` raises ConfigError
    then. Their number is known without it."""

    def __init__(self, given: Sequence[R], make: Callable[[int, R], T]) -> None:
        self._given, self._make = given, make
        self._made: tuple[T, ...] | None = None

    def all(self) -> tuple[T, ...]:
        if self._made is None:
            self._made = tuple(self._make(index, row) for index, row in enumerate(self._given))
        return self._made

    def __len__(self) -> int:
        return len(self._given)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...
    def __getitem__(self, at: Any) -> Any:
        return self.all()[at]

    def __eq__(self, other: object) -> bool:
        return self.all() == tuple(other) if isinstance(other, Rows | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.all())
