"""The pools of exchanges in ``discover``: which there are, what they hold, and which a job reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.app.discover_documents import DiscoveredPool

if TYPE_CHECKING:
    from yieldbot.chains.discovered import FoundPool
    from yieldbot.model.amounts import Token
    from yieldbot.model.settings import Job


def near_tokens(jobs: Sequence[Job]) -> tuple[Token, ...]:
    """The assets of the jobs, each once."""
    return tuple(dict.fromkeys(token for job in jobs for token in job.assets))


def pools_shown(pools: Sequence[FoundPool], jobs: Sequence[Job], least: float) -> list[DiscoveredPool]:
    """The pools that hold at least ``least`` whole tokens of one of the jobs' assets, by asset, the largest first."""
    order = {token: place for place, token in enumerate(near_tokens(jobs))}
    rows = list[tuple[int, float, DiscoveredPool]]()
    for one in pools:
        both = (one.pool.token0, one.pool.token1)
        amounts = tuple(held / token.one for held, token in zip(one.held, both, strict=True))
        ours = [(order[token], -amount) for token, amount in zip(both, amounts, strict=True) if token in order]
        if ours and max(-amount for _, amount in ours) >= least:
            rows.append((*min(ours), _shown(one, amounts, jobs)))
    return [row for *_, row in sorted(rows, key=lambda row: row[:2])]


def _shown(one: FoundPool, amounts: tuple[float, ...], jobs: Sequence[Job]) -> DiscoveredPool:
    both = {one.pool.token0, one.pool.token1}
    uses = {
        "swaps": one.swaps and any(job.swaps and both & {*job.swap_ends} for job in jobs),
        "liquidity": one.provides and any(job.base and job.base.liquidity and both <= {*job.assets} for job in jobs),
    }
    return DiscoveredPool(
        key=one.pool.id,
        name=one.pool.name,
        protocol=one.pool.protocol,
        tokens=(one.pool.token0.symbol, one.pool.token1.symbol),
        held=amounts,
        used_for=tuple(use for use, is_so in uses.items() if is_so),
    )
