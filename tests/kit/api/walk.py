"""Runs every example of docs/api-examples.md against one server on the sandbox, after preparing the data that the
examples refer to."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any
from urllib.request import Request, urlopen

from eth_account import Account

from tests.docs.examples import Example, examples
from tests.kit.api.examples import Python, curl, named, typescript, wrong
from tests.kit.signer import signature
from yieldbot.access.caller import Scope
from yieldbot.access.ring import KeyRing
from yieldbot.app import approvers
from yieldbot.app.context import Context
from yieldbot.app.wiring import JOURNAL
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Plan, identified
from yieldbot.sandbox.evm.node import Sandbox

ANNA = Account.from_key(b"\x07" * 32)
DAY, DAYS = 86_400, 10


def remembered(sandbox: Sandbox) -> str:
    """Stores some days of readings of one of the sandbox's markets, so that it can be forecast; returns the market's
    key."""
    usdc, pool = sandbox.addresses["usdc"], sandbox.addresses["aave_pool"]
    market = f"aave_v3/31337/{pool}/{usdc}".lower()
    key = MarketKey(chain="eip155:31337", market=market, protocol="aave_v3", asset="USDC", asset_address=usdc)
    now = int(time.time())
    rows = [Reading(key=key, time=now - day * DAY, supply_rate=0.04, utilisation=0.5) for day in range(DAYS, 0, -1)]
    assert Store(sandbox.directory / "history").append(rows).rows == DAYS
    return market.replace("/", "~")


class Walk:
    """The examples, and their results so far."""

    def __init__(self, sandbox: Sandbox, url: str, market: str) -> None:
        self.journal = sandbox.directory / JOURNAL
        self.keys = KeyRing.of(sandbox.directory)
        text, _ = self.keys.new("examples", frozenset(Scope), int(time.time()))
        approvers.add(approvers.person("anna", wallet=str(ANNA.address)), Context(sandbox.config))
        self.values = {"API": url, "KEY": text, "MARKET": market, "PLAN": "", "RUN": "", "ALERT": "", "SIGNATURE": ""}
        self.left = list(examples())
        self.faults: list[str] = []

    def first(self, call: str) -> str:
        """Run the Python example of a call before its turn; returns the first word that it printed."""
        example = next(one for one in self.left if (one.call, one.language, one.place) == (call, "python", 0))
        shown = self.python(example)
        assert self.faults == []
        return shown.split()[0].strip("[]',")

    def python(self, example: Example) -> str:
        """Run an example in Python; returns what it printed."""
        got, shown = Python(self.values).run(example)
        self.faults += wrong(example, got)
        self.left.remove(example)
        return shown

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request that is part of no example; returns the decoded answer."""
        named = {"Authorization": f"Bearer {self.values['KEY']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = Request(self.values["API"] + path, data, named | headers, method=method)
        with urlopen(asked, timeout=120) as answer:
            return json.loads(answer.read())

    def begin(self) -> Plan:
        """Make a run, which ends at once because a halt is in force, and a plan that waits for approval; returns that
        plan."""
        self.first("PUT /v1/halt")
        self.values["RUN"] = self.first("POST /v1/runs")
        until = time.monotonic() + 120
        while self.ask("GET", f"/runs/{self.values['RUN']}")["state"] == "running":
            assert time.monotonic() < until
            time.sleep(0.1)
        self.first("DELETE /v1/halt")
        with Journal.read(self.journal) as journal:
            before = {one.plan.id for one in journal.plans()}
        made = self.first("POST /v1/plans")
        with Journal.read(self.journal) as journal:
            found = journal.plan(made)
        assert found is not None and made not in before
        return found.plan

    def for_language(self, plan: Plan, number: int) -> None:
        """Make an alert and a copy of the waiting plan for the examples of one language."""
        copy = identified(replace(plan, expires_at=plan.expires_at + number))
        with Journal.open(self.journal) as journal:
            journal.append(PlanWritten(copy, ("a copy",)), PlanMarked(copy.id, PlanStatus.QUEUED, "queue"))
        alert = {"measure": "wealth", "subject": "main", "below": "1"}
        made = self.ask("POST", "/alerts", alert, **{"Idempotency-Key": f"alert-{number:03}"})
        self.values |= {"PLAN": copy.id, "SIGNATURE": signature(copy, ANNA), "ALERT": made["alert"]["id"]}
        self.values["PREFIX"] = self.keys.new(f"lost-{number}", frozenset((Scope.READ,)), int(time.time()))[1].prefix

    def of(self, language: str) -> list[Example]:
        """The examples in this language that have not run yet."""
        return [one for one in self.left if one.language == language]


def every_example(sandbox: Sandbox, url: str, market: str, folder: Path) -> Any:
    """Runs every example in every language, and asserts that each made one request, to its own call, with the status
    that the page names. Returns the answer to the request for plans, which is the same in every language."""
    walk = Walk(sandbox, url, market)
    plan = walk.begin()
    walk.for_language(plan, 1)
    for example in walk.of("python"):
        walk.python(example)
    walk.for_language(plan, 2)
    for example, got in typescript(walk.of("ts"), walk.values, folder).items():
        walk.faults += wrong(example, got)
        walk.left.remove(example)
    if which("curl"):
        walk.for_language(plan, 3)
        for example, got in curl(walk.of("sh"), walk.values, folder):
            walk.faults += wrong(example, got)
            walk.left.remove(example)
    else:
        warnings.warn("curl is not installed: its examples in docs/api-examples.md were not run", stacklevel=2)
    assert walk.faults == []
    assert walk.left == [] or not which("curl")
    for row in walk.ask("GET", "/alerts?made_by=key%20examples")["items"]:
        walk.ask("DELETE", f"/alerts/{row['id']}")
    body = {"jobs": {"wallet": None, "chain": None, "asset": "USDC"}}
    (asked,) = (one for one in examples() if (one.language, one.call, one.place) == ("python", "POST /v1/plans", 0))
    made = walk.ask("POST", "/plans", body, **{"Idempotency-Key": named(asked)})
    assert [job["plan"]["id"] for job in made["jobs"]] == [plan.id]
    return made
