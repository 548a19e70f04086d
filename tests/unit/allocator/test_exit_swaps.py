"""Swaps of what came out of exits: how much, at which price, and what stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.allocator.several import BASE, DAI, JOB, NOW, dai, in_dai, pool, seen
from tests.kit.market_builder import USDC, market, usdc
from yieldbot.allocator.exit_swaps import ExitSwaps, Proceeds, swap_plan
from yieldbot.decision.decide import decide, decide_exits
from yieldbot.decision.holds import still_holds
from yieldbot.decision.orders import all_of, proceeds
from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered
from yieldbot.journal.exit_proceeds import to_swap
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import JournalEntry, TxSettled, TxSigned
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed, Delta

POLICY = Policy(idle_buffer="0")
PEGGED = {USDC.address, DAI.address}
VAULT = in_dai(market("vault", ConstantCurve(0.05)))
DEEP = (pool(50),)


def made(view: Snapshot, whole: float = 40_000, base: Any = BASE, **policy: Any) -> ExitSwaps:
    wanted = [Proceeds(dai(whole), USDC, "vault")]
    return swap_plan(view, wanted, base, PEGGED, replace(POLICY, **policy), NOW)


def test_all_of_it_is_swapped_where_the_pools_take_it() -> None:
    found = made(seen(0, 40_000, VAULT, pools=DEEP))
    assert found.stays == () and found.plan is not None and not found.plan.is_exit and not found.plan.takes_out
    (leg,) = found.plan.legs
    assert (leg.kind, leg.amount) == (LegKind.SWAP, dai(40_000)) and leg.gets is not None
    assert usdc(39_900) < leg.gets < usdc(40_000)
    assert found.plan.sold is not None and abs(found.plan.sold.raw - leg.gets.raw) <= 1 and found.plan.cost > 0
    assert found.plan.why == ("vault: you ordered what came out of it into USDC",)


def test_a_part_of_it_where_they_take_a_part() -> None:
    found = made(seen(0, 40_000, VAULT, pools=(pool(1),)))
    assert found.plan is not None
    (leg,) = found.plan.legs
    assert (
        dai(100) < leg.amount < dai(40_000)
        and sum(one.given.raw for one in found.stays) == (dai(40_000) - leg.amount).raw
    )
    assert "fair price" in found.stays[0].why


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (seen(0, 40_000, VAULT, pools=DEEP, usd=(1.0, 0.97), mean=1 / 0.97), "DEPEGGED"),
        (seen(0, 40_000, VAULT, pools=DEEP, spoken=NOW - 10**6), "PRICE_STALE"),
        (seen(0, 40_000, VAULT), "NO_ROUTE"),
    ],
)
def test_nothing_where_prices_cannot_be_trusted(view: Snapshot, why: str) -> None:
    found = made(view)
    assert found.plan is None and [one.given for one in found.stays] == [dai(40_000)] and why in found.stays[0].why


def test_a_pegged_asset_has_a_set_price_whatever_else_is_allowed() -> None:
    wide = replace(BASE, max_depeg_bps=1_000.0, max_impact_bps=500.0, slippage_bps=500.0, max_apart_bps=500.0)
    view = seen(0, 40_000, VAULT, pools=(pool(50, rate=1 / 0.97),), usd=(1.0, 0.97), mean=1 / 0.97)
    found = made(view, base=wide)
    assert found.plan is None and "EXIT_PRICE" in found.stays[0].why and "0.9900 is the least" in found.stays[0].why
    assert made(view, base=wide, exit_min_price_bps=1_000.0).plan is not None
    calm = made(seen(0, 40_000, VAULT, pools=DEEP), base=wide, exit_min_price_bps=600.0).plan
    assert calm is not None
    job = replace(JOB, base=wide)
    now = seen(0, 40_000, VAULT, pools=DEEP)
    assert still_holds(calm, 0, now, replace(POLICY, exit_min_price_bps=600.0), job) is None
    refused = still_holds(calm, 0, now, POLICY, job)
    assert refused is not None and refused.code == "EXIT_PRICE", "and it is asked again before it is signed"


def tx(number: int, market_id: str, amount: Amount) -> list[JournalEntry]:
    name = f"0x{number:064x}"
    view = seen(0, 0)
    signed: Any = TxSigned(
        chain=view.block.chain, owner=view.owner, plan_id="p", leg=0, market_id=market_id,  # type: ignore[arg-type]
        hash=name, raw=b"", nonce=number, gas=1, max_fee_wei=1, priority_fee_wei=1, words="", expires_at=NOW,
        simulated_at=view.block, predicted=(),
    )  # fmt: skip
    outcome = Confirmed(name, view.block, 1, 1, (Delta(amount.token, amount.raw),))
    return [signed, TxSettled(view.block.chain, view.owner, outcome)]


def order(market_id: str, into: str = USDC.address) -> ExitOrdered:
    view = seen(0, 0)
    fields: Any = {"market_id": market_id, "name": "vault", "by": "terminal", "into": into, "time": NOW}
    return ExitOrdered(chain=view.block.chain, owner=view.owner, **fields)


def records(*entries: JournalEntry) -> list[Record]:
    return [Record(index + 1, NOW, entry) for index, entry in enumerate(entries)]


def minus(amount: Amount) -> Amount:
    return Amount(amount.token, -amount.raw)


def test_what_came_out_since_the_order_is_swapped_once() -> None:
    ordered, market_id = order(VAULT.market.id), VAULT.market.id
    before, out = tx(1, market_id, dai(7)), tx(2, market_id, dai(100))
    other, swap = tx(3, "lend/1/other", dai(50)), tx(4, "swap/1/a/b", minus(dai(60)))

    def left(*entries: JournalEntry) -> int:
        return to_swap(records(*entries), ordered, DAI, lambda one: one == market_id)

    assert left(*before, *out) == 0, "nobody ordered it"
    assert left(*before, ordered, *out, *other) == dai(100).raw
    assert left(*before, ordered, *out, *other, *swap) == dai(40).raw
    assert left(ordered, *out, ordered, *swap) == dai(40).raw, "said again is the same order"
    lifted = ExitLifted(chain=ordered.chain, owner=ordered.owner, market_id=market_id, by="terminal")
    assert left(ordered, *out, lifted) == 0 == left(ordered, *out, lifted, ordered)


def test_a_cycle_swaps_what_lies_in_the_wallet_of_it_and_nothing_before_all_else_is_out() -> None:
    told = records(order(VAULT.market.id), *tx(1, VAULT.market.id, dai(500)))
    view = seen(0, 300, VAULT, pools=DEEP)
    assert [(one.given, one.into) for one in proceeds(view, told)] == [(dai(300), USDC)]
    for by in (decide, decide_exits):
        plan = by(view, POLICY, JOB, NOW, records=told).outcome
        assert isinstance(plan, Plan) and [(leg.kind, leg.amount) for leg in plan.legs] == [(LegKind.SWAP, dai(300))]
        without = by(view, POLICY, JOB, NOW, records=told, swaps=False).outcome
        assert not (isinstance(without, Plan) and without.why)
    everything = records(order(all_of(DAI)), *tx(1, "lend/1/any", dai(200)))
    assert [one.given for one in proceeds(view, everything)] == [dai(200)]
    none = decide_exits(seen(0, 300, VAULT), POLICY, JOB, NOW, records=told).outcome
    assert isinstance(none, Hold) and "300 DAI are not swapped into USDC: NO_ROUTE" in none.reason


def test_what_others_did_and_what_is_no_proceeds_counts_for_nothing() -> None:
    ordered, market_id = order(VAULT.market.id), VAULT.market.id
    out = tx(1, market_id, dai(100))
    stranger: Any = tx(2, market_id, dai(50))
    stranger[0] = replace(stranger[0], owner="0x" + "22" * 20)
    bought, put, dear = tx(3, "swap/1/b/a", dai(30)), tx(4, market_id, minus(dai(20))), tx(5, market_id, usdc(9))

    def left(*entries: JournalEntry) -> int:
        return to_swap(records(*entries), ordered, DAI, lambda one: one == market_id)

    for noise in (stranger, bought, put, dear, tx(6, market_id, dai(7))[:1], tx(7, market_id, dai(7))[1:]):
        assert left(ordered, *out, *noise) == dai(100).raw == left(ordered, *noise, *out)
    assert left(*tx(8, "swap/1/a/b", minus(dai(500))), ordered, *out) == dai(100).raw
    assert left(ordered, *out, *tx(9, "swap/1/a/b", minus(Amount(DAI, 1)))) == dai(100).raw - 1
    begun = tx(10, market_id, dai(11))
    assert left(begun[0], ordered, begun[1]) == dai(11).raw, "signed before, out since"


def test_several_orders_are_one_swap_of_what_is_there() -> None:
    other = in_dai(market("other", ConstantCurve(0.05)))
    both = (order(VAULT.market.id), replace(order(other.market.id), name="other"))
    came = (*tx(1, VAULT.market.id, dai(500)), *tx(2, other.market.id, dai(400)), *tx(3, VAULT.market.id, usdc(50)))
    view = seen(90, 800, VAULT, other, pools=DEEP)
    (found,) = proceeds(view, records(*both, *came))
    assert (found.given, found.into, found.name) == (dai(800), USDC, "vault, other")
    assert proceeds(view, records(order(VAULT.market.id, ""), *came)) == []
    assert proceeds(view, records(order(VAULT.market.id, "0x" + "33" * 20), *came)) == []
    back = proceeds(view, records(order(VAULT.market.id, DAI.address), *came))
    assert [(one.given, one.into) for one in back] == [(usdc(50), DAI)], "never into itself"
    dollars = proceeds(view, records(order(all_of(USDC), DAI.address), *came))
    assert [one.given for one in dollars] == [usdc(50)], "an order for all markets of one asset is of that asset"


def test_dust_and_dear_gas_leave_it_as_it_is() -> None:
    view = seen(0, 40_000, VAULT, pools=DEEP)
    dust = made(view, 0.01)
    assert dust.plan is None and dust.stays[0].given == dai(0.01) and dust.stays[0].into == USDC
    assert "worth less than the" in dust.stays[0].why
    wanted = [Proceeds(dai(500), USDC, "vault")]
    wei = view.fees.base_fee_wei + view.fees.priority_fee_wei  # type: ignore[union-attr]
    assert swap_plan(view, wanted, BASE, PEGGED, POLICY, NOW, max_fee_wei=wei).plan is not None
    dear = swap_plan(view, wanted, BASE, PEGGED, POLICY, NOW, max_fee_wei=wei - 1)
    assert dear.plan is None and "above max_fee_gwei" in dear.stays[0].why
