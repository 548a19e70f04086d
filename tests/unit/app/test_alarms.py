"""Alarms reach decisions: from memory, the chain, the journal and the policy, in the cycle that reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from tests.kit.market_builder import BLOCK, CHAIN, USDC, kinked, market, snapshot, usdc
from tests.kit.risk.protections import JOB
from yieldbot.app import alarms as module
from yieldbot.app.alarm_documents import MarketAlarm, StandingAlarm
from yieldbot.app.alarms import with_alarms
from yieldbot.app.memory import FOLDER
from yieldbot.cli import render
from yieldbot.decision.decide import decide
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act

NOW, HOUR = BLOCK.timestamp, 3600
FULL = market("full", kinked(1e6, 9.6e5, low=0.12), borrowed=9.6e5, liquidity=4e4)
CALM = market("calm", kinked(1e6, 8e5, low=0.05), borrowed=8e5)
SEEN = snapshot(50_000, FULL, CALM)


def codes(seen: Snapshot, state: MarketState) -> list[tuple[str, str]]:
    return [(one.code, str(one.act)) for one in seen.of(state.market.id).alarms]


def remember(folder: Path, state: MarketState, hour: float, **facts: object) -> None:
    key = MarketKey(
        chain=CHAIN, market=state.market.id, protocol="lend", asset="USDC", asset_address=USDC.address.lower()
    )
    row = Reading(key=key, time=NOW + round(hour * HOUR), **facts)  # type: ignore[arg-type]
    assert not Store(folder / FOLDER).append([row]).failure


def test_without_memory_and_journal_the_chain_alone_raises(tmp_path: Path) -> None:
    seen, entries = with_alarms(SEEN, tmp_path, Policy(), pytest.fail)
    assert codes(seen, FULL) == [("UTILISATION", "leave")] and not codes(seen, CALM)
    assert [(one.market_id, one.code) for one in entries] == [(FULL.market.id, "UTILISATION")]
    (alarm,) = seen.of(FULL.market.id).alarms
    assert "96.00%" in alarm.saw and alarm.since == NOW and alarm.evidence
    plan = decide(seen, Policy(), JOB, NOW).outcome
    assert isinstance(plan, Plan) and {leg.market_id for leg in plan.legs} == {CALM.market.id}
    calm = snapshot(50_000, CALM)
    assert with_alarms(calm, tmp_path, Policy(), pytest.fail) == (calm, ())


def test_money_leaves_what_has_an_alarm(tmp_path: Path) -> None:
    held = snapshot(0, replace(FULL, held=usdc(10_000)), CALM)
    seen, _ = with_alarms(held, tmp_path, Policy(), pytest.fail)
    plan = decide(seen, Policy(), JOB, NOW).outcome
    assert isinstance(plan, Plan)
    assert (plan.legs[0].kind, plan.legs[0].market_id) == (LegKind.WITHDRAW, FULL.market.id)


def test_memory_shows_what_was_lost_since_yesterday(tmp_path: Path) -> None:
    used = market("used", kinked(1e6, 9.2e5, low=0.08), borrowed=9.2e5, liquidity=8e4)
    remember(tmp_path, used, -25, utilisation=0.8, supplied=1e6, cash=2e5)
    seen, _ = with_alarms(snapshot(50_000, used, CALM), tmp_path, Policy(), pytest.fail)
    assert codes(seen, used) == [("CASH_FALLING", "leave")]


def test_a_sign_between_two_runs_counts_and_passes(tmp_path: Path) -> None:
    """``observe`` saw it five hours ago; the run sees a calm market, and still does not go in."""
    remember(tmp_path, CALM, -5, utilisation=0.97, supplied=1e6, cash=3e4)
    remember(tmp_path, CALM, -4, utilisation=0.8, supplied=1e6, cash=2e5)
    seen, entries = with_alarms(SEEN, tmp_path, Policy(), pytest.fail)
    assert codes(seen, CALM) == [("UTILISATION", "leave")] and len(entries) == 2
    assert "5.0 h ago" in seen.of(CALM.market.id).alarms[0].saw
    for hour in (-3, -2, -1):
        remember(tmp_path, CALM, hour, utilisation=0.8, supplied=1e6, cash=2e5)
    short = Policy(alarms=AlarmLimits(cooldown_hours=4.0))
    assert not codes(with_alarms(SEEN, tmp_path, short, pytest.fail)[0], CALM)


def test_the_journal_keeps_an_alarm_over_a_restart(tmp_path: Path) -> None:
    _, raised = with_alarms(SEEN, tmp_path, Policy(), pytest.fail)
    records = [Record(1, NOW, raised[0])]
    better = replace(FULL, borrowed=usdc(8e5))

    def later(hours: float) -> Snapshot:
        block = replace(BLOCK, timestamp=NOW + round(hours * HOUR))
        states = [replace(one, block=block) for one in (better, CALM)]
        return replace(snapshot(50_000, *states), block=block)

    seen, entries = with_alarms(later(2), tmp_path, Policy(), pytest.fail, records)
    assert codes(seen, FULL) == [("UTILISATION", "leave")] and entries == ()
    seen, entries = with_alarms(later(30), tmp_path, Policy(), pytest.fail, records)
    assert codes(seen, FULL) == [("UTILISATION", "leave")], "one look is not enough"
    for hour in (27, 28, 29):
        remember(tmp_path, FULL, hour, utilisation=0.8, supplied=1e6, cash=2e5)
    seen, entries = with_alarms(later(30), tmp_path, Policy(), pytest.fail, records)
    assert not codes(seen, FULL) and [type(one).__name__ for one in entries] == ["AlarmLifted"]
    off = Policy(alarms=AlarmLimits(off=("UTILISATION",)))
    seen, entries = with_alarms(later(2), tmp_path, off, pytest.fail, records)
    assert not codes(seen, FULL) and [type(one).__name__ for one in entries] == ["AlarmLifted"]


def test_a_collateral_that_memory_knows_is_looked_at(tmp_path: Path) -> None:
    """The job is of dollars: the WETH market of the same protocol is in memory alone, here or on Ethereum."""
    pool = market("pool", kinked(1e6, 8e5, low=0.05), borrowed=8e5, protocol="aave_v3")
    weth = MarketKey(chain=CHAIN, market="aave_v3/1/weth", protocol="aave_v3", asset="WETH")
    for hour, use, found in ((-2, 0.98, []), (-1, 0.995, [("COLLATERAL_LOCKED", "leave")])):
        row = Reading(key=weth, time=NOW + hour * HOUR, utilisation=use)
        assert not Store(tmp_path / FOLDER).append([row]).failure
        assert codes(with_alarms(snapshot(50_000, pool), tmp_path, Policy(), pytest.fail)[0], pool) == found


def test_a_supply_that_memory_knows_is_held_against_what_exists_now(tmp_path: Path) -> None:
    """Of the asset, of a collateral, and of one that a vault rests on through a market of the snapshot."""
    coin = "0x00000000000000000000000000000000000000AA"
    inner = market("inner", kinked(1e6, 8e5, low=0.05), borrowed=8e5, protocol="morpho_blue")
    inner = replace(inner, market=replace(inner.market, params={"collateral": coin}))
    vault = market("vault", kinked(1e6, 8e5, low=0.05), pools=frozenset({str(inner.market.id)}))
    for one, pairs in ((inner, ((coin, 1e26),)), (vault, ((coin, 1e26),)), (CALM, ())):
        remember(tmp_path, one, -1, token_supply=1e10, backing=pairs)
    for supplies, hit in (
        ({USDC.address: 10**16, coin: 149 * 10**24}, ()),
        ({USDC.address: 10**16, coin: 178 * 10**24}, (inner, vault)),
        ({USDC.address: 15 * 10**15, coin: 10**26}, (inner, vault, CALM)),
    ):
        seen = replace(snapshot(50_000, inner, vault, CALM), supplies=supplies)
        seen, _ = with_alarms(seen, tmp_path, Policy(), pytest.fail)
        assert [one for one in (inner, vault, CALM) if codes(seen, one) == [("SUPPLY_JUMP", "leave")]] == list(hit)
    seen, _ = with_alarms(
        replace(snapshot(50_000, inner, CALM), supplies={USDC.address: 10**16}), tmp_path, Policy(), pytest.fail
    )
    assert codes(seen, inner) == [("MISSING", "stop")] and coin in seen.of(inner.market.id).alarms[0].saw


def test_memory_that_cannot_be_read_stops_new_money_and_takes_none_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(module, "_remembered", broken)
    lines: list[str] = []
    held = snapshot(10_000, replace(CALM, held=usdc(10_000)))
    seen, _ = with_alarms(held, tmp_path, Policy(), lines.append)
    assert codes(seen, CALM) == [("MISSING", "stop")] and not seen.of(CALM.market.id).leave
    assert len(lines) == 1 and "the disk is gone" in lines[0]
    assert not isinstance(decide(seen, Policy(), JOB, NOW).outcome, Plan)


def test_what_others_found_is_latched_too_and_what_the_snapshot_has_stays(tmp_path: Path) -> None:
    from yieldbot.model.risk import Alarm
    from yieldbot.risk.triggers import Found

    own = Alarm(code="ORACLE", act=Act.STOP, saw="its oracle is a constant", since=1)
    weaker = Found(code="CONTROL_WEAKER", act=Act.LEAVE, saw="the timelock is gone")
    seen, entries = with_alarms(
        snapshot(50_000, replace(CALM, alarms=(own,))), tmp_path, Policy(), pytest.fail, (), {CALM.market.id: [weaker]}
    )
    assert codes(seen, CALM) == [("CONTROL_WEAKER", "leave"), ("ORACLE", "stop")]
    assert [one.code for one in entries] == ["CONTROL_WEAKER"]


def test_the_blacklist_looks_through_to_collateral_and_pools(tmp_path: Path) -> None:
    inner = market("inner", kinked(1e6, 8e5, low=0.05), borrowed=8e5, protocol="morpho_blue")
    inner = replace(inner, market=replace(inner.market, params={"collateral": "0xAbC", "feeds": [{"token": "rsETH"}]}))
    vault = market("vault", kinked(1e6, 8e5, low=0.05), pools=frozenset({str(inner.market.id)}))
    both = snapshot(50_000, inner, vault, CALM)
    for name, hit in (("0xabc", True), ("RSETH", True), ("morpho_blue", True), ("inner", True), ("wstETH", False)):
        seen, _ = with_alarms(both, tmp_path, Policy(blacklist=(name,)), pytest.fail)
        expected = [("BLACKLIST", "leave")] if hit else []
        assert codes(seen, inner) == codes(seen, vault) == expected, name
        assert not codes(seen, CALM)
    seen, _ = with_alarms(both, tmp_path, Policy(blacklist=("USDC",)), pytest.fail)
    assert all(codes(seen, one) == [("BLACKLIST", "leave")] for one in (inner, vault, CALM))


def test_what_stands_is_shown_with_its_numbers(tmp_path: Path) -> None:
    held = snapshot(50_000, replace(FULL, held=usdc(10_000)), CALM)
    seen, _ = with_alarms(held, tmp_path, Policy(), pytest.fail)
    (row,) = MarketAlarm.every(seen)
    assert (row.code, row.act, row.market_id, row.since) == ("UTILISATION", "leave", FULL.market.id, NOW)
    assert StandingAlarm.of(seen.of(FULL.market.id))[0].saw == row.saw and not StandingAlarm.of(CALM)
    (line,) = render.alarms(seen)
    assert isinstance(line, Text) and line.plain == "ALARM UTILISATION (leave) full: utilisation 96.00%, 95% or more"
    assert line.style == "bold red"
    assert MarketAlarm.every(None) == ()
