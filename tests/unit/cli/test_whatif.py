"""What-if flags: the policy that they make, and values that are none."""

from __future__ import annotations

import argparse

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.app.whatif import WhatIf, from_flags
from yieldbot.cli.view import what_if_flags
from yieldbot.errors import ConfigError


def asked(*words: str) -> WhatIf:
    parser = argparse.ArgumentParser()
    what_if_flags(parser)
    args = parser.parse_args(words)
    return from_flags(args.wealth, args.horizon, args.exclude, args.max_share)


def test_no_flag_changes_nothing() -> None:
    policy = loose(horizon_days=30.0, exclude=("a",), max_share_market=0.4)
    assert not asked() and asked().document() is None and asked().policy(policy) == policy


def test_flags_change_a_copy_of_the_policy() -> None:
    policy = loose(horizon_days=30.0, exclude=("a",), max_share_market=0.4, max_share_markets={"x": 0.9, "y": 0.1})
    what = asked("--horizon", "90", "--exclude", "b", "--exclude", "c", "--max-share", "0.5", "--wealth", "7")
    changed = what.policy(policy)
    assert changed.horizon_days == 90 and changed.exclude == ("a", "b", "c")
    both = asked("--horizon", "90").policy(loose(horizon_days=30.0))
    assert (both.move_days, both.enter_days, both.mean_days) == (90, 90, 90)
    assert changed.max_share_market == 0.5 and changed.max_share_markets == {"x": 0.5, "y": 0.1}
    assert policy == loose(
        horizon_days=30.0, exclude=("a",), max_share_market=0.4, max_share_markets={"x": 0.9, "y": 0.1}
    )
    assert what.summary() == (
        "What if: wealth 7, horizon 90 days, at most 50% in a market, without b, c. The configuration is as it was."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--horizon", "0"), "--horizon 0: write a number of days"),
        (("--horizon", "soon"), "--horizon soon"),
        (("--horizon", "nan"), "--horizon nan"),
        (("--horizon", "1000000000"), "at most 3650"),
        (("--max-share", "25"), "--max-share 25: write a fraction from 0 to 1"),
        (("--max-share", "-0.1"), "--max-share -0.1"),
    ],
)
def test_a_value_that_is_none_is_named(words: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        asked(words[0] + "=" + words[1])


def test_an_unknown_name_is_named_with_those_there_are() -> None:
    seen = snapshot(1.0, market("a", kinked(1e6, 8e5)))
    names = {name for state in seen.states.values() for name in (state.market.name, state.market.protocol)}
    for name in names:
        WhatIf(exclude=(name,)).check_names([seen])
    with pytest.raises(ConfigError, match="--exclude nobody: no market has this name"):
        WhatIf(exclude=("nobody",)).check_names([seen])
