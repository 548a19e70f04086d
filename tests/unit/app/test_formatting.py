"""Times as text."""

from __future__ import annotations

from yieldbot.app.formatting import run_words, valid_until


def test_a_plan_names_the_chains_clock_where_it_is_another() -> None:
    assert valid_until(7200, chain_seconds=3000, now=3600) == "valid until 1970-01-01 02:00 UTC"
    apart = valid_until(7200, chain_seconds=90_000, now=3600)
    assert apart == "valid until 1970-01-01 02:00 UTC by this machine's clock (the chain's says 1970-01-02 01:00 UTC)"


def test_who_asked_for_a_run_is_said_where_it_was_nobody_at_the_terminal() -> None:
    assert run_words("run", "terminal") == "run" and run_words("run", "schedule") == "run for schedule"
