"""The bound of the policy ``safe`` parts markets that look like real ones by what is known of who may change them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market, usdc
from tests.unit.risk.test_grade import GOOD, KEY, POOL, around
from yieldbot.app.styles import STYLES
from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Controls, Part
from yieldbot.model.market import MarketState
from yieldbot.risk.facts import Facts
from yieldbot.risk.grade import grade

OTHER = Controller(kind=ControllerKind.CONTRACT)


def bound(style: str) -> int:
    return next(int(line.value) for line in STYLES[style].policy if line.key == "min_safety")


def safe(signers: int) -> Controller:
    return Controller(kind=ControllerKind.SAFE, threshold=signers, owners=(POOL,) * (2 * signers - 1))


DAY = Controller(kind=ControllerKind.TIMELOCK, delay_seconds=86_400, behind=safe(4))


def pool(size: float, used: float = 0.8, **params: object) -> MarketState:
    """One that lends dollars, by an oracle that it names."""
    made = market("a", kinked(size, size * used), liquidity=size * (1 - used), borrowed=size * used)
    return replace(made, supplied=usdc(size), market=replace(made.market, params={"oracle": POOL} | params))


BLUE = pool(5e7, 0.88, lltv=86 * 10**16, feeds=(POOL,))
MARKETS = [
    ("a pool of a billion, a day's timelock", pool(1e9), (DAY, DAY), 1_000, True, True),
    ("the same with a contract of an unknown kind in it", pool(1e9), (DAY, OTHER), 1_000, True, True),
    ("an immutable market of Morpho", BLUE, (NO_ONE, NO_ONE), 700, True, True),
    ("a Safe of three, no delay", pool(1e8), (safe(3), safe(3)), 500, True, True),
    ("a young one, a Safe of two", pool(2e7), (safe(2), safe(2)), 200, False, True),
    ("one key", pool(1e9), (KEY, KEY), 1_000, False, False),
    ("nobody can say who", pool(1e9), None, 1_000, False, False),
]


@pytest.mark.parametrize(("name", "state", "by", "days", "fit", "balanced"), MARKETS, ids=lambda one: str(one)[:30])
def test_safe_enters_what_is_known_to_be_sound_from_the_first_run_on(
    name: str, state: MarketState, by: tuple[Controller, Controller] | None, days: int, fit: bool, balanced: bool
) -> None:
    controls = None
    if by is not None:
        born = state.block.timestamp - days * 86_400
        one = ContractFacts(address=POOL, part=Part.POOL, name="Pool", upgrade_by=by[0], owner=by[1], created_at=born)
        controls = Controls(market=state.market.id, contracts=(one,))
    first = grade(state, Facts(around=around(), controls=controls))
    later = grade(state, Facts(around=around(), statistics=GOOD, controls=controls))
    assert (first.safety >= bound("safe")) is fit, f"{name}: {first.safety}"
    assert first.safety <= later.safety, "memory makes nothing worse that was calm"
    assert (first.safety >= bound("balanced")) is balanced, f"{name}: {first.safety}"
