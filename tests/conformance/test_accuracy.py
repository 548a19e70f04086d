"""The rate after our own deposit, as predicted before it, against what the chain pays over the next 30 days."""

import pytest

from tests.bench.accuracy import Accuracy, rows
from yieldbot.sandbox.evm.protocols import found, sandbox_protocol

DRAWS = 6
COMPUTED = {kind: bp for name in found() for kind, bp in sandbox_protocol(name).tolerance_bp.items()}
"""How far the prediction may be from what the chain accrues, in bp of APY, by protocol or flavour of vault."""


async def test_predicted_growth_is_what_the_chain_pays(chain: Accuracy, capsys: pytest.CaptureFixture[str]) -> None:
    """Random utilisations on both sides of each kink, random deposits, pools untouched for up to twenty days."""
    draws = await chain.run([], random_draws=DRAWS)
    exact = [draw for draw in draws if draw.kind in COMPUTED]
    worst: dict[str, float] = {}
    for draw in draws:
        worst[draw.kind] = max(worst.get(draw.kind, 0.0), abs(draw.error_bp))
    with capsys.disabled():
        print(
            "\nworst error in bp of APY: " + ", ".join(f"{kind} {error:.6f}" for kind, error in sorted(worst.items()))
        )
    assert set(COMPUTED) <= set(worst)
    for kind in COMPUTED:
        seen = [draw.utilisation_before for draw in exact if draw.kind == kind]
        several = any(draw.pools > 1 for draw in exact if draw.kind == kind)  # one of them is pressed at a time
        assert min(seen) < 0.9 and len(seen) >= DRAWS
        assert max(seen) > 0.92 or several or not any(seen)  # none: a market without borrowers
    too_far = [draw for draw in exact if abs(draw.error_bp) > COMPUTED[draw.kind]]
    assert rows(too_far) == []
