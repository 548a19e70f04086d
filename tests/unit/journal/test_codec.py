"""Plans and outcomes survive the journal's documents exactly."""

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldbot.journal.codec import outcome_from_doc, outcome_to_doc, plan_from_doc, plan_to_doc
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.plan import Allocation, Certificate, Exchanged, Leg, LegKind, MarketReason, Move, Plan
from yieldbot.model.tx import Confirmed, Delta, Expired, Replaced, Reverted

BLOCK = BlockRef(evm_chain(1), 7, "0xb", 1_700_000_000)
words = st.text(max_size=20)
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: Address("0x" + raw.hex()))
tokens = st.builds(Token, st.integers(1, 2**32).map(evm_chain), addresses, words, st.integers(0, 36))
amounts = st.builds(Amount, tokens, st.integers(-(2**256), 2**256))
floats = st.floats(allow_nan=False)
market_ids = words.map(MarketId)
blocks = st.builds(BlockRef, st.integers(1, 2**32).map(evm_chain), st.integers(0, 2**40), words, st.integers(0, 2**40))
moves = st.builds(Move, market_ids, market_ids, amounts, floats, floats, st.none() | st.floats(allow_nan=False), words)
legs = st.builds(Leg, st.sampled_from(LegKind), market_ids, amounts, st.booleans(), st.none() | amounts)
exchanges = st.builds(Exchanged, amounts, amounts, amounts, st.integers(0, 9), st.integers(1, 4))
allocations = st.builds(
    Allocation,
    st.dictionaries(market_ids, amounts, max_size=3),
    floats,
    floats,
    st.builds(Certificate, floats, floats, floats),
    floats,
    st.lists(st.builds(MarketReason, market_ids, floats, floats, floats, words), max_size=3).map(tuple),
    st.lists(st.builds(Exchanged, amounts, amounts, amounts, st.integers(0, 9), st.integers(1, 4)), max_size=2).map(
        tuple
    ),
)
plans = st.builds(
    Plan,
    words,
    blocks,
    addresses,
    st.lists(moves, max_size=3).map(tuple),
    st.lists(legs, max_size=3).map(tuple),
    allocations,
    floats,
    floats,
    st.integers(0, 10),
    st.integers(0, 2**40),
    st.none() | amounts,
    st.lists(words, max_size=2).map(tuple),
)
raws = st.integers(-(2**256), 2**256)
deltas = st.lists(st.builds(Delta, tokens, raws, st.none() | raws), max_size=3).map(tuple)
fees = st.none() | st.integers(0, 2**100)
outcomes = st.one_of(
    st.builds(Confirmed, words, blocks, st.integers(0, 2**40), st.integers(0, 2**100), deltas, fees),
    st.builds(Reverted, words, blocks, st.integers(0, 2**40), words, fees),
    st.builds(Expired, words, words),
    st.builds(Replaced, words, st.none() | words),
)


@settings(max_examples=60, deadline=None)
@given(plans)
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    back = plan_from_doc(json.loads(json.dumps(plan_to_doc(plan), allow_nan=False)))
    assert back == plan
    # token equality is by address alone: the rest must come back too
    assert [leg.amount.token.symbol for leg in back.legs] == [leg.amount.token.symbol for leg in plan.legs]
    assert [leg.amount.token.decimals for leg in back.legs] == [leg.amount.token.decimals for leg in plan.legs]


@settings(max_examples=60, deadline=None)
@given(outcomes)
def test_an_outcome_comes_back_as_it_was(outcome: Confirmed | Reverted | Expired | Replaced) -> None:
    assert outcome_from_doc(json.loads(json.dumps(outcome_to_doc(outcome)))) == outcome


@settings(max_examples=60, deadline=None)
@given(plans, st.data())
def test_a_document_of_another_shape_is_a_value_error(plan: Plan, data: st.DataObject) -> None:
    doc = plan_to_doc(plan)
    key = data.draw(st.sampled_from(sorted(doc)))
    optional = key in ("sold", "why", "counts")  # plans of older programs have none
    if not optional and data.draw(st.booleans()):
        del doc[key]
    else:
        doc[key] = data.draw(st.sampled_from([*([] if key == "sold" else [None]), [None], {"x": 1}, b"bytes"]))
    with pytest.raises(ValueError):
        plan_from_doc(doc)


@settings(max_examples=5, deadline=None)
@given(plans)
def test_no_field_of_the_model_is_left_out(plan: Plan) -> None:
    """A field added to the model later must be added to the documents too."""
    doc = plan_to_doc(plan)
    assert set(doc) == {field.name for field in fields(Plan)}
    assert set(doc["allocation"]) == {field.name for field in fields(Allocation)}
    for kind, parts in ((Move, doc["moves"]), (Leg, doc["legs"]), (MarketReason, doc["allocation"]["reasons"])):
        assert all(set(part) == {field.name for field in fields(kind)} for part in parts)


def test_a_requests_number_is_kept_and_left_out_where_there_is_none() -> None:
    number = 2**200 + 1
    doc = outcome_to_doc(Confirmed("0xaa", BLOCK, 1, 2, (), 3, number))
    assert doc["request_id"] == str(number)
    assert outcome_from_doc(json.loads(json.dumps(doc))) == Confirmed("0xaa", BLOCK, 1, 2, (), 3, number)
    assert "request_id" not in outcome_to_doc(Confirmed("0xaa", BLOCK, 1, 2, (), 3))


def test_an_outcome_of_an_older_program_has_no_fee() -> None:
    for outcome in (Confirmed("0xaa", BLOCK, 1, 2, (), 3), Reverted("0xaa", BLOCK, 1, "why", 3)):
        doc = outcome_to_doc(outcome)
        assert doc.pop("fee_raw") == "3"
        back = outcome_from_doc(doc)
        assert isinstance(back, Confirmed | Reverted) and back.fee_raw is None
