"""What the signer takes over its socket: plans that enough persons signed, once; everything else is one refusal and
changes nothing."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.hostile_server import requests
from tests.kit.journal.store import signed
from tests.kit.signer import ANNA, BEN, CHAIN, EVE, USDC, Signer, handed, plan, signature
from yieldbot.app import signer_work
from yieldbot.app.approvers import remove
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import PlansDocument
from yieldbot.app.interrupted import mark_interrupted
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.app.signer_requests import MOST_ROWS
from yieldbot.execution.halt import halted
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, TxSettled
from yieldbot.model.ids import Address
from yieldbot.model.plan import Leg, LegKind, Plan, identified
from yieldbot.model.tx import Reverted

BOTH: dict[str, Any] = {"anna": ANNA, "ben": BEN}


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    made = Signer(tmp_path / "signer")
    yield made
    made.journal.close()


def test_what_two_persons_signed_is_taken_once(signer: Signer) -> None:
    wanted = plan()
    first = signer.ask(handed(wanted, **BOTH))
    assert (first["plan_id"], first["status"], first["by"]) == (wanted.id, "queued", "signer")
    rows = signer.journal.head()
    assert signed_plans(signer.context) == (wanted.id,) and signer.intake.work_waits()
    for again in (handed(wanted, **BOTH), handed(wanted)):
        assert signer.ask(again)["status"] == "queued" and signer.journal.head() == rows, (
            "nothing is staged a second time"
        )
    signer.journal.append(PlanMarked(wanted.id, PlanStatus.EXECUTED, "execution"))
    assert signer.ask(handed(wanted, **BOTH))["status"] == "executed", "the result is kept"
    assert signed_plans(signer.context) == () and not signer.intake.work_waits()
    stored = signer.journal.plan(wanted.id)
    assert stored is not None and stored.lines[0].startswith("1. deposit 0.000005 USDC"), "its own words"
    signer.intake.write_audit()
    *_, noted = [one.entry for one in signer.journal.history() if type(one.entry).__name__ == "AccessNoted"]
    assert (noted.by, noted.where, noted.outcome) == ("uid 1 gid 1", "socket", "taken")  # type: ignore[union-attr]


def forged(change: str) -> Any:
    """What a hostile server might send."""
    good = plan()
    made = handed(good, **BOTH)
    other = plan(raw=6)
    match change:
        case "no signatures":
            return handed(good)
        case "one person":
            return handed(good, anna=ANNA)
        case "one person twice":
            return handed(good, anna=ANNA) | {"approvals": made["approvals"][:1] * 2}
        case "one person under two names":
            return made | {"approvals": [made["approvals"][0], {**made["approvals"][0], "approver": "ben"}]}
        case "somebody else":
            return handed(good, anna=ANNA, ben=EVE)
        case "a stranger":
            return handed(good, anna=ANNA, eve=EVE)
        case "signatures of another plan":
            return handed(other) | {"approvals": made["approvals"]}
        case "another amount":
            made["plan"]["legs"][0]["amount"]["raw"] = "6"
        case "another recipient":
            made["plan"]["owner"] = "0x" + "99" * 20
        case "an amount more, with its id":
            made["plan"] = handed(other)["plan"]
        case "other lines":
            made["lines"] = ["1. claim some rewards", *made["lines"][1:]]
        case "a number that is none":
            return handed(identified(replace(good, gain_per_year=float("nan"))), **BOTH)
        case "a negative amount":
            return handed(plan(raw=-5), **BOTH)
        case "no legs":
            return made | {"plan": made["plan"] | {"legs": []}}
        case "more than a plan":
            made["plan"]["spender"] = "0x" + "99" * 20
        case "a target more":
            made["plan"]["allocation"]["targets"]["x"] = made["plan"]["legs"][0]["amount"]
        case "another account":
            return handed(identified(replace(good, owner=Address("0x" + "99" * 20))), **BOTH)
        case "other decimals":
            token = replace(USDC, decimals=0)
            legs = (replace(good.legs[0], amount=token.amount(5)),)
            return handed(identified(replace(good, legs=legs)), **BOTH)
        case "another name":
            legs = (replace(good.legs[0], amount=replace(USDC, symbol="DAI").amount(5)),)
            return handed(identified(replace(good, legs=legs)), **BOTH)
        case "another chain":
            gets = replace(USDC, chain="eip155:1").amount(5)  # type: ignore[arg-type]
            leg = Leg(LegKind.SWAP, good.legs[0].market_id, USDC.amount(5), gets=gets)
            return handed(identified(replace(good, legs=(*good.legs, leg))), **BOTH)
        case "too late":
            return handed(plan(seconds=-1), **BOTH)
        case "valid for ever":
            return handed(plan(seconds=10**9), **BOTH)
        case _:
            raise AssertionError(change)
    return made


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("no signatures", "APPROVALS_MISSING"),
        ("one person", "APPROVALS_MISSING"),
        ("one person twice", "APPROVALS_MISSING"),
        ("one person under two names", "APPROVALS_MISSING"),
        ("somebody else", "APPROVALS_MISSING"),
        ("a stranger", "APPROVALS_MISSING"),
        ("signatures of another plan", "APPROVALS_MISSING"),
        ("another amount", "MALFORMED"),
        ("another recipient", "MALFORMED"),
        ("an amount more, with its id", "OTHER_LINES"),
        ("other lines", "OTHER_LINES"),
        ("a number that is none", "MALFORMED"),
        ("a negative amount", "MALFORMED"),
        ("no legs", "MALFORMED"),
        ("more than a plan", "MALFORMED"),
        ("a target more", "APPROVALS_MISSING"),
        ("another account", "NOT_OURS"),
        ("other decimals", "OTHER_TOKEN"),
        ("another name", "OTHER_TOKEN"),
        ("another chain", "NOT_OURS"),
        ("too late", "EXPIRED"),
        ("valid for ever", "EXPIRES_TOO_LATE"),
    ],
)
def test_what_a_hostile_server_sends_is_refused_and_nothing_is_written(signer: Signer, change: str, code: str) -> None:
    before = signer.journal.head()
    assert signer.ask(forged(change)) == code
    assert signer.journal.head() == before and signed_plans(signer.context) == ()


def test_nobody_gets_other_content_under_an_id_that_is_known(signer: Signer) -> None:
    wanted = plan()
    signer.ask(handed(wanted, **BOTH))
    other = replace(wanted, allocation=replace(wanted.allocation, income_per_year=9.0))  # not in what the id is made of
    assert other.id == wanted.id and signer.ask(handed(other, **BOTH)) == "OTHER_CONTENT"


def test_an_older_plan_is_superseded_and_a_newer_one_ends_what_waits(signer: Signer) -> None:
    first, newer, older = plan(height=7), plan(height=8), plan(height=6, raw=9)
    signer.ask(handed(first, **BOTH))
    assert signer.ask(handed(newer, **BOTH))["status"] == "queued"
    assert signer.ask(handed(first, **BOTH))["status"] == "expired", "and its result is kept"
    assert signer.ask(handed(older, **BOTH)) == "SUPERSEDED" and signed_plans(signer.context) == (newer.id,)


def test_a_person_who_is_taken_out_counts_no_more(signer: Signer) -> None:
    wanted = plan()
    signer.ask(handed(wanted, **BOTH))
    remove("ben", signer.context)
    assert signed_plans(signer.context) == () and signer.ask(handed(plan(height=9), **BOTH)) == "APPROVALS_MISSING"


def test_anybody_halts_and_rejects_and_nobody_resumes(signer: Signer) -> None:
    wanted = plan()
    signer.ask(handed(wanted, **BOTH))
    assert signer.ask({"request": "reject", "plan_id": "nothing", "reason": ""})["status"] is None
    assert signer.ask({"request": "reject", "plan_id": wanted.id, "reason": "no"})["status"] == "rejected"
    assert signer.ask({"request": "reject", "plan_id": wanted.id, "reason": "no"}) == "PLAN_CLOSED"
    assert signer.ask({"request": "halt", "reason": "a\nb"}) == {"halted": True}
    assert halted(signer.context.settings.data_dir) is not None
    assert signer.ask(handed(plan(height=9), **BOTH)) == "HALTED"
    assert signer.ask({"request": "resume"}) == "MALFORMED" and signer.ask({"request": "status"})["halted"] is not None


def test_the_status_names_accounts_and_no_secret(signer: Signer) -> None:
    found = signer.ask({"request": "status"})
    assert found["needed"] == 2 and found["open"] == [] and found["halted"] is None
    assert found["accounts"] == [f"{CHAIN}:{plan().owner}"]
    assert "127.0.0.1" not in json.dumps(found) and "keys" not in json.dumps(found)


def test_rows_come_in_pages(signer: Signer) -> None:
    signer.ask(handed(plan(), **BOTH))
    written = signer.journal.head()[0]
    found = signer.ask({"request": "since", "seq": 0})
    assert [row[0] for row in found["rows"]] == list(range(1, written + 1)) and len(found["rows"]) <= MOST_ROWS
    assert found["head"] == found["rows"][-1][::9] and signer.ask({"request": "since", "seq": 10**6})["rows"] == []


def test_what_waits_says_why(signer: Signer) -> None:
    waits, late = plan(), plan(height=9)
    signer.ask(handed(waits, **BOTH))
    signer_work.keep_reason(signer.context, waits.id, "GAIN_GONE: gas is too high")
    rows = signer.journal.head()
    signer_work.keep_reason(signer.context, waits.id, "GAIN_GONE: gas is too high")
    assert signer.journal.head() == rows and signer.ask(handed(waits))["reason"].startswith("GAIN_GONE")
    signer.ask(handed(late, **BOTH))
    assert signer.ask(handed(late))["status"] == "queued"


def test_a_signer_that_was_killed_midway_knows_at_its_next_start_what_became_of_the_plan(signer: Signer) -> None:
    """Before it signed anything: the plan waits again. While a transaction is open: as it was. After some are settled:
    interrupted. Who signed is kept in each case, at the server too."""
    early, midway = plan(), plan(height=8)

    def row(wanted: Plan) -> tuple[str, tuple[str, ...], str]:
        signer_work.close(signer.context)
        document = history(HistoryRequest(plans=True), signer.context)
        assert isinstance(document, PlansDocument)
        return next((one.status, one.signed_by, one.reason) for one in document.plans if one.id == wanted.id)

    signer.ask(handed(early, **BOTH))
    signer.journal.append(PlanMarked(early.id, PlanStatus.APPROVED, "anna, ben"))
    assert row(early) == (
        "queued",
        ("anna", "ben"),
        "the process was ended before it signed a transaction: it waits again",
    )
    assert signed_plans(signer.context) == (early.id,), "and is carried out"

    signer.ask(handed(midway, **BOTH))
    assert row(early)[0] == "expired", "a newer one takes its place"
    tx = replace(signed(), plan_id=midway.id, chain=CHAIN, owner=midway.owner)
    signer.journal.append(PlanMarked(midway.id, PlanStatus.APPROVED, "anna, ben"), tx)
    assert row(midway) == ("approved", ("anna", "ben"), "") and signer.intake.work_waits()
    signer.journal.append(TxSettled(CHAIN, tx.owner, Reverted(tx.hash, midway.block, 5, "no")))
    reason = "the process was ended at leg 1 of 1: 1 transaction is settled, the rest is left"
    assert row(midway) == ("interrupted", ("anna", "ben"), reason) and not signer.intake.work_waits()
    assert signer.ask(handed(midway, **BOTH))["status"] == "interrupted", "and is not begun again"

    late = plan(height=9)
    signer.ask(handed(late, **BOTH))
    signer.journal.append(PlanMarked(late.id, PlanStatus.APPROVED, "anna, ben"))
    mark_interrupted(signer.journal, late.expires_at)
    assert row(late)[:2] == ("expired", ("anna", "ben"))


MALFORMED = [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"request":"sign"}', b'{"request":"status","more":1}',
    b'{"request":"status","request":"halt"}', b'{"request":"since","seq":"1"}', b'{"request":"since","seq":-1}',
    b'{"request":"since","seq":1.0}', b'{"request":"since","seq":NaN}', b'{"request":"halt","reason":"\\ud800"}',
    b'{"request":"since","seq":' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"request":"carry out"}',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_is_one_refusal(signer: Signer, body: bytes) -> None:
    before = signer.journal.head()
    assert signer.ask(body) == "MALFORMED" and signer.journal.head() == before


def places(doc: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    yield at
    if isinstance(doc, dict | list):
        for name, value in doc.items() if isinstance(doc, dict) else enumerate(doc):
            yield from places(value, (*at, name))


def changed(doc: Any, at: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value in one place."""
    if not at:
        return value
    made = dict(doc) if isinstance(doc, dict) else list(doc)
    made[at[0]] = changed(doc[at[0]], at[1:], value)
    return made


GOOD = handed(plan(seconds=3000), anna=ANNA)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(places(GOOD))), ANY)
def test_no_change_of_a_request_with_one_signature_is_taken(signer: Signer, at: tuple[Any, ...], value: Any) -> None:
    found = signer.ask(json.dumps(changed(GOOD, at, value)).encode())
    assert isinstance(found, str) and found not in ("BROKEN", "FAILED"), "a refusal, and no bug"
    assert signed_plans(signer.context) == ()


def test_a_sample_of_what_the_soak_sends_for_an_hour_stages_nothing(signer: Signer) -> None:
    """`scripts/soak signer` does the same with processes of two users."""
    codes = set()
    for body in itertools.islice(requests(random.Random(7)), 250):
        found = signer.ask(body)
        assert found not in ("BROKEN", "FAILED"), body
        codes.add(found if isinstance(found, str) else "answered")
    assert {"APPROVALS_MISSING", "MALFORMED", "EXPIRED", "answered"} <= codes and "HALTED" not in codes
    assert not signer.journal.plans() and not signer.journal.transactions()


def test_signatures_are_over_the_very_bytes(signer: Signer) -> None:
    wanted = plan()
    cut = signature(wanted, BEN)[:-2]
    request = handed(wanted, anna=ANNA)
    for text in (cut, cut + "00", "", "0x", cut + "zz"):
        bad = request["approvals"] + [{"approver": "ben", "signature": text}]
        assert signer.ask(request | {"approvals": bad}) == "APPROVALS_MISSING"
