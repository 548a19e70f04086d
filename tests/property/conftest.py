"""Tests in this folder are pure: none of them may reach a network. Some have a server over the double of a chain."""

import pytest

from tests.unit.api.conftest import context, served

__all__ = ["context", "served"]


@pytest.fixture(autouse=True)
def _pure(no_network: None) -> None:
    """Applied to every test of the folder."""
