"""``yieldbot watch`` on the sandbox: real contracts change hands, queue calls and exchange code, and are reported once,
in words, with an alarm that new money and the next cycle heed."""

from __future__ import annotations

import json

import pytest

from tests.kit.evm.home import Home
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def looked(home: Home, *flags: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    (job,) = home.json("watch", *flags, code=code)["jobs"]
    assert job["skipped"] is None
    return job  # type: ignore[no-any-return]


def test_the_first_look_says_who_and_the_second_that_nothing_is_new(home: Home) -> None:
    first = looked(home)
    assert first["first"] and not first["messages"] and first["since"] is None
    print(json.dumps(first, indent=1)[:6000])
    holders = [h for market in first["markets"] for one in market["contracts"] for h in one["holders"]]
    assert any(holder["right"] == "owner" and "one key" in holder["who"] for holder in holders)
    second = looked(home)
    assert not second["first"] and not second["messages"] and second["since"] is not None and second["cut"] is None
