"""JSON from outside, whose nesting cannot overflow the stack."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # see yieldbot/__init__.py
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 1000
"""Python's default recursion limit. py_ecc (a dependency of eth-account) raises it to 100,000 on import, and JSON with
so many brackets would then overflow the C stack and kill the process."""


def bound_recursion() -> None:
    """Set the recursion limit back to Python's default, where a package has raised it."""
    if sys.getrecursionlimit() > DEEPEST:
        sys.setrecursionlimit(DEEPEST)


def loads(text: str | bytes, **hooks: Any) -> Any:
    """As ``json.loads``. Raises ValueError, also where it nests too deeply."""
    import json  # each command begins with this module, and few read JSON

    bound_recursion()
    try:
        return json.loads(text, **hooks)
    except RecursionError:
        raise json.JSONDecodeError("it nests too deeply", "", 0) from None
