"""A server over the double of a chain's session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.api.served import FREE, TAKEN, Served
from tests.unit.app.test_overview import Quiet, context

__all__ = ["context", "observed", "served"]
FIRST = dict[str, Any]()
"""What the first reading in this process gave: the double of the chain gives every test the same."""


@pytest.fixture(autouse=True)
def _applications() -> Iterator[None]:
    """A test's applications are the next one's, with a service of its own."""
    yield
    FREE.extend(TAKEN)
    TAKEN.clear()


@pytest.fixture
def observed(context: Quiet) -> Served:
    """It has read its chains once, by the use cases themselves, which remember what they read."""
    made = Served(context)
    made.read()
    return made


@pytest.fixture
def served(context: Quiet) -> Served:
    """It has the documents of one reading."""
    made = Served(context)
    made.answers = dict(FIRST)
    made.read()
    if not FIRST:
        FIRST["newest"] = made.documents
    made.answers = {}
    return made
