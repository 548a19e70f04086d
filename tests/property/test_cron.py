"""Times of a clock against a second implementation (cronsim), which serves tests alone."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldbot.model.cron import MONTHS, WEEKDAYS, Cron

NOON = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


def field(least: int, most: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """A field as people write them. A range of one number with a step is left out: cronsim lets it go on to the end,
    and crontab does not."""
    number = st.integers(least, most)
    pairs = st.tuples(number, number).map(sorted)
    step = st.integers(1, most)
    part = st.one_of(
        st.just("*"),
        number.map(str),
        pairs.map(lambda two: f"{two[0]}-{two[1]}"),
        step.map(lambda by: f"*/{by}"),
        st.tuples(pairs.filter(lambda two: two[0] < two[1]), step).map(
            lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"
        ),
        st.tuples(number, step).map(lambda both: f"{both[0]}/{both[1]}"),
        st.sampled_from(names) if names else number.map(str),
    )
    return st.lists(part, min_size=1, max_size=2).map(",".join)


EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 7, WEEKDAYS)).map(
    " ".join
)
MOMENTS = st.integers(
    int(datetime(2001, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2080, 1, 1, tzinfo=UTC).timestamp())
)


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_its_times_are_those_of_another_implementation(text: str, moment: int) -> None:
    try:
        other = CronSim(text, datetime.fromtimestamp(moment, UTC))
    except CronSimError:
        with pytest.raises(ValueError):
            Cron.parse(text)
        return
    cron, at = Cron.parse(text), float(moment)
    for _ in range(4):
        at = cron.after(at)
        assert at == next(other).timestamp(), text


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789*/-,@ abcdefjmnorstuLW#?\t\n²", max_size=30))
def test_what_is_no_expression_is_refused_in_one_line(text: str) -> None:
    try:
        found = Cron.parse(text).after(NOON.timestamp())
    except ValueError as wrong:
        assert str(wrong).isprintable()
    else:
        assert found > NOON.timestamp() and found % 60 == 0


def test_a_day_of_either_kind_counts_as_in_crontab() -> None:
    cron, days, at = Cron.parse("0 0 13 * fri"), set[tuple[bool, bool]](), NOON.timestamp()
    for _ in range(60):
        at = cron.after(at)
        day = datetime.fromtimestamp(at, UTC)
        days.add((day.day == 13, day.weekday() == calendar.FRIDAY))
    assert days == {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("60 * * * *", "60 is no minute: write 0 to 59"),
        ("0 0 31 4 *", "no day of the calendar"),
        ("0 0 30 2 *", "no day of the calendar"),
        ("5-1 * * * *", "5-1: the minutes run backwards"),
        ("*/0 * * * *", "0 is no step of minutes"),
        ("*/999 * * * *", "999 is no step of minutes: write 1 to 59"),
        ("0 */24 * * *", "24 is no step of hours: write 1 to 23"),
        ("0 0 * * mo", "mo is no weekday"),
        (", * * * *", "nothing is no minute"),
        ("0 0 * * " + "1," * 200, "too long"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Cron.parse(text)


def test_a_day_that_comes_every_forty_years_is_found() -> None:
    """29 February on a Monday (both kinds of days must fit where one begins with a star)."""
    found = datetime.fromtimestamp(Cron.parse("0 0 */28 2 1").after(datetime(2089, 1, 1, tzinfo=UTC).timestamp()), UTC)
    assert (found.month, found.weekday()) == (2, 0) and found.day in (1, 29)
    assert Cron.parse("@yearly").after(NOON.timestamp()) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
