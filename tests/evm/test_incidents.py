"""A sample of the incidents on real contracts (``scripts/replay --sandbox`` plays all): our cycle leaves at the sign
that tells of each, loses no more than other rules, and the page says what is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.__main__ import PAGE
from tests.replay.chain_run import Highest, Ours, Scored, play, row
from tests.replay.chain_scenes import SCENES
from yieldbot.sandbox.evm.node import Sandbox

BY_NAME = {one.name: one for one in SCENES}


@pytest.mark.parametrize(
    ("name", "look", "code", "others_lose"),
    [
        ("the same in one block, then cash in trickles", 1, "UTILISATION (leave)", 0.85),
        ("a donation triples a vault's share price, then it is drained", 1, "SHARE_PRICE_UP (leave)", 0.65),
        ("a Safe gives a vault to one key, then it is drained", 1, "CONTROL_WEAKER (leave)", 0.95),
        ("a dead vault with phantom interest: would we enter?", 1, "SPIKE (stop)", 0.95),
    ],
)
def test_it_leaves_by_its_sign_and_the_page_says_so(
    deployed_sandbox: Sandbox, tmp_path: Path, name: str, look: int, code: str, others_lose: float
) -> None:
    scene = BY_NAME[name]
    highest, scored, ours = (
        play(scene, rule, deployed_sandbox, tmp_path / str(place))
        for place, rule in enumerate((Highest(), Scored(), Ours()))
    )
    assert ours.alarms[code] == look, ours.alarms
    assert highest.had < 1.0 - others_lose and ours.had >= max(0.999, min(1.0, scored.had) - 0.001)
    if "trickles" in name:
        assert ours.partial >= 3 and ours.left_look is not None, "taken out as cash appears"
    elif "enter" in name:
        assert ours.inside == 0.0
    else:
        assert ours.left_look == look
    assert row(scene, highest, scored, ours) in PAGE.read_text(encoding="utf-8").splitlines()
