"""Incidents on the Solana sandbox's programs, as scripts/replay plays them on EVM contracts: reserves are moved along
the recorded shapes, and runs that nobody attends leave by the alarms that these raise."""

from __future__ import annotations

from typing import Any

from tests.kit.solana.world import sandbox as sandbox
from tests.kit.solana.world import wealth, world
from tests.solana.test_exit import job, run
from tests.solana.test_thin import DRAINS, image, written
from yieldbot.app import cycle
from yieldbot.journal.journal_entries import AlarmRaised
from yieldbot.journal.store import Journal
from yieldbot.model.market import MarketState
from yieldbot.protocols.solana.layout import layout
from yieldbot.sandbox.solana.node import SvmSandbox

SHARE_VALUE_AT = 80
"""Where marginfi's Bank has asset_share_value (I80F48)."""


async def invested(sandbox: SvmSandbox) -> tuple[dict[str, MarketState], int]:
    """Our money in the sandbox's markets, by protocol; from now on exits wait for nobody."""
    with world(sandbox) as w:
        first = await cycle.run_job(w, w.settings.jobs[0])
    assert first.after is not None and first.declined is None
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("[policy]\n", "[policy]\nauto_exit = true\n", 1))
    return {s.market.protocol: s for s in first.after.markets if s.held.raw}, wealth(first)


def sent(document: Any) -> dict[str, int]:
    return {one["leg"]["market_id"]: int(one["leg"]["amount"]["raw"]) for one in document["transactions"]}


def raised(sandbox: SvmSandbox, state: MarketState) -> set[str]:
    with Journal.read(sandbox.directory / "journal.sqlite") as journal:
        entries = [record.entry for record in journal.history()]
    return {str(one.code) for one in entries if isinstance(one, AlarmRaised) and one.market_id == state.market.id}


async def test_a_reserve_is_full_at_once_and_is_left_in_parts_as_cash_appears(sandbox: SvmSandbox) -> None:
    held, whole = await invested(sandbox)
    state = held["kamino_lend"]
    drain = DRAINS["kamino_lend"]
    drain(sandbox, state, 0)
    full = job(run(sandbox, "run"))
    assert sent(full) == {} and [one["market_id"] for one in full["still_in"]] == [state.market.id]
    assert "no cash to pay it with" in full["still_in"][0]["why"]
    assert {"UTILISATION", "CASH_THIN"} <= raised(sandbox, state)
    for part in (0.3, 0.2):
        drain(sandbox, state, int(state.held.raw * part))
        some = sent(job(run(sandbox, "run")))
        assert list(some) == [state.market.id] and abs(some[state.market.id] - state.held.raw * part) <= 10
    drain(sandbox, state, 10 * state.held.raw)
    last = job(run(sandbox, "run"))
    assert list(sent(last)) == [state.market.id] and last["still_in"] == [], "its sign is gone, and it still goes"
    with world(sandbox) as w:
        seen = await cycle.observe_job(w, w.settings.jobs[0])
    assert not seen.of(state.market.id).held.raw
    assert abs(sum(one.held.raw for one in seen.states.values()) - whole) < whole * 0.001, "nothing was lost"


async def test_a_loss_that_a_bank_socialises_is_left_in_the_cycle_that_sees_it(sandbox: SvmSandbox) -> None:
    """marginfi's own way: what nobody pays back lowers the worth of every share, here by a twentieth."""
    held, _ = await invested(sandbox)
    state = held["marginfi"]
    bank = layout("marginfi").decode("Bank", image(sandbox, state.market.address).data)
    value = bank["asset_share_value"]
    assert (
        int.from_bytes(image(sandbox, state.market.address).data[SHARE_VALUE_AT : SHARE_VALUE_AT + 16], "little")
        == value
    )
    written(sandbox, state.market.address, SHARE_VALUE_AT, (value * 19 // 20).to_bytes(16, "little"))
    out = job(run(sandbox, "run"))
    (amount,) = [raw for key, raw in sent(out).items() if key == state.market.id]
    assert abs(amount - state.held.raw * 19 // 20) <= state.held.raw // 10**5, "what is left of it"
    assert "SHARE_PRICE_DOWN" in raised(sandbox, state) and out["still_in"] == []
    assert any("SHARE_PRICE_DOWN: a share's worth fell by 5" in line for line in out["plan"]["why"]), out["plan"]["why"]
