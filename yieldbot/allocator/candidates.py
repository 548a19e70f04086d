"""Chooses which of many markets are read in full, from a glance at each: by the rate on amounts like ours, and by size.
Pure.

The choice only saves work. Whether it was enough is proven afterwards, by the bound (``unread.py``): markets that could
be better than those that were chosen are then read too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from yieldbot.math.sustainable import capped, holding_at
from yieldbot.model.amounts import Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.glance import Glance
from yieldbot.model.ids import MarketId
from yieldbot.model.units import DAY_SECONDS

BEST = 24
"""Markets that are chosen by their rate on each amount, for each asset."""
HIGHEST_UTILISATION = 0.95
"""Markets of which more is lent out than this are not chosen by their rate: an alarm keeps new money out of them."""
LARGEST = 16
"""Markets that are chosen by size, for each asset."""
PARTS = (1.0, 0.25, 1 / 16, 1 / 64)
"""Amounts, as fractions of our money, at which rates are compared."""
OF_THE_LARGEST = 0.01
"""One more amount: this fraction of the largest market. It is the only one for an empty wallet."""
HORIZON_SECONDS = 30 * DAY_SECONDS
"""Rates are averaged over this time."""


def candidates(glances: Sequence[Glance], money: Mapping[Token, float]) -> frozenset[MarketId]:
    """The markets to be read in full. money: what could go into an asset's markets, in whole tokens."""
    found: set[MarketId] = {glance.market.id for glance in glances if glance.held}
    by_asset: dict[Token, list[Glance]] = {}
    for glance in glances:
        if glance.open:
            by_asset.setdefault(glance.market.asset, []).append(glance)
    for token, several in by_asset.items():
        largest = sorted(several, key=lambda one: (-one.supplied.raw, one.market.id))
        found |= {one.market.id for one in largest[:LARGEST]}
        sizes = [money.get(token, 0.0) * part for part in PARTS]
        sizes.append(float(largest[0].supplied) * OF_THE_LARGEST)
        enterable = [one for one in several if (one.utilisation or 0.0) <= HIGHEST_UTILISATION]
        curves = [(_lasting(one.ceiling), one.market.id) for one in enterable]
        for size in {size for size in sizes if size > 0.0}:
            rates = [(curve.apr(size, HORIZON_SECONDS), market_id) for curve, market_id in curves]
            best = sorted((one for one in rates if one[0] > 0.0), key=lambda one: (-one[0], one[1]))
            found |= {market_id for _, market_id in best[:BEST]}
    return frozenset(found)


def _lasting(curve: YieldCurve) -> YieldCurve:
    """The curve without what a utilisation spike pays, which the allocator does not count either."""
    return capped(curve, 0.0, -math.inf, holding_at(curve, 1.0))
