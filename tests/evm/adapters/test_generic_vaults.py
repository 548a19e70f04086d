"""ERC-4626 vaults that cannot be seen into: what their trailing rate predicts."""

from tests.bench.accuracy import Accuracy

NEEDS: tuple[str, ...] = ()


async def test_a_vault_that_cannot_be_seen_into_is_never_far_too_rosy(chain: Accuracy) -> None:
    """The generic flavour's model: a fixed income shared by all, from the trailing rate. Labelled, and within 1 bp when
    the income really is fixed."""
    draws = [draw for draw in await chain.run([10**9, 50 * 10**9]) if draw.kind == "generic"]
    assert len(draws) == 2
    assert all(abs(draw.error_bp) < 1.0 for draw in draws)
