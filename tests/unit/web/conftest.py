"""A person at the page of a server over the double of a chain's session."""

from __future__ import annotations

import pytest

from tests.kit.api.served import Served
from tests.kit.web.browsing import Browsing
from tests.unit.api.conftest import context, served

__all__ = ["browsing", "context", "served"]


@pytest.fixture
def browsing(served: Served) -> Browsing:
    """Nobody is signed in yet."""
    return Browsing(served)
