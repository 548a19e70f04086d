"""The first hundred of the fault schedules; the second is in a file of its own, since files run beside each other."""

from __future__ import annotations

from schedules import run

FIRST, COUNT = 1, 100


def test_what_must_hold_holds_after_every_schedule() -> None:
    tally = run(FIRST, COUNT)
    assert tally.ended["killed"] > 0 and tally.ended["exit 0"] > 0
    print(f"{COUNT} schedules: {dict(tally.ended)}, faults {dict(tally.done)}")
