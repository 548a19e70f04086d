"""Curve's crypto pools in integers: quotes that the real contracts gave, to the base unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.math.concentrated import Unswappable
from yieldbot.math.curve_crypto import CryptoPool, crypto_venue, exchange_output
from yieldbot.model.json_text import loads

QUOTES = loads((Path(__file__).parent / "curve_crypto_quotes.json").read_text())
"""Quotes of real pools (twocrypto-ng v2.0.0, v2.1.0 and 0fcca0d, tricrypto-ng 584591e) on a local node."""


def pools() -> list[tuple[CryptoPool, int, int, int, int]]:
    """(pool, coin in, coin out, base units in, base units out)."""
    return [
        (
            CryptoPool(
                tuple(balances),
                tuple(10 ** (18 - one) for one in decimals),
                tuple(scales),
                amp,
                gamma,
                d,
                tuple(fees),
                later,
            ),
            i,
            j,
            given,
            out,
        )
        for balances, decimals, scales, amp, gamma, d, fees, later, i, j, given, out in QUOTES
    ]


def test_quotes_of_real_pools_to_the_unit() -> None:
    assert {(pool.n, pool.later_fee) for pool, *_ in pools()} == {(2, False), (2, True), (3, False)}
    for pool, i, j, given, out in pools():
        found, lost = crypto_venue(pool, i, j).quote_exact_in(given)
        assert found == out and lost >= 0, (pool, i, j, given)


def test_what_a_pool_refuses() -> None:
    for pool, i, j, given, _ in pools()[::10]:
        venue = crypto_venue(pool, i, j)
        for bad in (0, -1, pool.balances[i] * 10**4):
            with pytest.raises(Unswappable):
                exchange_output(pool, i, j, bad)
        assert venue.quote_exact_in(0) == (0, 0)
        with pytest.raises(Unswappable):
            venue.quote_exact_out(pool.balances[j])
        out = exchange_output(pool, i, j, given)[0]
        if out:
            least = venue.quote_exact_out(out)
            assert least <= given and exchange_output(pool, i, j, least)[0] >= out
