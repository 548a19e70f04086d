"""A problem document: what is read, what is refused and by which name, what comes out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.allocator.documents import BANK, POOL, Doc, problem
from yieldbot.allocator.answer import exact_raw, pose, solve
from yieldbot.allocator.document import ProblemError, read


def answer(*markets: Doc, **fields: Any) -> Doc:
    return solve(pose(read(problem(*markets, **fields))))


def with_field(document: Doc, path: str, value: Any) -> Doc:
    """The document with one field, named as in an error, set to a value."""
    at: Any = document
    *parts, last = path.replace("[", ".[").split(".")
    for part in parts:
        at = at[int(part[1:-1])] if part.startswith("[") else at[part]
    at[int(last[1:-1]) if last.startswith("[") else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("wealth", 100.5),
        ("wealth", "much"),
        ("wealth", "-1"),
        ("wealth", "1e30"),
        ("wealth", "0.1234567890123456789"),
        ("horizon_days", 0),
        ("horizon_days", float("nan")),
        ("schema", "yieldbot/problem/v2"),
        ("markets[0].held", None),
        ("markets[0].reserve_factor", 1.5),
        ("markets[0].rate.points", [[0.9, 0.1], [0.5, 0.2]]),
        ("markets[0].rate.points", [[0.0, 0.1], [1.5, 0.2]]),
        ("markets[0].rate.points[1][1]", "x"),
        ("markets[0].rate.kind", "linear"),
        ("markets[0].colour", "blue"),
        ("markets[0].max_share", -0.1),
        ("markets[1].id", "pool"),
        ("markets[0].held", "2000000"),
        ("markets[0].borrowed", None),
        ("groups[0].members[1]", "nobody"),
        ("groups[0].max_share", 2),
        ("markets[1].asset", "EURC"),
        ("markets", []),
    ],
)
def test_a_bad_field_is_named(path: str, value: Any) -> None:
    document = problem(POOL, BANK, groups=[{"name": "all", "members": ["pool", "bank"], "max_share": 0.5}])
    with pytest.raises(ProblemError) as caught:
        read(with_field(document, path, value))
    named = "markets[0].rate" if path.endswith("kind") else path
    assert caught.value.path == named and str(caught.value).startswith(named)


def test_what_is_no_object_is_refused() -> None:
    for document in ([], "text", None, 5):
        with pytest.raises(ProblemError):
            read(document)


def test_more_held_than_owned_is_refused() -> None:
    with pytest.raises(ProblemError, match="wealth: 100000 is less than what is held already: 100001"):
        read(problem(BANK | {"held": "100001"}))


def test_the_fields_of_an_answer() -> None:
    found = answer(POOL, BANK)
    assert json.loads(json.dumps(found)) == found
    assert found["schema"] == "yieldbot/allocation/v1" and set(found["targets"]) == {"pool", "bank"}
    assert found["upper_bound"] >= found["objective"] and 0 <= found["gap_bps"] <= 0.005
    assert not found["hold"] and "paid back" in found["reason"]
    total = sum(float(amount) for amount in found["targets"].values()) + float(found["idle"])
    assert total == pytest.approx(100_000, abs=1e-6)


def test_the_objective_is_income_less_haircuts_and_costs_over_the_horizon() -> None:
    found = answer(BANK | {"haircut_bps": 50, "fixed_cost": "3", "proportional_cost_bps": 2})
    assert found["targets"] == {"bank": "100000"}
    assert found["income_per_year"] == pytest.approx(3_000)
    assert found["cost"] == pytest.approx(3 + 20)
    assert found["objective"] == pytest.approx(3_000 - 500 - 23 * 365 / 30)


def test_marginal_yields_are_equal_where_no_bound_binds() -> None:
    found = answer(
        POOL | {"id": "a"}, POOL | {"id": "b", "supplied": "3000000", "borrowed": "2100000"}, wealth="900000"
    )
    a, b = found["markets"]
    assert a["binding"] == b["binding"] == "marginal yield meets the others'"
    # The objective is flat there: within its certificate of 0.005 bp they may differ by this much.
    assert a["marginal_apr"] == pytest.approx(b["marginal_apr"], abs=2e-4)
    assert found["shadow_price"] == max(a["marginal_apr"], b["marginal_apr"])


def test_bounds_are_named() -> None:
    capped = BANK | {"id": "capped", "max_deposit": "100"}
    shared = BANK | {"id": "shared", "rate": {"kind": "constant", "apr": 0.04}, "max_share": 0.1}
    grouped = BANK | {"id": "grouped", "rate": {"kind": "constant", "apr": 0.05}}
    locked = BANK | {"id": "locked", "rate": {"kind": "constant", "apr": 0.0}, "held": "50", "max_withdraw": "0"}
    groups = [{"name": "g", "members": ["grouped"], "max_share": 0.2}]
    whole = answer(capped, shared, grouped, locked, groups=groups)
    found = {row["id"]: row for row in whole["markets"]}
    assert whole["shadow_price"] == 0.0, "no market that pays has room"
    assert found["capped"]["binding"] == "max_deposit" and found["capped"]["target"] == "100"
    assert found["shared"]["binding"] == "max_share" and found["shared"]["target"] == "10000"
    assert found["grouped"]["binding"] == "group g" and found["grouped"]["target"] == "20000"
    assert found["locked"]["binding"] == "nothing can be withdrawn now" and found["locked"]["target"] == "50"


def test_idle_money_earns_its_rate() -> None:
    found = answer(BANK | {"rate": {"kind": "constant", "apr": 0.01}}, idle_rate=0.02)
    assert found["hold"] and found["idle"] == "100000"
    assert found["income_per_year"] == pytest.approx(2_000) and found["objective"] == pytest.approx(2_000)


def test_hold_when_the_gain_does_not_pay_in_time() -> None:
    dear = BANK | {"fixed_cost": "200"}
    assert not answer(dear)["hold"]
    held = answer(dear, break_even_days=20)
    assert held["hold"] and held["targets"] == {"bank": "0"} and "more than the 20 allowed" in held["reason"]
    assert held["cost"] == 0 and held["upper_bound"] > held["objective"]


def test_a_sampled_rate_and_fine_amounts() -> None:
    curve = {"kind": "sampled", "points": [[0, 0.05], [50_000, 0.04], [200_000, 0.0]]}
    found = answer(BANK | {"id": "table", "rate": curve}, BANK, wealth="100000.000000000000000001")
    by_id = {row["id"]: row for row in found["markets"]}
    assert float(by_id["table"]["target"]) == pytest.approx(50_000)  # beyond, the next token earns 2.67 %
    assert len(found["idle"].partition(".")[2]) <= 18


FINE = "987654321098765.123456789012345678"


def test_amounts_of_more_digits_than_a_decimal_keeps_are_exact() -> None:
    """Decimal's own arithmetic rounds beyond 28 digits: 33 are let by."""
    posed = pose(read(problem(BANK | {"held": FINE}, POOL, wealth=FINE)))
    assert posed.exact.held[0] == posed.exact.budgets[0] == int(FINE.replace(".", ""))
    assert posed.text(posed.exact.held[0]) == FINE and posed.text(0) == "0" and posed.text(-posed.one) == "-1"
    found = solve(posed)
    parts = [exact_raw(Decimal(text), 18) for text in (found["idle"], *found["targets"].values())]
    assert sum(parts) == int(FINE.replace(".", "")), "all of it is somewhere, to the last unit"
    with pytest.raises(ProblemError, match="is less than what is held already"):  # by one unit of the last digit
        read(problem(BANK | {"held": FINE}, POOL, wealth=FINE[:-1] + "7"))


def test_money_is_swapped_where_that_pays() -> None:
    euro = {"id": "EURC", "wealth": "0", "price": "1.1"}
    rate = {"kind": "constant", "apr": 0.10}
    far = BANK | {"id": "far", "asset": "EURC", "rate": rate, "fixed_cost": "0"}
    quotes = [["11000", "9990"], ["110000", "99000"]]
    found = answer(
        BANK, far, assets=[euro], swaps=[{"from": "asset", "to": "EURC", "quotes": quotes}], horizon_days=365
    )
    (swap,) = found["swaps"]
    assert float(swap["in"]) > 0 and float(found["targets"]["far"]) == pytest.approx(float(swap["out"]), abs=1e-5)
    assert found["gap_bps"] <= 0.005
    soon = answer(BANK, far, assets=[euro], swaps=[{"from": "asset", "to": "EURC", "quotes": quotes}], horizon_days=1)
    assert soon["swaps"][0]["in"] == "0" and float(soon["targets"]["bank"]) == pytest.approx(100_000)
