"""One look raises an alarm, several lift it, and a restart forgets nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from yieldbot.journal.entry_codec import RowKeys, decode, encode
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import ChainId, MarketId
from yieldbot.model.risk import Act
from yieldbot.risk.latches import Key, Latch, alarms, journalled, news, not_written_meanwhile, turned
from yieldbot.risk.sight import MarketName
from yieldbot.risk.triggers import Found

HOUR, START = 3600, 1_700_000_000
LIMITS = AlarmLimits()
SIGN = Found(code="UTILISATION", act=Act.LEAVE, saw="utilisation 96 %")
NAME = ("eip155:1", "aave_v3/1/usdc")


def after(looks: list[tuple[float, bool]], limits: AlarmLimits = LIMITS) -> dict[Key, Latch]:
    """What stands after looks at these hours, each with or without the sign."""
    stands: dict[Key, Latch] = {}
    for hour, shown in looks:
        stands = turned(stands, [SIGN] if shown else [], START + round(hour * HOUR), limits)
    return stands


def test_one_look_raises_and_several_over_the_cooldown_lift() -> None:
    assert after([(0, True)]) and not after([(0, False)])
    assert after([(0, True), (1, False), (2, False), (23.9, False)]), "the cooldown is not over"
    assert after([(0, True), (24, False), (25, False)]), "two looks are not enough"
    assert not after([(0, True), (1, False), (2, False), (24, False)])
    assert after([(0, True), (23, False), (23.5, True), (40, False), (41, False), (42, False)]), "it was seen again"
    assert not after([(0, True), (1, False)], replace(LIMITS, cooldown_hours=0.0, clear_readings=1))


def test_a_veto_goes_with_its_sign() -> None:
    for code in ("SPIKE", "MISSING"):
        stands = turned({}, [replace(SIGN, code=code, act=Act.STOP)], START, LIMITS)
        assert stands and not turned(stands, [], START + 300, LIMITS)


def test_a_locked_collateral_stands_for_two_days() -> None:
    sign = replace(SIGN, code="COLLATERAL_LOCKED")
    stands = turned({}, [sign], START, LIMITS)
    for hour in (1, 2, 3, 47):
        stands = turned(stands, [], START + hour * HOUR, LIMITS)
        assert stands
    assert not turned(stands, [], START + 48 * HOUR, LIMITS)


def test_memory_does_not_lift_what_only_the_chain_shows() -> None:
    stands = turned({}, [replace(SIGN, code="BLACKLIST")], START, LIMITS)
    for hour in (1, 2, 30):
        stands = turned(stands, [], START + hour * HOUR, LIMITS, remembered=True)
    assert stands and not turned(stands, [], START + 31 * HOUR, LIMITS)


def test_what_is_shown_is_the_stronger_of_one_sign_and_how_long_ago() -> None:
    stop = replace(SIGN, code="PEG", act=Act.STOP, saw="0.6 % off")
    stands = turned({}, [stop, replace(stop, act=Act.LEAVE, saw="1.2 % off"), SIGN], START, LIMITS)
    shown = alarms(stands, START + 2 * HOUR)
    assert [(one.code, one.act) for one in shown] == [("PEG", Act.LEAVE), ("UTILISATION", Act.LEAVE)]
    assert shown[0].saw == "1.2 % off (last seen 2.0 h ago)" and shown[0].since == START


def test_entries_are_written_and_read_again() -> None:
    raised = AlarmRaised(
        chain=ChainId("eip155:1"), market_id=MarketId("a/1/b"), code="PEG", act=Act.STOP, saw="x", since=1, time=2
    )
    lifted = AlarmLifted(chain=ChainId("eip155:1"), market_id=MarketId("a/1/b"), code="PEG", act=Act.STOP, time=3)
    for one in (raised, lifted):
        keys, document = encode(one)
        assert decode(keys, document) == one and isinstance(keys, RowKeys) and not keys.owner


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0.1, 30.0), st.booleans(), st.booleans()), max_size=30))
def test_a_restart_changes_nothing_that_counts(steps: list[tuple[float, bool, bool]]) -> None:
    """Between any two looks the process ends; the next one knows the journal alone. What stands with it is never lifted
    sooner than the rule says, and later by the refresh of an hour at most (looks counted anew)."""
    records: list[Record] = []
    last_shown, now = None, START
    quick = replace(LIMITS, clear_readings=1)
    for hours, shown, _ in steps:
        now += round(hours * HOUR)
        before = journalled(records).get(NAME, {})
        stands = turned(before, [SIGN] if shown else [], now, quick)
        for entry in news({NAME: before}, {NAME: stands}, now):
            keys, document = encode(entry)
            records.append(Record(len(records) + 1, now, decode(keys, document)))
        last_shown = now if shown else last_shown
        assert set(journalled(records).get(NAME, {})) == set(stands)
        if last_shown is not None and now - last_shown < (LIMITS.cooldown_hours - 1) * HOUR:
            assert stands, "it must stand"
        if last_shown is None or now - last_shown >= LIMITS.cooldown_hours * HOUR:
            assert not stands, "nothing keeps it"


def test_the_journal_is_not_flooded() -> None:
    """An alarm that stands for a day of looks each five minutes is a row an hour."""
    records: list[Record] = []
    for minute in range(0, 24 * 60, 5):
        now, before = START + minute * 60, journalled(records).get(NAME, {})
        stands = turned(before, [SIGN], now, LIMITS)
        records += [Record(len(records) + 1, now, one) for one in news({NAME: before}, {NAME: stands}, now)]
    assert len(records) == 24


def test_what_another_account_wrote_meanwhile_is_not_written_again() -> None:
    def written(*entries: AlarmRaised | AlarmLifted) -> dict[MarketName, dict[Key, Latch]]:
        return journalled([Record(number, START, one) for number, one in enumerate(entries, 1)], "0xB")

    def see(now: int, *found: Found) -> dict[MarketName, dict[Key, Latch]]:
        return {NAME: turned(journal.get(NAME, {}), found, now, LIMITS)}

    journal = written()
    (first,) = news(journal, see(START, SIGN), START)
    (mine,) = news(journal, see(START + 2, SIGN), START + 2)
    assert not_written_meanwhile([mine], journal, written(first)) == [], "a second later it is the same alarm"
    assert not_written_meanwhile([mine], journal, journal) == [mine]
    journal = written(first)
    (again,) = news(journal, see(START + 2 * HOUR, SIGN), START + 2 * HOUR)
    assert isinstance(again, AlarmRaised) and not_written_meanwhile([again], journal, journal) == [again]
    assert not_written_meanwhile([again], journal, written(first, replace(again, time=again.time + 1))) == []
    (lifted,) = news(journal, {NAME: {}}, START + 30 * HOUR)
    assert not_written_meanwhile([lifted], journal, journal) == [lifted]
    assert not_written_meanwhile([lifted], journal, written(first, lifted)) == []


def test_an_alarm_about_a_holding_is_of_its_account_and_stands_for_no_other() -> None:
    sign = replace(SIGN, code="CASH_THIN", saw="cash 5 is below 2 times our 900")
    first = news({}, {NAME: turned({}, [sign, SIGN], START, LIMITS)}, START, "0xA")
    assert {one.code: one.owner for one in first} == {"CASH_THIN": "0xA", "UTILISATION": ""}
    records = [Record(number, START, one) for number, one in enumerate(first, 1)]
    mine, others = (journalled(records, owner)[NAME] for owner in ("0xA", "0xB"))
    assert [one.saw for one in alarms(mine, START)] == [sign.saw, SIGN.saw]
    assert [one.saw for one in alarms(others, START)] == [SIGN.saw], "whose holding is small does not leave"
    assert journalled(records)[NAME].keys() == mine.keys(), "who asks for no account sees all"

    both = turned(others, [SIGN, replace(sign, saw="cash 5 is below 2 times our 4")], START + HOUR, LIMITS)
    again = news({NAME: others}, {NAME: both}, START + HOUR, "0xB")
    assert ("CASH_THIN", "0xB") in [(one.code, one.owner) for one in again]
    records += [Record(9, START + HOUR, one) for one in again]
    lifted = news({NAME: journalled(records, "0xB")[NAME]}, {NAME: {}}, START + 30 * HOUR, "0xB")
    assert {one.code: one.owner for one in lifted} == {"CASH_THIN": "0xB", "UTILISATION": ""}
    records += [Record(19, START + 30 * HOUR, one) for one in lifted]
    assert [code for code, _ in journalled(records, "0xA")[NAME]] == ["CASH_THIN"], "another's look lifts it not"
    assert journalled(records, "0xB") == {}
    assert all(decode(*encode(one)) == one for one in (*first, *again, *lifted))
