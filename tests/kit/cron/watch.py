"""What must hold after each pass: of the journal's new rows, what was printed, and what waits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.kit.cron.happenings import Between
from tests.kit.cron.place import TTL_SECONDS, Ended
from tests.kit.cron.rows import DAY_SECONDS, Repeats, Row, twice

LINE = re.compile(r"(w\d+): USDC on (\w+): (.*)")
SKIPPED = re.compile(r"(w\d+: USDC|\d+ jobs \([^)]*\)) on (\w+) skipped: (.*)")
"""One line for all jobs of a chain."""
PLAN = re.compile(r"plan ([0-9a-f]{16}) waits")
FLAP_SECONDS = 6 * 3600


@dataclass(slots=True)
class Waiting:
    """One plan, from its first row."""

    body: dict[str, Any]
    account: tuple[str, str]
    made: int
    """Number of the pass that wrote it."""
    status: str = "proposed"
    reason: str = ""
    printed: list[int] = field(default_factory=list)
    """When a pass printed that it waits: unix seconds."""
    kept: list[int] = field(default_factory=list)
    """When a pass ended that found it or made it: unix seconds."""
    not_before: int = 0
    until_gain: float = 0.0
    rejected_at: int = 0

    @property
    def steps(self) -> frozenset[tuple[str, str]]:
        return frozenset((leg["kind"], leg["market_id"]) for leg in self.body["legs"])

    @property
    def half(self) -> int:
        return int(self.body["expires_at"]) - TTL_SECONDS // 2


class Watch:
    """Everything that was seen so far, and the faults that were found."""

    def __init__(self, chains: dict[str, str]) -> None:
        """chains: each chain's id by its name."""
        self.chains = chains
        self.plans: dict[str, Waiting] = {}
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.moved: dict[str, int] = {}
        """The last pass before which a chain was moved, by the chain's id."""
        self._repeats = Repeats()
        self._refusals: dict[tuple[str, str], tuple[int, str]] = {}
        """The day and the reason for which a job's last pass was skipped or its plan refused."""
        self._lines: dict[tuple[str, str], str] = {}
        """The line that the last pass printed of a job."""
        self._alarms: dict[tuple[str, ...], list[tuple[str, int, int]]] = {}
        self._pass = 0

    def waiting(self, now: float) -> list[str]:
        """Ids of plans that a person can decide about, the oldest first."""
        return [name for name, one in self.plans.items() if one.status == "queued" and one.body["expires_at"] > now]

    def decided(self, rows: Sequence[Row], between: Between) -> None:
        """Rows of what happened between the passes, by persons' commands."""
        self._fold(rows)
        for fault in self._repeats.among(rows):
            self._fault(fault)
        for ended in between.decided:
            self.counts[f"{ended.words[0]} {' '.join(ended.words[2:3])}: {ended.code}"] += 1
            for line in (*ended.out, *ended.err):
                if "this is a bug" in line or "Traceback" in line:
                    self._fault(f"{' '.join(ended.words)}: {line}")

    def seen(self, number: int, now: int, ended: Ended, rows: Sequence[Row], between: Between) -> None:
        """One pass."""
        self._pass = number
        for name in between.moved | between.failing.keys():
            self.moved[self.chains[name]] = number
        self.codes[ended.code] += 1
        self.counts["rows"] += len(rows)
        before = {name: one.status for name, one in self.plans.items()}
        for fault in (*self._repeats.among(rows), *twice(rows)):
            self._fault(fault)
        self._fold(rows)
        new = [name for name, one in self.plans.items() if one.made == number and one.status == "queued"]
        self._replaced(before, new, now)
        self._printed(now, ended, new, between)
        self._not_again(new, now)
        self._ended(now)
        self._flapping(rows)

    def _fault(self, words: str) -> None:
        self.faults.append(f"pass {self._pass}: {words}")

    def _fold(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.counts[row.kind] += 1
            if row.kind == "plan.written":
                self.plans[row.plan_id] = Waiting(row.body["plan"], row.account, self._pass)
            elif row.kind == "plan.marked":
                one = self.plans[row.plan_id]
                one.status, one.reason = row.body["status"], row.body["reason"]
                self.counts[f"plan {one.status}{' by a newer one' if 'superseded' in one.reason else ''}"] += 1
                one.not_before, one.until_gain = row.body.get("not_before", 0), float(row.body.get("until_gain", 0))
                one.rejected_at = row.at

    def _replaced(self, before: dict[str, str], new: Sequence[str], now: int) -> None:
        """A plan that waited and waits no more names its successor, and was not replaced by one that says the same."""
        for name, status in before.items():
            old = self.plans[name]
            if status != "queued":
                continue
            if old.status == "queued":
                later = [one for one in new if self.plans[one].account == old.account]
                if later:
                    self._fault(f"plan {name} still waits beside its successor {later[0]}")
                continue
            successor = old.reason.removeprefix("superseded by ")
            if old.status != "expired" or successor not in new or self.plans[successor].account != old.account:
                self._fault(f"plan {name} became {old.status} ({old.reason}) in a pass")
                continue
            left = old.body["expires_at"] - now
            if left < 0.25 * TTL_SECONDS or old.body["why"] or self.plans[successor].body["why"]:
                self.counts["replaced for its age"] += 1
            elif _alike(old.body, self.plans[successor].body):
                calm = self.moved.get(old.account[0], -1) < old.made
                what = "nothing was moved" if calm else "the chain was moved"
                self.counts[f"replaced by one that says the same, {what}"] += 1
                if calm:
                    self._fault(f"plan {name} was replaced by {successor}, which says the same")
            else:
                self.counts["replaced by another"] += 1

    def _printed(self, now: int, ended: Ended, new: Sequence[str], between: Between) -> None:
        """Each line has an event, and each event a line: a plan that is new, or half of whose time has passed; what
        failed."""
        if ended.document is None:
            if not between.beside:
                self._fault(f"no document: exit {ended.code}: {ended.err}")
            self.counts[f"no document: {ended.code}"] += 1
            return
        lines = {}
        for line in ended.out:
            found = LINE.fullmatch(line)
            if (skipped := SKIPPED.fullmatch(line)) is not None:
                lines.update({(wallet, skipped[2]): skipped[3] for wallet in re.findall(r"(w\d+): USDC", skipped[1])})
            elif found is None:
                self._fault(f"printed: {line}")
            elif (found[1], found[2]) in lines:
                self._fault(f"two lines of a job: {line}")
            else:
                lines[found[1], found[2]] = found[3]
        for line in ended.err:
            self.counts[f"stderr: {re.sub('[0-9a-f.]{3,}', 'N', line)[:80]}"] += 1
            if "bug" in line or "Traceback" in line or not between.failing:
                self._fault(f"stderr: {line}")
        for job in ended.document.jobs:
            if not hasattr(job, "plan"):
                if not between.failing:
                    self._fault(f"failed: {job.error.message}")
                continue
            key = job.wallet, job.chain
            line = lines.pop(key, None)
            wanted = self._event(job, now, new)
            if line is None:
                self._lines.pop(key, None)
            if wanted is None and line is not None:
                self._fault(f"a line without an event: {key}: {line}")
            elif wanted is not None and line is None:
                self._fault(f"an event without a line: {key}: {wanted}")
            elif wanted is not None and line is not None:
                self.counts[f"line: {wanted.partition(':')[0]}"] += 1
                if self._lines.get(key) == line:
                    self.counts[f"the same line again: {wanted.partition(':')[0]}"] += 1
                self._lines[key] = line
                if (plan := PLAN.search(line)) is not None:
                    self.plans[plan[1]].printed.append(now)
            if job.plan is not None and job.plan.action == "move" and job.declined.code == "QUEUED":
                self.plans[job.plan.id].kept.append(now)
        for key, line in lines.items():
            self._fault(f"a line of no job: {key}: {line}")

    def _event(self, job: Any, now: int, new: Sequence[str]) -> str | None:
        """What happened in a job's cycle that a person is told; None: nothing."""
        key, before = (job.wallet, job.chain), self._refusals.pop((job.wallet, job.chain), None)
        if job.skipped is not None or (job.declined is not None and job.declined.code != "QUEUED"):
            why = job.skipped or f"{job.declined.code}: {job.declined.reason}"
            refusal = now // DAY_SECONDS, re.sub(r"[0-9][0-9.,:]*", "0", re.sub(r"\b[0-9a-f]{16}\b", "", why))
            self._refusals[key] = refusal
            done = job.settled or job.transactions or job.stuck or job.still_in or job.quarantined
            move = job.plan is not None and job.plan.action == "move"
            leaves = move and all(leg.kind == "withdraw" for leg in job.plan.legs)  # is named in each pass
            if refusal == before and not done and not leaves:
                self.counts["a refusal or a chain that is down, named today already"] += 1
                return None
            return why if job.skipped is None else "skipped"
        if job.settled or job.transactions or job.stuck or job.still_in or job.quarantined or job.proposed:
            return "happened"
        if job.plan is None or job.plan.action != "move":
            return None
        if job.plan.id in new:
            return "plan"
        plan = self.plans[job.plan.id]
        return "half of its time" if now >= plan.half and not any(at >= plan.half for at in plan.kept) else None

    def _not_again(self, new: Sequence[str], now: int) -> None:
        for name in new:
            plan = self.plans[name]
            if plan.body["why"]:  # an exit because of an alarm or an order
                continue
            for other, old in self.plans.items():
                if old.status != "rejected" or old.account != plan.account or not plan.steps <= old.steps:
                    continue
                early = old.not_before and now < old.not_before
                small = old.until_gain and float(plan.body["gain_per_year"]) < old.until_gain
                if (early and (small or not old.until_gain)) or (small and not old.not_before):
                    self._fault(f"plan {name} proposes again what was rejected with {other}")

    def _ended(self, now: int) -> None:
        """Nothing waits for ever."""
        for name, one in self.plans.items():
            if one.status in ("proposed", "approved") and now > one.body["expires_at"] + 2 * TTL_SECONDS:
                self._fault(f"plan {name} is still {one.status} long after its time")
                one.status = f"{one.status} for ever"

    def _flapping(self, rows: Sequence[Row]) -> None:
        """An alarm that was lifted is not raised again soon where nothing moved, nor the other way round."""
        for row in rows:
            if row.kind not in ("alarm.raised", "alarm.lifted"):
                continue
            key = (row.chain, str(row.body.get("market_id")), row.body["code"], str(row.owner), row.body["act"])
            past = self._alarms.setdefault(key, [])
            quick = [one for one in past if row.at - one[1] < FLAP_SECONDS and one[2] > self.moved.get(row.chain, -1)]
            if past and past[-1][0] != row.kind and quick:
                self._fault(f"{row.kind} {key} though nothing was moved since its opposite")
            self.counts[f"{row.kind} {row.body['code']}"] += 1
            past.append((row.kind, row.at, self._pass))


def _alike(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether two plans are the same to a person: steps, amounts within 1 %, gain within a tenth, no higher cost."""
    steps = [[(leg["kind"], leg["market_id"], leg["all"]) for leg in plan["legs"]] for plan in (old, new)]
    if steps[0] != steps[1]:
        return False
    pairs = zip(_amounts(old), _amounts(new), strict=True)
    if any(abs(now - was) > 0.009 * was for was, now in pairs):
        return False
    gains = float(old["gain_per_year"]), float(new["gain_per_year"])
    return abs(gains[1] - gains[0]) <= 0.09 * abs(gains[0]) and float(new["cost"]) <= 1.2 * float(old["cost"])


def _amounts(plan: dict[str, Any]) -> Iterator[int]:
    for leg in plan["legs"]:
        yield int(leg["amount"]["raw"])
