"""A fixed rate is shown by the run that read it, and by no later one that could not read it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.chains.evm.test_discover import chain_of
from yieldbot.app.discover import _market
from yieldbot.app.discover_documents import DiscoveredMarket
from yieldbot.app.found_markets import Full
from yieldbot.chains.discovered import Discovered, RegistryReading
from yieldbot.chains.evm.discover import _read
from yieldbot.cli.discover import _row
from yieldbot.history.found_store import Entry, FoundStore, ReadEntry
from yieldbot.model.amounts import BlockRef
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.ids import Address
from yieldbot.model.units import SECONDS_PER_YEAR

AT = Address("0x" + "00" * 19 + "77")
FOUND = FoundMarket(
    key=str(AT),
    asset="x",
    name="PT",
    supplied_raw=5 * 10**6,
    expiry=1_830_297_600,
    fixed_rate=0.0587,
    exit_cost=0.0031,
    limits=("its yield token does not take the asset itself: that needs a swap",),
)

READ = 1_830_297_600 - SECONDS_PER_YEAR
"""The simple rate of a whole year is its APY."""


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """As the store gives it back, read a year before the expiry."""
    store = FoundStore(tmp_path)
    store.add("r", [Listed(FOUND.key)], None)
    store.confirmed("r", [ReadEntry(FOUND, True)], [], READ)
    (entry,) = store.entries("r")
    return entry


def shown(entry: Entry, now: int) -> DiscoveredMarket:
    chain = chain_of()
    registry = Registry("pendle", chain.chain, "Pendle", {"factory": AT, "router": AT}, AT, 1)
    seen = Discovered(block=BlockRef(chain.chain, 9, "0x", 9), readings=())
    return _market(
        RegistryReading(registry=registry), entry, chain.tokens["USDC"], Full({}, {}), seen, chain, now
    ).shown


def test_a_principal_token_s_rate_its_end_and_what_leaving_costs_are_one_row(entry: Entry) -> None:
    assert entry.found == FOUND
    one = shown(entry, READ)
    assert (one.quoted_apy, one.exit_cost, one.expiry) == (pytest.approx(0.0587), 0.0031, 1_830_297_600)
    row = _row(one)
    assert row[2] == "5.870 %" and row[6].startswith(
        "found; fixed until 2028-01-01, sold at once it loses 0.31%; its yield"
    )
    assert one.unfit == FOUND.limits[0], "it is shown and gets no money"


def test_a_rate_that_was_not_read_again_is_not_shown(entry: Entry) -> None:
    later = shown(entry, 8)
    assert (later.quoted_apy, later.exit_cost, later.expiry) == (None, None, 1_830_297_600)
    assert "loses" not in _row(later)[6] and "fixed until" in _row(later)[6]
    failed = _read(entry, None).found
    assert (failed.fixed_rate, failed.exit_cost) == (None, None) and "cannot be read" in failed.fault
