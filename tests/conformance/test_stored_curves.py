"""What memory keeps of every market of both families: its reading, and its curve rebuilt to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.accuracy import Accuracy
from tests.conformance.test_solana_adapters import tried  # noqa: F401
from tests.property.test_stored_curves import bits
from yieldbot.chains.open import watch
from yieldbot.config.load import load
from yieldbot.history import query
from yieldbot.history.curves import rebuilt
from yieldbot.history.observed import NO_MARKETS, readings_of
from yieldbot.history.store import Store
from yieldbot.model.market import MarketState, Snapshot, SvmFees
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.node import Sandbox

HELD = (0.0, 1.0, 1e3, 1e6)


def check(snapshot: Snapshot, folder: Path) -> set[str]:
    """Every market's reading says what the market does, and comes back from the disk; the protocols that were seen."""
    markets = [state for state in snapshot.states.values() if state.market.kind not in NO_MARKETS]
    readings = readings_of(snapshot)
    assert len(readings) == len(markets)
    for state, reading in zip(markets, readings, strict=True):
        assert (reading.key.market, reading.height) == (state.market.id, state.block.height)
        assert reading.supply_rate == state.quoted.value
        assert reading.curve is not None, reading.flags
        same(state, reading.curve)
    assert Store(folder).append(readings).rows == len(readings)
    back = {one.key.market: one for one in query.readings(Store(folder))}
    for reading in readings:
        rounded = back[reading.key.market].rates_after
        assert rounded == pytest.approx(reading.rates_after, rel=1e-6, abs=1e-30)
        assert replace(back[reading.key.market], rates_after=reading.rates_after) == reading
    return {state.market.protocol for state in markets}


def same(state: MarketState, text: str) -> None:
    curve = rebuilt(text)
    assert bits(curve) == bits(state.curve), state.market.name
    for held in HELD:
        assert curve.apr(held, 86_400.0) == state.curve.apr(held, 86_400.0)
    assert curve.breakpoints() == state.curve.breakpoints()


async def test_every_adapter_of_evm_chains(chain: Accuracy, own_sandbox: Sandbox, tmp_path: Path) -> None:
    (job,) = load(own_sandbox.config).jobs
    async with watch(job) as live:
        seen = check(await live.observe(()), tmp_path)
    exchanges = {name for name, one in adapters().items() if not hasattr(one, "deposit")}
    lacking = set(adapters()) - seen - exchanges - {"idle"}
    assert not lacking, f"the sandbox has no market of {lacking}"


def test_every_adapter_of_solana(tried: tuple, tmp_path: Path) -> None:  # noqa: F811
    ledger, _, adapter, markets = tried
    states = [ledger.observe(adapter, market) for market in markets]
    found = {state.market.id: state for state in states}
    seen = Snapshot(
        block=states[0].block,
        owner=ledger.me,
        states=found,
        quarantined=(),
        fees=SvmFees(0, 0, 1.0),
        native_balance_raw=0,
    )
    check(seen, tmp_path)
