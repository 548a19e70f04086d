"""A server over the double of a chain's session."""

from __future__ import annotations

import pytest

from tests.kit.api.served import Served
from tests.unit.app.test_overview import Quiet, context

__all__ = ["context", "served"]


@pytest.fixture
def served(context: Quiet) -> Served:
    """It has read its chains once."""
    made = Served(context)
    made.read()
    return made
