"""Places in a configuration, and odd values for them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS: list[Any] = [True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", "x", "0x12", "main", "\u2028", "é" * 70]
VALUES = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(tables: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index in the tables."""
    items = tables.items() if isinstance(tables, dict) else enumerate(tables) if isinstance(tables, list) else ()
    return [place for key, value in items for place in ((*at, key), *places(value, (*at, key)))]


def changed(tables: Any, place: tuple[Any, ...], value: Any, remove: bool) -> Any:
    inner = tables
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return tables
