"""Times as text."""

from __future__ import annotations

from yieldbot.app.formatting import valid_until


def test_a_plan_names_the_chains_clock_where_it_is_another() -> None:
    assert valid_until(7200, chain_seconds=3000, now=3600) == "valid until 1970-01-01 02:00 UTC"
    apart = valid_until(7200, chain_seconds=90_000, now=3600)
    assert apart == "valid until 1970-01-01 02:00 UTC by this machine's clock (the chain's says 1970-01-02 01:00 UTC)"
