"""Whatever several assets look like, dust and whales among them, a decision is made: nothing raises, nothing is made
up, and a fresh plan holds."""

from __future__ import annotations

import random

import pytest

from tests.property.several import decided


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_every_snapshot_of_several_assets_is_decided(first: int) -> None:
    for seed in range(first, first + 20):
        decided(random.Random(seed))


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(3090, id="a plan took more out of a market than it pays at once"),
        pytest.param(6030113, id="a deposit became smaller than the least when a swap brought less"),
    ],
)
def test_a_snapshot_that_was_once_decided_wrongly_is_decided(seed: int) -> None:
    assert decided(random.Random(seed)).startswith("Plan")
