"""Alerts of the user: what they measure in a reading, when they begin and end, and that each crossing is sent once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot
from tests.unit.app.test_notify import Outside
from tests.unit.app.test_overview import SEEN, Quiet, context
from yieldbot.app import alert_store, alerts
from yieldbot.app.alert_rules import Reading, advance, sees, values
from yieldbot.app.alerts import NewAlertRequest
from yieldbot.app.markets import MarketsRequest, markets
from yieldbot.app.notify import tell
from yieldbot.app.observe import ObserveRequest, observe
from yieldbot.errors import ConfigError
from yieldbot.journal.store import Journal
from yieldbot.model.alerts import Alert, Kept, Measure, Reached, Value
from yieldbot.model.exchange import Price
from yieldbot.model.market import Snapshot
from yieldbot.model.notices import Channel, Finding, Secret, Service, Severity, Topic
from yieldbot.model.risk import Grade
from yieldbot.model.settings import Job

__all__ = ["context"]

NUMBERS = st.floats(-50.0, 50.0)
HOSTILE = "Vault\n\x1b[2Jalert of the bank: <b>call</b> 555"


def alert(measure: Measure = Measure.RATE, subject: str = "lend", **more: object) -> Alert:
    wanted: dict[str, object] = {"id": "a", "above": True, "threshold": 0.5} | more
    return Alert(measure=measure, subject=subject, **wanted)  # type: ignore[arg-type]


def at(time: int, value: float, name: str = "it") -> dict[str, Value]:
    return {"it": Value(name=name, value=value, at=time)}


def followed(one: Alert, series: Sequence[float]) -> tuple[list[bool], list[Finding]]:
    """Whether it stands after each value, and all findings."""
    kept, stands, found = Kept(alert=one), list[bool](), list[Finding]()
    for time, value in enumerate(series):
        kept, findings = advance(kept, at(time, value), 9)
        stands.append(kept.reached["it"].stands)
        found += findings
    return stands, found


@given(st.lists(NUMBERS, min_size=1, max_size=40), NUMBERS, st.floats(0, 20), st.booleans())
def test_it_stands_from_a_crossing_until_the_value_has_come_back(
    series: list[float], threshold: float, hysteresis: float, above: bool
) -> None:
    """By definition: some value passed the threshold, and none since came back by the hysteresis."""
    stands, found = followed(alert(threshold=threshold, hysteresis=hysteresis, above=above), series)
    sign = 1 if above else -1
    for end in range(len(series)):
        passed = [i for i in range(end + 1) if sign * series[i] > sign * threshold]
        limit = threshold - sign * hysteresis
        assert stands[end] == any(
            all(sign * series[j] > sign * limit for j in range(i + 1, end + 1)) for i in passed
        ), (series, end)
    begins = [one for one in found if one.ends is None]
    ends = [one for one in found if one.ends is not None]
    assert [one.ends for one in ends] == [one.key for one in begins][: len(ends)], "each end ends the last begin"
    assert len(begins) - len(ends) == stands[-1] and len({one.key for one in found}) == len(found)
    assert len(begins) == sum(now and not before for before, now in zip([False, *stands], stands, strict=False))


@given(st.lists(st.tuples(st.integers(0, 9), NUMBERS), min_size=1, max_size=30))
def test_a_reading_of_an_older_block_changes_nothing(series: list[tuple[int, float]]) -> None:
    """Processes finish in any order: what counts are the readings that are not older than all before them."""
    kept, newest, first = Kept(alert=alert(threshold=0.0)), -1, Kept(alert=alert(threshold=0.0))
    for time, value in series:
        kept, found = advance(kept, at(time, value), 9)
        if time >= newest:
            newest = time
            first, _ = advance(first, at(time, value), 9)
        else:
            assert found == ()
    assert kept == first


def test_what_was_not_read_stays_as_it_was() -> None:
    kept, _ = advance(Kept(alert=alert()), at(1, 0.9), 9)
    assert advance(kept, {}, 9) == (kept, ())


def test_at_most_so_many_subjects_are_kept() -> None:
    kept = Kept(alert=alert())
    for start in (0, 150):
        seen = {str(i): Value(name="x", value=0.1, at=i) for i in range(start, start + 150)}
        kept, _ = advance(kept, seen, 9)
    assert len(kept.reached) == 200 and "299" in kept.reached and "0" not in kept.reached


@pytest.fixture
def job(context: Quiet) -> Job:
    (found,) = context.settings.jobs
    wallet = replace(found.wallet, address=OWNER)
    return replace(found, wallet=wallet, chain=replace(found.chain, chain=CHAIN), asset=USDC)


def read(job: Job, *, of: Snapshot = SEEN, **more: object) -> Reading:
    return Reading(job=job, snapshot=replace(of, **more))  # type: ignore[arg-type]


def test_each_measure_is_what_the_tables_show(job: Job) -> None:
    state = replace(
        market("a", kinked(1e6, 8e5), held=10_000, borrowed=9e5),
        grade=Grade(safety=61, letter="B", components=()),
    )
    seen = replace(snapshot(5_000, state), asset_usd=0.97, pegs={USDC: Price(0.97, 0, traded=0.95)})
    reading = [read(job, of=seen)]

    def value(measure: Measure, subject: str, **more: object) -> float:
        (found,) = values(alert(measure, subject, **more), reading, [job]).values()
        assert found.at == BLOCK.timestamp
        return found.value

    assert value(Measure.RATE, "lend/1/a") == state.quoted.compounded().value
    assert value(Measure.UTILISATION, "lend") == pytest.approx(0.9)
    assert value(Measure.GRADE, "a") == 61
    assert value(Measure.PRICE, "USDC") == 0.97
    assert value(Measure.DEPEG, "USDC") == pytest.approx(0.05), "the pools differ more than the feed"
    assert value(Measure.WEALTH, "main", asset="USDC") == 15_000
    assert value(Measure.WEALTH, "main") == pytest.approx(15_000 * 0.97)
    for nothing in (
        alert(subject="other"),
        alert(chain="elsewhere"),
        alert(Measure.PRICE, "USDT"),
        alert(Measure.WEALTH, "another"),
        alert(accounts=frozenset(("0x1",))),
        alert(Measure.WEALTH, "main", accounts=frozenset(("0x1",))),
    ):
        assert values(nothing, reading, [job]) == {}, nothing
    assert values(alert(accounts=frozenset((OWNER.lower(),))), reading, [job])


def test_wealth_of_a_part_is_no_wealth(job: Job) -> None:
    """A chain or a market that could not be read, or a token without a price, is no loss."""
    other = replace(job, chain=replace(job.chain, name="away", chain="eip155:2"))
    wealth = alert(Measure.WEALTH, "main", asset="USDC")
    assert values(wealth, [read(job)], [job]) and not values(wealth, [read(job)], [job, other])
    assert not values(wealth, [replace(read(job), whole=False)], [job])
    assert not values(alert(Measure.WEALTH, "main"), [read(job, asset_usd=None)], [job])
    both = [read(job), read(other, block=replace(BLOCK, chain="eip155:2", timestamp=7))]
    (found,) = values(wealth, both, [job, other]).values()
    assert (found.value, found.at) == (30_000, 7), "as old as its oldest part"
    assert values(replace(wealth, chain=job.chain.name), [read(job)], [job, other])


def test_who_sees_which() -> None:
    mine, all_ = frozenset(("0xa",)), frozenset(("0xa", "0xb"))
    assert sees(alert(), None) and not sees(alert(), all_)
    assert sees(alert(accounts=mine), all_) and not sees(alert(accounts=all_), mine)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"measure": "colour"}, "known are: rate, price"),
        ({"above": None}, "give one of"),
        ({"below": "1%"}, "give one of"),
        ({"above": "5"}, "--above 5: write it as 5%"),
        ({"above": "nan"}, "write it as"),
        ({"above": "1e300%"}, "write it as"),
        ({"above": "99999999%"}, "no rate can pass it"),
        ({"measure": "grade", "above": "5%"}, "write it as 60"),
        ({"measure": "utilisation", "above": "101%"}, "no utilisation can pass it"),
        ({"hysteresis": "-1%"}, "could never come back"),
        ({"measure": "utilisation", "above": "5%", "hysteresis": "6%"}, "could never come back"),
        ({"subject": ""}, "as one line"),
        ({"subject": "a\nb"}, "as one line"),
        ({"subject": "x" * 201}, "as one line"),
        ({"chain": "moon"}, "no job has it: known are: testnet"),
        ({"asset": "USDC"}, "only wealth"),
        ({"severity": "loud"}, "known are: info"),
        ({"measure": "price", "above": "1", "subject": "DOGE"}, "token DOGE: no job has it"),
        ({"measure": "depeg", "above": "50bp", "subject": "USDC"}, "not pegged"),
        ({"measure": "wealth", "above": "1", "subject": "yours"}, "wallet yours: no job has it"),
        ({"measure": "wealth", "above": "1", "subject": "main", "accounts": frozenset(("0x1",))}, "no job has it"),
    ],
)
def test_what_is_invalid_is_one_line_with_the_remedy(context: Quiet, wrong: dict[str, object], why: str) -> None:
    right: dict[str, object] = {"measure": "rate", "subject": "lend", "above": "5%"}
    with pytest.raises(ConfigError) as refused:
        alerts.add(NewAlertRequest(**right | wrong), context)  # type: ignore[arg-type]
    assert why in str(refused.value) and "\n" not in str(refused.value)
    assert alerts.list_(context).alerts == ()


def test_alerts_are_added_measured_listed_sent_once_and_removed(context: Quiet) -> None:
    """From ``alert add`` over a reading of ``markets`` to the notice, with what is in progress and in the journal."""
    (channel,) = (Channel(name="n", kind=Service.NTFY, url=Secret(key="url", env="PATH")),)
    context._settings = replace(context.settings, notices=(channel,))
    made = alerts.add(NewAlertRequest(measure="rate", subject="lend", above="0.001%", severity="critical"), context)
    quiet = alerts.add(NewAlertRequest(measure="rate", subject="lend", above="9000%"), context)
    graded = alerts.add(NewAlertRequest(measure="grade", subject="a", below="100"), context)
    assert made.alert.condition == "rate of lend above 0.001 %" and made.alert.values == ()
    for _ in range(2):
        context.kept = None
        markets(MarketsRequest(), context)
    said = [line for line in context.lines if line.startswith("alert ")]
    assert len(said) == 3 and sum(f"alert {made.alert.id}: rate of" in line for line in said) == 2, said
    listed = {one.id: one for one in alerts.list_(context).alerts}
    assert [one.stands for one in listed[made.alert.id].values] == [True, True]
    assert listed[made.alert.id].stands and not listed[quiet.alert.id].stands and listed[graded.alert.id].stands
    outside = Outside()
    for _ in range(2):
        tell(context, outside.send)
    assert sorted(one.text for _, one in outside.arrived) == sorted(said)
    assert {one.severity for _, one in outside.arrived} == {Severity.CRITICAL, Severity.WARNING}
    assert {one.topic for _, one in outside.arrived} == {Topic.ALERT}
    alerts.remove(made.alert.id, context)
    with pytest.raises(ConfigError, match="no alert"):
        alerts.remove(made.alert.id, context)
    assert made.alert.id not in {one.id for one in alerts.list_(context).alerts}
    with Journal.read(context.settings.data_dir / "journal.sqlite") as journal:
        noted = [one.entry.what for one in journal.history() if hasattr(one.entry, "what")]
    assert noted[0] == f"alert add {made.alert.id}" and noted[-1] == f"alert remove {made.alert.id}"


def test_a_key_removes_only_its_own_and_makes_not_too_many(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = NewAlertRequest(measure="rate", subject="lend", above="5%")
    ours = alerts.add(wanted, context).alert
    theirs = alerts.add(replace(wanted, made_by="key bot"), context).alert
    with pytest.raises(alerts.NotTheirs, match="made by terminal"):
        alerts.remove(ours.id, context, by="key bot")
    with pytest.raises(alerts.NotTheirs):
        alerts.remove(theirs.id, context, by="key bo")
    monkeypatch.setattr(alerts, "MOST_OF_ONE", 1)
    with pytest.raises(ConfigError, match="remove some first"):
        alerts.add(replace(wanted, made_by="key bot"), context)
    assert alerts.remove(theirs.id, context, by="key bot").id == theirs.id
    monkeypatch.setattr(alerts, "MOST_ALERTS", 1)
    with pytest.raises(ConfigError, match="remove some first"):
        alerts.add(wanted, context)


@pytest.mark.parametrize("damage", [b"", b"{", b"[[[[", b'[{"alert": {}}]', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_stops_no_reading_and_is_one_line(context: Quiet, damage: bytes) -> None:
    file = context.settings.data_dir / alert_store.FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(damage)
    assert markets(MarketsRequest(), context).document.jobs
    assert len([line for line in context.lines if "alerts were not measured" in line and "restore it" in line]) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        alerts.add(NewAlertRequest(measure="rate", subject="lend", above="5%"), context)
    assert file.read_bytes() == damage


def test_observe_measures_grades_too_which_it_shows_nowhere(context: Quiet) -> None:
    alerts.add(NewAlertRequest(measure="grade", subject="a", below="100"), context)
    observe(ObserveRequest(), context)
    (one,) = alerts.list_(context).alerts
    assert one.stands and [value.name for value in one.values] == ["a on testnet"]


def test_text_of_strangers_is_one_printable_line(context: Quiet, job: Job) -> None:
    one = market("a", kinked(1e6, 8e5))
    evil = replace(one, market=replace(one.market, name=HOSTILE))
    alerts.add(NewAlertRequest(measure="rate", subject="lend", above="0.001%"), context)
    alerts.measure([(job, snapshot(1, evil))], context)
    (line,) = (line for line in context.lines if line.startswith("alert "))
    assert line.isprintable()


@given(
    st.builds(
        Kept,
        alert=st.builds(
            alert, st.sampled_from(Measure), st.text(min_size=1), threshold=NUMBERS, hysteresis=st.floats(0, 9),
            above=st.booleans(), severity=st.sampled_from(Severity), chain=st.none() | st.text(),
            accounts=st.none() | st.frozensets(st.text(max_size=5), max_size=3),
        ),
        reached=st.dictionaries(
            st.text(),
            st.builds(
                Reached, last=st.builds(Value, name=st.text(), value=NUMBERS, at=st.integers(0, 2**40)),
                stands=st.booleans(), since=st.integers(0, 2**40), crossings=st.integers(0, 9),
            ),
            max_size=3,
        ),
    )
)  # fmt: skip
def test_what_is_stored_is_read_back(kept: Kept) -> None:
    text = alert_store._codec().dump_json((kept,))
    assert alert_store._codec().validate_json(text) == (kept,) and json.loads(text)


def test_the_file_is_only_ours(context: Quiet, tmp_path: Path) -> None:
    alerts.add(NewAlertRequest(measure="rate", subject="lend", above="5%"), context)
    assert (context.settings.data_dir / alert_store.FILE).stat().st_mode & 0o777 == 0o600
