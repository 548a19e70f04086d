"""A server over the double of a chain's session."""

from __future__ import annotations

from tests.unit.api.conftest import observed, served
from tests.unit.app.test_overview import context

__all__ = ["context", "observed", "served"]
