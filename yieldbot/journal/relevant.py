"""Which rows of the journal a decision or the accounting can still depend on. Pure.

Every fold over the rows that are kept gives what it gives over all rows (tests/property/test_relevant.py); but that
observations which only repeat the one before are left out, one a day excepted, as ``unchanged.py`` says. What is kept
does not grow with the number of runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from yieldbot.journal import unchanged
from yieldbot.journal.done_plans import DonePlans
from yieldbot.journal.rows import GENESIS, Row
from yieldbot.model.json_text import loads
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    from yieldbot.journal.fold import Record

VERSION = 3
"""Raised whenever a rule here changes: a checkpoint of another version is made anew from all rows."""
SHORT = 16
"""Hex digits of a row's hash that are kept with its number."""
LEFT_OUT = ("access.noted", "signer.copied", "approval.given")
"""Kinds that no decision depends on; they are found by their plan, or by their place."""

BEGUN = ("approved", "executed", "handed over", "failed", "interrupted")
"""Statuses after which a plan is kept for good."""

MEMBERS = (
    *("days", "looks", "ends", "plans", "open", "newest", "proofs", "stops", "anchors"),
    *("going", "done", "unseen", "orders"),  # of DonePlans
)
"""Members of what a checkpoint says beside the rows that are kept."""

Find = Callable[[str, int], Iterable[Row]]
"""Called with a plan's id and a row's number; returns the rows about the plan, and its signed transactions, before
that row."""


class Relevant:
    """The numbers of the rows to be kept, grown row by row."""

    def __init__(self, find: Find) -> None:
        """find: looks up the earlier rows of a plan that has ended already."""
        self._find = find
        self._recent: tuple[int, int, list[int]] | None = None
        self._ended_plans: set[str] | None = set()  # None: those of before are not known
        self.seq, self.digest = 0, GENESIS
        """Number and hash of the last row that was added."""
        self.kept: dict[str, dict[int, str]] = {}
        """Number and beginning of the hash of each kept row, by account (``account_of``)."""
        self.answered: dict[str, tuple[tuple[int, float | None], tuple[Record, ...]]] = {}
        """By account, the records that were read last, with what was asked for; forgotten with the next row."""
        self._state: dict[str, dict[str, Any]] = {name: {} for name in MEMBERS}
        self._done = DonePlans(self._state)

    def add(self, row: Row) -> None:
        """Add the next row. Raises ValueError for one whose body cannot be read."""
        seq, at, kind, chain, owner, plan_id, tx_hash = row[:7]
        account = account_of(chain, owner)
        self.answered.clear()
        if kind == "observed":
            self._observed(row, account, _read(row))
        elif kind == "run.ended":
            self._ended(account, _read(row), plan_id)
        elif kind.startswith("plan."):
            self._plan(row, account)
        elif kind.startswith("tx."):
            self._transaction(row, account, tx_hash)
        elif kind.startswith("alarm."):
            doc = _read(row)
            self._only_newest(row, account, f"alarm|{chain}|{doc['market_id']}|{doc['code']}|{doc['act']}|{owner}")
            if kind == "alarm.lifted":
                self._drop(account, seq)
        elif kind in ("exit.asked", "exit.ended"):
            market = _read(row)["market_id"]
            if kind == "exit.ended":
                self._forget(account, f"asked|{account}|{market}")
            self._only_newest(row, account, f"{kind.removeprefix('exit.')}|{account}|{market}")
        elif kind == "exit.proven":
            self._proven(row, account, _read(row))
        elif kind not in LEFT_OUT:
            self._keep(row, account)
            if kind.startswith("account."):
                self._state["stops"].setdefault("rows", []).append(seq)
            if kind == "account.cleared":
                self._moved(account)
                self._measured_anew(account, 1)
            elif kind in ("exit.ordered", "exit.lifted"):
                self._done.ordered(row, account)
        if kind.startswith(("plan.", "tx.")):
            self._state["days"].setdefault(str(at // DAY_SECONDS), seq)
        self.seq, self.digest = seq, row[9]

    def with_find(self, find: Find) -> Relevant:
        """The same, reading from another connection."""
        self._find = find
        return self

    @property
    def stops(self) -> list[int]:
        """The rows that stop or clear an account."""
        found: list[int] = self._state["stops"].get("rows", [])
        return found

    @property
    def plans(self) -> list[int]:
        """The rows about plans that have not ended."""
        return sorted(seq for plan in self._state["plans"].values() for seq in plan["rows"])

    @property
    def passing(self) -> list[int]:
        """The rows that the next one may drop, and those about plans that have not ended."""
        newest = [look["last"] for look in self._state["looks"].values() if look["last"]]
        return sorted({*newest, *self.plans})

    @property
    def unsettled(self) -> list[int]:
        """The rows about transactions that are open, or were given up."""
        return sorted(seq for tx in self._state["open"].values() for seq in (tx["signed"], *tx["rest"]))

    @property
    def newest_looks(self) -> list[int]:
        """The newest observation of each account and asset."""
        return sorted(look["kept"][-1][0] for look in self._state["looks"].values() if look["kept"])

    def numbers(self, account: str | None, since: int = 0, looked_seconds: float | None = None) -> list[int]:
        """The kept rows, in order: of all accounts (None), or those of one account, those of its chain or of no
        account, and those of others about plans and transactions since ``since`` (unix seconds). With
        ``looked_seconds`` those that decide: without observations that are so much older than the newest and tell
        nothing of a present holding, and without plans done before ``since`` (``done_plans.py``)."""
        if account is None:
            return sorted(seq for kept in self.kept.values() for seq in kept)
        days = self._state["days"]
        first = min((days[day] for day in days if int(day) >= since // DAY_SECONDS), default=self.seq + 1)
        if self._recent is None or self._recent[:2] != (self.seq, first):
            self._recent = self.seq, first, [seq for kept in self.kept.values() for seq in kept if seq >= first]
        found = set(self._recent[2])
        for name in (account, account.partition("|")[0] + "|", "|"):
            found.update(self.kept.get(name, ()))
        if looked_seconds is not None:
            found -= self._old_looks(account, looked_seconds)
            found -= self._done.old(account, since, self._state["looks"], self._state["anchors"].get(account, {}))
        return sorted(found)

    def _old_looks(self, account: str, seconds: float) -> set[int]:
        """Kept observations of an account that are so much older than the newest one, but for the newest of them of
        each asset, and for those from which a present holding is measured (``_anchor``)."""
        found = set[int]()
        for name, look in self._state["looks"].items():
            if name.startswith(f"{account}|"):
                end = look["kept"][-1][1]
                before = [seq for seq, at in look["kept"] if at < end - seconds]
                found.update(before[:-1])
        for anchor in self._state["anchors"].get(account, {}).values():
            found.difference_update(*anchor)
        return found

    def last_held(self, chain: str) -> dict[str, dict[str, int]]:
        """Base units that each account of a chain held in each market when it was last observed."""
        found: dict[str, dict[str, int]] = {}
        for name, look in self._state["looks"].items():
            of_chain, owner, _ = name.split("|")
            if of_chain == chain and look["seen"] is not None:
                found.setdefault(owner, {}).update({key: one[0] for key, one in look["seen"]["held"].items()})
        return found

    def short_of(self, seq: int) -> str | None:
        """The beginning of a kept row's hash; None: the row is not kept."""
        return next((kept[seq] for kept in self.kept.values() if seq in kept), None)

    def repeats_holdings(self, chain: str, owner: str, doc: Mapping[str, Any], *, same_day: bool = True) -> bool:
        """Whether an observation that is not written yet shows what the last one did, and nothing was signed since.
        same_day: only if it is of the same day too."""
        seen = unchanged.observed(doc)
        before = self._state["looks"].get(_look_name(account_of(chain, owner), doc))
        if seen is None or before is None:
            return False
        if not same_day:
            seen = seen | {"day": before["seen"]["day"]}
        return _repeats(before, seen)

    def moved(self, chain: str, owner: str, doc: Mapping[str, Any]) -> bool:
        """Whether something was signed for the account since its last observation of this asset."""
        look = self._state["looks"].get(_look_name(account_of(chain, owner), doc))
        return bool(look and look["moved"])

    def repeats_end(
        self, chain: str, owner: str, doc: Mapping[str, Any], plan_id: str, *, same_day: bool = True
    ) -> bool:
        """Whether the end of a cycle that is not written yet says what the last one said. same_day: only if it is of
        the same day too."""
        found = unchanged.ended(doc, plan_id)
        if found is None or (before := self._state["ends"].get(f"{account_of(chain, owner)}|{found[0]}")) is None:
            return False
        return bool(before["said"] == found[1]["said"] and (not same_day or before["day"] == found[1]["day"]))

    def text(self) -> str:
        """All of it as JSON text."""
        kept = {name: {str(seq): rows[seq] for seq in sorted(rows)} for name, rows in self.kept.items() if rows}
        return json.dumps([self.seq, self.digest, kept, self._state], sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str, find: Find) -> Relevant:
        """What ``text`` gave. Raises ValueError for another text."""
        found = cls(find)
        try:
            found._ended_plans = None
            found.seq, found.digest, kept, found._state = loads(text)
            found._done = DonePlans(found._state)
            found.kept = {name: {int(seq): short for seq, short in rows.items()} for name, rows in kept.items()}
        except (TypeError, AttributeError, KeyError) as wrong:
            raise ValueError(f"no checkpoint: {wrong}") from None
        return found

    def _keep(self, row: Row, account: str) -> None:
        self.kept.setdefault(account, {})[row[0]] = row[9][:SHORT]

    def _drop(self, account: str, *numbers: int) -> None:
        for seq in numbers:
            self.kept.get(account, {}).pop(seq, None)

    def _forget(self, account: str, name: str) -> None:
        if (before := self._state["newest"].pop(name, None)) is not None:
            self._drop(account, before)

    def _only_newest(self, row: Row, account: str, name: str) -> None:
        self._forget(account, name)
        self._keep(row, account)
        self._state["newest"][name] = row[0]

    def _proven(self, row: Row, account: str, doc: Mapping[str, Any]) -> None:
        name = f"{account}|{doc['market_id']}|{doc['fingerprint']}|{doc['on_chain']}"
        raw, time = int(doc["up_to"]["raw"]), doc["time"]
        before = self._state["proofs"].get(name, [])
        covered = [one for one in before if one[1] <= raw and one[2] <= time]
        self._drop(account, *(one[0] for one in covered))
        self._keep(row, account)
        self._state["proofs"][name] = [*(one for one in before if one not in covered), [row[0], raw, time]]

    def _observed(self, row: Row, account: str, doc: Mapping[str, Any]) -> None:
        self._keep(row, account)
        if (seen := unchanged.observed(doc)) is None:
            return
        name, seq, at = _look_name(account, doc), row[0], doc["block"]["timestamp"]
        look = self._state["looks"].setdefault(name, {"seen": None, "last": 0, "moved": True, "kept": [], "first": seq})
        self._done.observed(account, (*seen["held"], *(look["seen"] or {"held": {}})["held"]))
        kept = look["kept"]
        repeats, was = look["seen"] is not None and _repeats(look, seen), (look["seen"] or {"held": {}})["held"]
        if look["last"] and not look["moved"] and unchanged.same_holdings(look["seen"], seen):
            self._drop(account, look["last"])  # it lies between two that say the same
            del kept[-1]
        before = [one[0] for one in kept[-1:]]
        kept.append([seq, at])
        if repeats:
            look["last"] = seq
        else:
            look.update(seen=seen, last=0, moved=False)
        self._anchor(account, seen, was, [*before, seq])

    def _anchor(self, account: str, seen: Mapping[str, Any], was: Mapping[str, Any], rows: list[int]) -> None:
        """Keep the rows from which a holding is measured, by market: the first observation since its last transaction,
        the first since the account was last cleared, and the one in which it was gone, each with the one before it.
        was: what was held by the observation before."""
        anchors = self._state["anchors"].setdefault(account, {})
        for market in seen["held"]:
            for since in anchors.setdefault(market, [[], [], []])[:2]:
                if not since:
                    since.extend(rows)
        for market in was:
            if market not in seen["held"]:
                anchors[market][2] = rows

    def _moved(self, account: str) -> None:
        """The next observation of the account is another one, whatever it shows."""
        for name, look in self._state["looks"].items():
            if name.startswith(f"{account}|"):
                look["moved"] = True

    def _measured_anew(self, account: str, which: int, market: str | None = None) -> None:
        """The next observation is the first since a transaction (0), or since the account was cleared (1)."""
        for name, anchor in self._state["anchors"].get(account, {}).items():
            if market in (None, name):
                anchor[which] = []

    def _ended(self, account: str, doc: Mapping[str, Any], plan_id: str) -> None:
        if (found := unchanged.ended(doc, plan_id)) is not None:
            self._state["ends"][f"{account}|{found[0]}"] = found[1]
            return
        whose = f"{account}|{doc['wallet']}|"
        for name in [name for name in self._state["ends"] if name.startswith(whose)]:
            del self._state["ends"][name]  # another end came in between: the next one is written

    def _plan(self, row: Row, account: str) -> None:
        seq, plan_id, plans = row[0], row[5], self._state["plans"]
        if plan_id not in plans:
            earlier = self._earlier(plan_id, seq)
            whose = _whose(earlier, account)
            plans[plan_id] = {"account": whose, "rows": [], "approved": any(map(_begun, earlier))}
            self._again(plans[plan_id], earlier)
            if row[2] == "plan.written" and not earlier:
                self._done.written(row, account)
            else:
                self._done.odd(plan_id)
        elif row[2] == "plan.written":
            self._done.odd(plan_id)
        one = plans[plan_id]
        self._keep(row, one["account"])
        one["rows"].append(seq)
        if row[2] != "plan.marked":
            return
        doc = _read(row)
        status = doc["status"]
        self._done.marked(row, status)
        one["approved"] |= status in BEGUN
        if status in ("proposed", "queued", "approved"):
            return
        remembered = doc.get("not_before") or doc.get("until_gain")
        if status in ("expired", "rejected") and not one["approved"] and not remembered:
            self._drop(one["account"], *one["rows"])
        if self._ended_plans is not None:
            self._ended_plans.add(plan_id)
        del plans[plan_id]  # found again by its id, should another mark come

    def _earlier(self, plan_id: str, seq: int) -> list[Row]:
        """Rows about a plan that has ended, before a row."""
        if self._ended_plans is not None and plan_id not in self._ended_plans:
            return []
        return list(self._find(plan_id, seq))

    def _again(self, plan: dict[str, Any], rows: Iterable[Row]) -> None:
        """Keep the rows about a plan again."""
        for row in rows:
            if row[2].startswith("plan."):
                self._keep(row, plan["account"])
                plan["rows"].append(row[0])

    def all_added(self) -> None:
        """Forget what only saves time while many rows are added."""
        self._ended_plans = None

    def _transaction(self, row: Row, account: str, tx_hash: str) -> None:
        seq, kind, waiting = row[0], row[2], self._state["open"]
        self._keep(row, account)
        if kind != "tx.signed" and tx_hash not in waiting:
            self._done.stray(tx_hash, account)
        if kind == "tx.signed":
            doc = _read(row)
            waiting.setdefault(tx_hash, {"signed": seq, "rest": [], "market": doc["market_id"], "plan": row[5]})
            self._done.signed(row, account, doc)
            self._moved(account)
            if row[5] in self._state["plans"]:
                self._state["plans"][row[5]]["approved"] = True
            else:
                earlier = self._earlier(row[5], seq)
                self._again({"account": _whose(earlier, account), "rows": []}, earlier)
        elif kind == "tx.settled":
            self._moved(account)
            outcome = _read(row)["outcome"] if tx_hash in waiting else {"result": ""}
            result = outcome["result"]
            if tx_hash in waiting:
                self._done.settled(row, waiting[tx_hash]["plan"], outcome)
            if result == "confirmed":
                self._measured_anew(account, 0, waiting[tx_hash]["market"])
                self._measured_anew(account, 1, waiting[tx_hash]["market"])
            if result in ("confirmed", "reverted"):
                self._drop(account, *waiting.pop(tx_hash)["rest"])
            elif tx_hash in waiting:
                waiting[tx_hash]["rest"].append(seq)
        elif tx_hash in waiting:
            waiting[tx_hash]["rest"].append(seq)


def account_of(chain: str, owner: str) -> str:
    """The name of an account here."""
    return f"{chain}|{owner}"


def _begun(row: Row) -> bool:
    return row[2] == "tx.signed" or (row[2] == "plan.marked" and _read(row)["status"] in BEGUN)


def _whose(rows: Iterable[Row], account: str) -> str:
    """The account of the plan that rows are about; ``account`` if they do not say."""
    return next((account_of(row[3], row[4]) for row in rows if row[2] == "plan.written"), account)


def _look_name(account: str, doc: Mapping[str, Any]) -> str:
    return f"{account}|{doc['facts'].get('asset', '')}"


def _repeats(before: Mapping[str, Any], seen: unchanged.Seen) -> bool:
    same = unchanged.same_holdings(before["seen"], seen)
    return same and not before["moved"] and before["seen"]["day"] == seen["day"]


def _read(row: Row) -> Any:
    return loads(row[7])
