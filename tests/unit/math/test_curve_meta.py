"""Curve's metapools in integers: what the real contracts gave and quoted, to the base unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yieldbot.math.curve_meta import MetaPool
from yieldbot.math.stableswap import StablePool
from yieldbot.math.stableswap_liquidity import SharedPool
from yieldbot.model.json_text import loads

STATES = loads((Path(__file__).parent / "curve_meta_quotes.json").read_text())
"""States of real metapools on a local node, each with rows of (coin in, coin out, base units in, what came out of
``exchange_underlying``, what ``get_dy_underlying`` says)."""


def stable(row: dict[str, Any]) -> StablePool:
    return StablePool(**{**row, "balances": tuple(row["balances"]), "rates": tuple(row["rates"])})


def test_swaps_and_quotes_of_real_metapools_to_the_unit() -> None:
    kinds, far = set(), 0
    for state in STATES:
        pool = MetaPool(stable(state["meta"]), SharedPool(stable(state["base"]), state["supply"]))
        kinds.add((pool.pool.flavour, pool.base.pool.flavour))
        for i, j, given, out, said in state["quotes"]:
            found, lost = pool.venue(i, j).quote_exact_in(given)
            assert found == out and lost >= 0, (kinds, i, j, given)
            assert pool.own_quote(i, j, given) == said, (kinds, i, j, given)
            far += out != said
    assert kinds >= {("ng", "ng"), ("ng", "3pool"), ("template", "3pool"), ("template", "template")}
    assert far >= 3, "quotes of the metapools of 2021 are not what comes out"
