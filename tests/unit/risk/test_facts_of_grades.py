"""What grades make of audits of exactly the code, ends of reward programmes, growth of a supply, and bad debt."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.kit.market_builder import USDC, kinked, market, usdc
from yieldbot.app import graded
from yieldbot.model.controls import ContractFacts, Controls, Part
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.look_through import Backing
from yieldbot.model.market import MarketState
from yieldbot.model.rewards import Reward
from yieldbot.model.risk import Component
from yieldbot.risk import audits as shipped
from yieldbot.risk.audits import Audit, of_code, read
from yieldbot.risk.control_side import contract
from yieldbot.risk.facts import Around, Facts, MarketStatistics
from yieldbot.risk.other_sides import track, yield_quality
from yieldbot.risk.scales import scales, score

AT, NOW = Address("0x" + "1" * 40), 1_700_000_000
CODE, OTHER = "ab" * 32, "cd" * 32


def report(firm: str, code: str = CODE) -> Audit:
    return Audit(firm=firm, date=date(2024, 1, 31), protocol="p", contract="Pool", code_hash=code, source="a link")


def pool(**more: object) -> Facts:
    one = ContractFacts(address=AT, part=Part.POOL, name="Pool", code_hash=CODE, created_at=NOW - 86_400, block=9)
    controls = Controls(market=MarketId("m"), contracts=(replace(one, **more),), block=9, time=NOW)  # type: ignore[arg-type]
    return Facts(around=Around(size=1.0), controls=controls)


def test_audits_count_for_exactly_their_code_in_place_of_a_lesser_age() -> None:
    table = scales()
    young = contract(pool(), NOW, table, ())
    once = contract(pool(), NOW, table, (report("A"),))
    twice = contract(pool(), NOW, table, (report("A"), report("B"), report("B")))
    assert young.score < once.score < twice.score
    assert once.score - young.score == pytest.approx(0.25 * (60 - score(table.of("contract", "days"), 1.0)))
    (shown,) = [one for one in once.evidence if one.what == "Pool: audited"]
    assert shown.value == "A, 2024-01-31, of this very code" and shown.source == "a link"
    assert contract(pool(), NOW, table, (report("A", OTHER),)).score == young.score, "other code is not audited"
    behind = pool(implementation=AT, implementation_hash=OTHER)
    assert contract(behind, NOW, table, (report("A"),)).score == young.score, "a proxy's own code is not what it runs"
    assert contract(behind, NOW, table, (report("A", OTHER),)).score == once.score
    old = pool(created_at=NOW - 2000 * 86_400)
    assert contract(old, NOW, table, (report("A"),)).score == contract(old, NOW, table, ()).score


def test_a_users_own_reports_count_and_the_hash_to_write_down_is_shown(tmp_path: Path) -> None:
    (tmp_path / "audits.toml").write_text(
        f'[[audit]]\nfirm="A"\ndate = 2024-01-31\nprotocol = "p"\ncontract = "Pool"\nsource = ""\ncode_hash = "{CODE}"'
    )
    said: list[str] = []
    mine = replace(pool(), audits=graded._audits(tmp_path, said.append))
    found, without = contract(mine, NOW, scales()), contract(pool(), NOW, scales())
    assert found.score > without.score and not said
    assert [one.value for one in without.evidence if one.what == "Pool: code"] == [CODE]
    (tmp_path / "audits.toml").write_text("[[audit]]\nfirm = 1")
    assert graded._audits(tmp_path, said.append) == () and "lacks date" in said[0] and "\n" not in said[0]
    late = contract(pool(), NOW + 30 * 86_400, scales())
    assert any("for 30 days, since the last look" in line for line in late.missing)


def test_rows_need_a_hash_and_none_is_invented() -> None:
    assert shipped.audits() == ()
    with pytest.raises(ValueError, match="lacks date, protocol"):
        read('[[audit]]\nfirm = "A"\ncontract = "Pool"\ncode_hash = ""\nsource = ""')
    row = '[[audit]]\nfirm = "A"\ndate = 2024-01-31\nprotocol = "p"\ncontract = "Pool"\nsource = "a link"\ncode_hash = '
    (one,) = read(f'{row}"0x{CODE.upper()}"')
    assert one == report("A")
    with pytest.raises(ValueError, match="keccak256"):
        read(f'{row}""')
    nothing = ContractFacts(address=AT, part=Part.POOL)
    assert of_code(nothing, (one,)) == ()


def rewarded(ends_at: int | None) -> MarketState:
    state = market("m", kinked(1e6, 8e5))
    paid = Reward(
        token=USDC, claimable=usdc(0), in_wallet=usdc(0), raw_per_second=1.0, ends_at=ends_at, others=1e6,
        distributor=AT, gas=1, price=1.0,
    )  # fmt: skip
    return replace(state, rewards=(paid,))


def quality(state: MarketState, share: float, growth: float | None = None) -> Component:
    past = MarketStatistics(days=60, week_mean=0.04, month_mean=0.04, month_deviation=0.0, supply_growth=growth)
    return yield_quality(state, Facts(around=Around(size=1.0), statistics=past), scales(), share)


def test_a_reward_programme_that_ends_soon_lowers_the_quality_of_the_yield_by_its_part() -> None:
    now = rewarded(None).block.timestamp
    soon, late = quality(rewarded(now + 86_400), 0.5), quality(rewarded(now + 200 * 86_400), 0.5)
    assert soon.score < late.score
    assert any(one.what == "rewards in USDC end" and one.value == "in 1 day" for one in soon.evidence)
    none = quality(rewarded(None), 0.5)
    assert soon.score < none.score < late.score and "when rewards in USDC end" in none.missing
    assert quality(rewarded(now + 86_400), 0.05).score > soon.score
    assert quality(rewarded(None), 0.0).missing == quality(market("m", kinked(1e6, 8e5)), 0.0).missing == ()


def test_a_supply_that_grows_fast_lowers_it() -> None:
    state = market("m", kinked(1e6, 8e5))
    calm, fast = quality(state, 0.0, 0.02), quality(state, 0.0, 0.8)
    assert fast.score < calm.score and any(one.value == "+80.0%" for one in fast.evidence)


def test_bad_debt_bounds_the_track() -> None:
    state = replace(market("m", kinked(1e6, 8e5)), supplied=usdc(1e6))

    def of(state: MarketState, lost: float = 0.0) -> Component:
        return track(state, Facts(around=Around(size=1.0, usd=1.0), lost=lost), scales())

    assert of(state, 50_000.0).score == 0.0 and of(state).score > 0.0
    assert any(one.what == "bad debt that was realised" for one in of(state, 1.0).evidence)
    owing = replace(state, backing=Backing(market=state.market.id, lost=50_000.0 * 10**6))
    assert of(owing).score == 0.0 and any(one.what == "bad debt" for one in of(owing).evidence)
