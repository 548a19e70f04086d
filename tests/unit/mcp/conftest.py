"""A server over the double of a chain's session."""

from __future__ import annotations

from tests.unit.api.conftest import _applications, observed, served
from tests.unit.app.test_overview import context

__all__ = ["_applications", "context", "observed", "served"]
