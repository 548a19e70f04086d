"""Balancer v3's stable pools in integers: quotes that the real Vault gave, to the base unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.math.balancer_stable import BalancerPool, BalancerVenue, swap_output
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.json_text import loads

QUOTES = loads((Path(__file__).parent / "balancer_stable_quotes.json").read_text())
"""What the real Router and Vault (balancer-v3-monorepo 0a5890a) answered on a local node for real StablePools."""


def venues() -> list[tuple[BalancerVenue, int, int]]:
    """(venue, base units in, base units out)."""
    return [
        (BalancerVenue(BalancerPool(tuple(live), tuple(scaling), tuple(rates), amp, fee, least), i, j), given, out)
        for live, scaling, rates, amp, fee, least, i, j, given, out in QUOTES
    ]


def test_quotes_of_the_real_vault_to_the_unit() -> None:
    assert {len(venue.pool.balances) for venue, *_ in venues()} == {2, 3, 4}
    assert any(rate % 10**18 for venue, *_ in venues() for rate in venue.pool.rates)
    for venue, given, out in venues():
        found, lost = venue.quote_exact_in(given)
        assert found == out and lost >= 0, (venue, given)
    for venue, given, out in venues()[::4]:
        least = venue.quote_exact_out(out)
        assert least <= given and swap_output(venue.pool, venue.i, venue.j, least) >= out


def test_what_the_vault_refuses() -> None:
    for venue, _, _ in venues()[::8]:
        pool, i, j = venue.pool, venue.i, venue.j
        for bad in (0, -1, max(pool.balances) * 20_000):
            with pytest.raises(Unswappable):
                swap_output(pool, i, j, bad)
        with pytest.raises(Unswappable):
            swap_output(
                BalancerPool((0, *pool.balances[1:]), pool.scaling, pool.rates, pool.amp, pool.fee, 1), i, j, 10**9
            )
        with pytest.raises(Unswappable):
            venue.quote_exact_out(pool.balances[j] * 10**18)
        assert venue.quote_exact_in(0) == (0, 0)
