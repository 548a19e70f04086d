"""Incidents of the past, played again: the page has what is made, and no rule beside ours loses less."""

from __future__ import annotations

import pytest

from tests.replay.__main__ import PAGE, page
from tests.replay.run import Ours, Played, highest, play, scored
from tests.replay.scenes import SCENES, Scene

BY_NAME = {one.name: one for one in SCENES}


def ours(scene: Scene) -> Played:
    return play(scene, Ours(scene))


def test_the_page_has_what_is_played() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert page(written) == written, "scripts/replay writes it anew"


@pytest.mark.parametrize("scene", SCENES, ids=lambda one: one.name)
def test_no_other_rule_loses_less(scene: Scene) -> None:
    found = ours(scene)
    for rule in (highest, scored):
        other = play(scene, rule)
        assert found.lost <= max(0.001, other.lost + 1e-9) and found.locked_hours <= other.locked_hours


@pytest.mark.parametrize(
    ("name", "within", "code"),
    [
        ("USDC falls to 0.87", 6, "PEG"),
        ("a market is full for four days, its collateral's first", 12, "COLLATERAL_LOCKED"),
        ("a curator's vault with a hard-coded oracle: inside", 10, "UTILISATION"),
        ("a donation triples a vault's share price", 1, "SHARE_PRICE_UP"),
        ("the same, and allocators feed it for six hours", 0, "SUPPLY_JUMP"),
        ("owner and timelock weakened, then drained", 1, "CONTROL_WEAKER"),
    ],
)
def test_it_leaves_in_time_and_says_why(name: str, within: int, code: str) -> None:
    found = ours(BY_NAME[name])
    assert found.left_at is not None and found.left_at <= within and code in found.said and found.lost < 0.001


@pytest.mark.parametrize("name", ["a reserve is frozen at a high rate", "a dead vault with phantom interest"])
def test_nothing_goes_in_where_a_veto_stands(name: str) -> None:
    scene = BY_NAME[name]
    found = ours(scene)
    assert found.lost <= 0.0 and found.locked_hours == 0
    if "dead" in name:
        assert found.inside == 0.0 and play(scene, highest).inside > 0.9


def test_calm_is_left_alone() -> None:
    found = ours(BY_NAME["nothing happens"])
    assert found.moves == 0 and found.lost < 0.0
