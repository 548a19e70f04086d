"""What the journal answers: records, plans, transactions and accounts, read from its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from yieldbot.errors import InvariantError
from yieldbot.journal.access_entries import ApprovalGiven, SignerCopied
from yieldbot.journal.connections import ReadOnly, Written
from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.fold import (
    Record,
    StoredPlan,
    StoredTx,
    fold_faulted,
    fold_plans,
    fold_stopped,
    fold_transactions,
)
from yieldbot.journal.journal_entries import (
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.looks import Look
from yieldbot.journal.looks import read as read_looks
from yieldbot.journal.relevant import Relevant, account_of
from yieldbot.journal.rows import COLUMNS, GENESIS, Row
from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.json_text import loads
from yieldbot.model.tx import Expired

PAGE_ROWS = 2000
"""How many rows are in memory at once where many are read one after another."""
NOT_ENDED = (PlanStatus.PROPOSED, PlanStatus.QUEUED, PlanStatus.APPROVED)
"""Plans of these statuses are always among the relevant rows."""
RECENT_SECONDS = 7 * 86_400
"""For so long plans and transactions of other accounts are among an account's records: limits over time count them, and
gas is learnt from them."""

MOST_OLD_RECORDS = 2000
"""Most decoded rows, or about so many, that a journal which stays open keeps beside those that count."""
LOOKED_SECONDS = 45 * 86_400
"""For so long an account's observations are among its records."""


class Queries:
    """The reading part of ``Journal``. Every method may raise InvariantError (the file is damaged) and TransientError
    (another program holds it)."""

    def __init__(self, way: Written | ReadOnly, path: Path, top: int | None) -> None:
        """top: number of the last row that is read; None: also what is appended later."""
        self._way, self.path, self._top = way, path, top
        self._relevant: Relevant | None = None
        self._decoded: dict[int, Record] = {}

    def relevant(self) -> Relevant:
        """Which rows count, up to date. Do not change it."""
        raise NotImplementedError

    def records(
        self,
        chain: ChainId | None = None,
        owner: Address | None = None,
        *,
        since: int | None = None,
        looked_seconds: float | None = LOOKED_SECONDS,
    ) -> tuple[Record, ...]:
        """The entries that a decision or the accounting can depend on, in order (``relevant.py``): of all accounts; or
        of one, with those that concern its chain, and the plans and transactions of other accounts since ``since``
        (unix seconds; None: in the last RECENT_SECONDS before the journal's last row), but without observations that
        are ``looked_seconds`` older than the newest and tell nothing of a present holding (None: with them), and
        without plans that were done before ``since`` (``done_plans.py``). What they cost does not grow with the
        journal."""
        relevant = self.relevant()
        if chain is None or owner is None:
            return self._kept_records(relevant, relevant.numbers(None))
        last = self._rows("seq = ?", (relevant.seq,))
        end = last[0][1] if last else 0
        first = end - RECENT_SECONDS if since is None else min(since, end - RECENT_SECONDS)
        account, asked = account_of(chain, owner), (first, looked_seconds)
        if (before := relevant.answered.get(account)) is not None and before[0] == asked:
            return before[1]
        found = _begun(self._kept_records(relevant, relevant.numbers(account, *asked)), (chain, owner))
        relevant.answered[account] = asked, found
        return found

    def records_beside(self, seq: int, numbers: Collection[int]) -> tuple[Record, ...]:
        """The entries of ``records`` after row number ``seq``, and those of these numbers."""
        relevant, also = self.relevant(), set(numbers)
        found = [number for number in relevant.numbers(None) if number > seq or number in also]
        return self._kept_records(relevant, found)

    def records_by_account(self) -> Iterator[Iterator[Record]]:
        """The entries of ``records``, those of one account after those of another; few are in memory at once."""
        relevant = self.relevant()
        for kept in relevant.kept.values():
            yield map(self._record, self._kept_rows(relevant, sorted(kept)))

    def _kept_records(self, relevant: Relevant, numbers: list[int]) -> tuple[Record, ...]:
        """Kept rows as records; each is decoded once."""
        missing = [seq for seq in numbers if seq not in self._decoded]
        for row in self._kept_rows(relevant, missing):
            self._decoded[row[0]] = self._record(row)
        found = tuple(self._decoded[seq] for seq in numbers)
        if missing and len(self._decoded) > 2 * len(numbers) + MOST_OLD_RECORDS:
            self._drop_old_records(relevant)
        return found

    def _drop_old_records(self, relevant: Relevant) -> None:
        """Forget decoded rows that count no longer, which would grow with the journal in a process that stays."""
        kept = relevant.numbers(None)
        self._decoded = {seq: self._decoded[seq] for seq in kept if seq in self._decoded}

    def _kept_rows(self, relevant: Relevant, numbers: list[int]) -> Iterator[Row]:
        """Kept rows by their numbers. Raises InvariantError if one is missing or not what it was."""
        expected = iter(numbers)
        for row in self._numbered(numbers):
            if row[0] != (number := next(expected)):
                raise self._changed(number)
            self._check_kept(relevant, row)
            yield row
        if number := next(expected, 0):
            raise self._changed(number)

    def _check_kept(self, relevant: Relevant, row: Row) -> None:
        """Raise InvariantError if a row is not the one of which the checkpoint was made."""
        raise NotImplementedError

    def _changed(self, seq: int) -> InvariantError:
        raise NotImplementedError

    def history(self, limit: int | None = None) -> tuple[Record, ...]:
        """The last ``limit`` rows, oldest first; None: all of them, in memory at once (see ``stream``)."""
        if limit is None:
            return tuple(self.stream())
        if limit <= 0:
            return ()
        statement = f"SELECT {COLUMNS} FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT ?"
        rows = self._fetch(statement, (self._last(), limit))
        return tuple(self._record(_row(row)) for row in reversed(rows))

    def stream(self, after: int = 0) -> Iterator[Record]:
        """Every row after number ``after``, oldest first; few of them are in memory at once."""
        for row in self._pages(after):
            yield self._record(row)

    def rows_after(self, seq: int, most: int) -> tuple[Row, ...]:
        """The rows after number ``seq`` as they are on the disk, at most ``most`` of them: for a copy elsewhere, which
        ``journal/copied.py`` checks."""
        return tuple(self._rows("seq > ? AND seq <= ?", (int(seq), int(seq) + int(most))))

    def head(self) -> tuple[int, str]:
        """The last row's number and hash: (0, 64 zeros) for an empty journal. Keep a copy elsewhere to notice rows
        removed at the end."""
        found = self._fetch("SELECT seq, hash FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (self._last(),))
        return (int(found[0][0]), str(found[0][1])) if found else (0, GENESIS)

    def copied(self) -> tuple[int, str]:
        """Number and hash of the last row of the signer's journal that was copied; (0, 64 zeros): none was."""
        for row in self._rows("kind = 'signer.copied'", (), "DESC LIMIT 1"):
            entry = self._record(row).entry
            assert isinstance(entry, SignerCopied)
            return entry.seq, entry.hash
        return 0, GENESIS

    def plan(self, plan_id: str) -> StoredPlan | None:
        """One plan by its id, or None."""
        rows = self._rows("plan_id = ? AND plan_id <> '' AND kind GLOB 'plan.*'", (plan_id,))
        return self._folded(fold_plans, map(self._record, rows)).get(plan_id)

    def plans(self, status: PlanStatus | None = None) -> tuple[StoredPlan, ...]:
        """Plans in the order they were written, those of one status or all."""
        if status in NOT_ENDED:
            return tuple(plan for plan in self.plans_not_ended() if plan.status is status)
        stored = self._folded(fold_plans, self._of_kind("plan.*"))
        return tuple(plan for plan in stored.values() if status is None or plan.status is status)

    def plans_not_ended(self) -> tuple[StoredPlan, ...]:
        """Plans that are proposed, queued or approved, in the order they were written."""
        relevant = self.relevant()
        stored = self._folded(fold_plans, self._kept_records(relevant, relevant.plans))
        return tuple(plan for plan in stored.values() if plan.status in NOT_ENDED)

    def last_held(self, chain: ChainId) -> dict[Address, dict[MarketId, int]]:
        """Base units that each account of a chain held in each market when it was last observed, within half a percent
        of interest."""
        found = self.relevant().last_held(chain)
        return {Address(owner): {MarketId(key): raw for key, raw in held.items()} for owner, held in found.items()}

    def places_of_plans(self, ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """(chain, owner) of each of these plans that was written, by its id."""
        found = dict[str, tuple[str, str]]()
        for plan_id in dict.fromkeys(ids):
            for row in self._fetch(
                "SELECT chain, owner FROM events WHERE plan_id = ? AND plan_id <> '' AND kind = 'plan.written'"
                " ORDER BY seq LIMIT 1",
                (plan_id,),
            ):
                found[plan_id] = (row[0], row[1])
        return found

    def about_plan(self, plan_id: str) -> tuple[Record, ...]:
        """Every row about a plan and its transactions, oldest first."""
        rows = self._rows("plan_id = ? AND plan_id <> ''", (plan_id,))
        for tx_hash in dict.fromkeys(row[6] for row in rows if row[2] == "tx.signed"):
            rows += [row for row in self._rows("tx_hash = ? AND tx_hash <> ''", (tx_hash,)) if row[2] != "tx.signed"]
        return tuple(map(self._record, sorted(rows)))

    def words_of(self, plan_id: str) -> dict[str, str]:
        """By hash, what each transaction of a plan does."""
        rows = self._rows("plan_id = ? AND plan_id <> '' AND kind = 'tx.signed'", (plan_id,))
        signed = (self._record(row).entry for row in rows)
        return {entry.hash: entry.words for entry in signed if isinstance(entry, TxSigned)}

    def every_approval(self, until: int) -> tuple[ApprovalGiven, ...]:
        """The signatures for all plans among the rows up to number ``until``, in order."""
        entries = (record.entry for record in self._of_kind("approval.given") if record.seq <= until)
        return tuple(entry for entry in entries if isinstance(entry, ApprovalGiven))

    def approvals(self, plan_id: str) -> tuple[ApprovalGiven, ...]:
        """Signatures that were given for a plan, in order; none of them is checked here."""
        rows = self._rows("plan_id = ? AND plan_id <> '' AND kind = 'approval.given'", (plan_id,))
        entries = (self._record(row).entry for row in rows)
        return tuple(entry for entry in entries if isinstance(entry, ApprovalGiven))

    def asked_by(self, plans: Collection[str] | None = None) -> dict[str, str]:
        """Who asked for the run that made each plan, by the plan's id; a plan whose run has not ended is left out.
        plans: ids of the only plans that are looked up, which takes no longer with a longer journal; None: all."""
        select, last = "SELECT plan_id, body FROM events WHERE plan_id <> ''", self._last()
        if plans is None:
            rows = self._fetch(f"{select} AND kind = 'run.ended' AND seq <= ? ORDER BY seq", (last,))
        else:  # +: not by the index of kinds, of which most rows are
            one = f"{select} AND plan_id = ? AND +kind = 'run.ended' AND seq <= ? ORDER BY seq LIMIT 1"
            rows = [row for plan_id in dict.fromkeys(plans) for row in self._fetch(one, (plan_id, last))]
        found = dict[str, str]()
        for row in rows:
            if row[0] not in found:
                found[row[0]] = str(loads(row[1])["by"])
        return found

    def run_of(self, plan_id: str) -> str:
        """The id of the run that made a plan, once it has ended; empty: none is known."""
        rows = self._rows("plan_id = ? AND plan_id <> '' AND kind = 'run.ended'", (plan_id,), "LIMIT 1")
        entries = (self._record(row).entry for row in rows)
        return next((entry.run for entry in entries if isinstance(entry, RunEnded)), "")

    def last_end(self, plan_id: str) -> int | None:
        """When the last run ended that made this plan, or found that it waits: unix seconds by this machine's clock;
        None: no run has."""
        rows = self._rows("plan_id = ? AND plan_id <> '' AND kind = 'run.ended'", (plan_id,), "DESC LIMIT 1")
        times = [row[1] for row in rows]
        times += [one.at for one in self.looked() if isinstance(one.entry, RunEnded) and one.entry.plan_id == plan_id]
        return max(times, default=None)

    def ended_before(self, now: RunEnded) -> RunEnded | None:
        """The newest end in the rows of a cycle of the same job by the same command; None: there is none."""
        of = (now.chain, now.owner, now.wallet, now.assets, now.command)
        for row in self._rows(
            "kind = 'run.ended' AND +chain = ? AND +owner = ?", (now.chain, now.owner), "DESC LIMIT 16"
        ):
            entry = self._record(row).entry
            if (
                isinstance(entry, RunEnded)
                and (entry.chain, entry.owner, entry.wallet, entry.assets, entry.command) == of
            ):
                return entry
        return None

    def looked(self) -> tuple[Look, ...]:
        """Observations and ends of cycles that only repeated the last one in the rows, and were counted."""
        return read_looks(self._fetch)

    def transactions(self, chain: ChainId | None = None, owner: Address | None = None) -> tuple[StoredTx, ...]:
        """Signed transactions in order, of one account or all, however old. Of one account: notes about settled ones
        are left out."""
        if chain is None or owner is None:
            return tuple(self._folded(fold_transactions, self._of_kind("tx.*")).values())
        found = self._folded(fold_transactions, self.records(chain, owner, looked_seconds=None)).values()
        return tuple(tx for tx in found if (tx.signed.chain, tx.signed.owner) == (chain, owner))

    def transaction(self, tx_hash: str) -> StoredTx | None:
        """One transaction by its hash, or None."""
        rows = self._rows("tx_hash = ? AND tx_hash <> '' AND kind GLOB 'tx.*'", (tx_hash,))
        return self._folded(fold_transactions, map(self._record, rows)).get(tx_hash)

    def open_transactions(self, chain: ChainId | None = None, owner: Address | None = None) -> tuple[StoredTx, ...]:
        """Signed transactions without an outcome, in order of signing, of one account or all."""
        return tuple(tx for tx in self._unsettled(chain, owner) if tx.outcome is None)

    def gave_up(self, chain: ChainId, owner: Address) -> bool:
        """Whether a transaction of an account was ever given up, so that its nonce may still be free."""
        return any(isinstance(tx.outcome, Expired) for tx in self._unsettled(chain, owner))

    def _unsettled(self, chain: ChainId | None, owner: Address | None) -> Iterator[StoredTx]:
        """Transactions without an outcome, or given up, in order of signing, of one account or all."""
        relevant = self.relevant()
        found = self._folded(fold_transactions, self._kept_records(relevant, relevant.unsettled)).values()
        return (tx for tx in found if chain is None or (tx.signed.chain, tx.signed.owner) == (chain, owner))

    def signed(self, tx_hash: str) -> TxSigned | None:
        """What was signed under a hash, or None."""
        found = self.transaction(tx_hash)
        return found.signed if found else None

    def stopped_accounts(self) -> dict[tuple[ChainId, Address], str]:
        """Accounts that may sign nothing, with the reason of each."""
        return self._folded(fold_stopped, self._stops())

    def faulted_accounts(self) -> dict[tuple[ChainId, Address], str]:
        """Accounts among them that were stopped because a transaction did not do what was simulated."""
        return self._folded(fold_faulted, self._stops())

    def newest_looks(self) -> tuple[Record, ...]:
        """The newest observation of each account and asset, of accounts that are no longer configured too."""
        relevant = self.relevant()
        return self._kept_records(relevant, relevant.newest_looks)

    def _stops(self) -> tuple[Record, ...]:
        relevant = self.relevant()
        return self._kept_records(relevant, relevant.stops)

    def _folded(self, fold: Callable[[Iterable[Record]], dict[Any, Any]], records: Iterable[Record]) -> dict[Any, Any]:
        try:
            return fold(records)
        except ValueError as damage:
            raise InvariantError(f"journal {self.path} contradicts itself: {damage}") from None

    def _record(self, row: Row) -> Record:
        try:
            return Record(row[0], row[1], decode(RowKeys(*row[2:7]), loads(row[7])))
        except (ValueError, TypeError, AttributeError) as damage:
            raise InvariantError(f"journal {self.path}: row {row[0]} cannot be read: {damage}") from None

    def _fetch(self, statement: str, values: tuple[Any, ...] = ()) -> Sequence[Sequence[Any]]:
        return () if self._top == 0 else self._way.fetch(statement, values)

    def _last(self) -> int:
        return 2**62 if self._top is None else self._top

    def _rows(self, where: str, values: tuple[str | int, ...], order: str = "") -> list[Row]:
        found = self._fetch(
            f"SELECT {COLUMNS} FROM events WHERE {where} AND seq <= ? ORDER BY seq {order}", (*values, self._last())
        )
        return [_row(row) for row in found]

    def _rows_of_plan(self, plan_id: str, before: int) -> list[Row]:
        """Rows about a plan and its signed transactions, before a row."""
        where = "plan_id = ? AND plan_id <> '' AND (kind GLOB 'plan.*' OR kind = 'tx.signed') AND seq < ?"
        return self._rows(where, (plan_id, before))

    def _pages(self, after: int, most: int = 2**62) -> Iterator[Row]:
        """Rows after number ``after``, a page at a time. most: how many of them at most."""
        while page := self._rows("seq > ?", (after,), f"LIMIT {min(PAGE_ROWS, most)}"):
            yield from page
            after, most = page[-1][0], most - len(page)
            if len(page) < PAGE_ROWS or not most:
                return

    def _of_kind(self, pattern: str) -> Iterator[Record]:
        """Records of some kinds, a page at a time."""
        found = self._fetch(
            f"SELECT seq FROM events WHERE kind GLOB '{pattern}' AND seq <= ? ORDER BY seq", (self._last(),)
        )
        return map(self._record, self._numbered([int(row[0]) for row in found]))

    def _numbered(self, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows with these numbers, in order, a page at a time."""
        for begin in range(0, len(numbers), PAGE_ROWS):
            page = numbers[begin : begin + PAGE_ROWS]
            where = f"seq IN ({','.join(map(str, page))})"
            yield from self._rows(where, ())


def _begun(records: Iterable[Record], account: tuple[ChainId, Address]) -> tuple[Record, ...]:
    """An account's records without those about other accounts' transactions and plans whose beginning is not among
    them, since it was before the time from which theirs were taken."""
    found, begun = list[Record](), set[str]()
    for record in records:
        match record.entry:
            case PlanWritten(plan=plan):
                begun.add(plan.id)
            case TxSigned(hash=tx_hash):
                begun.add(tx_hash)
            case TxSent() | TxNoted() | TxSettled() as entry if (entry.chain, entry.owner) != account:
                if (entry.outcome.hash if isinstance(entry, TxSettled) else entry.hash) not in begun:
                    continue
            case PlanMarked(plan_id=name) if name not in begun:
                continue
            case _:
                pass
        found.append(record)
    return tuple(found)


def _row(row: Sequence[Any]) -> Row:
    return (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])
