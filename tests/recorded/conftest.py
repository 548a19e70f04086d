"""Tests in this folder are pure: none of them may reach a network."""

import pytest


@pytest.fixture(autouse=True)
def _pure(no_network: None) -> None:
    """Applied to every test of the folder."""
