"""A server over the double of a chain's session."""

from __future__ import annotations

import pytest

from tests.kit.api.served import Served
from tests.unit.api.conftest import observed
from tests.unit.app.test_overview import context

__all__ = ["context", "observed", "served"]


@pytest.fixture
def served(observed: Served) -> Served:
    """It has read its chains once."""
    return observed
