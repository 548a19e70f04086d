"""How the server works with the signer's process: it hands over what persons have signed, and copies what the signer
did into its own journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.plan_signatures import signed_plans
from yieldbot.app.signer_client import SignerAway, ask
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import InvariantError, SafetyError, YieldbotError
from yieldbot.execution.halt import halted
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven, SignerCopied
from yieldbot.journal.codec import plan_to_doc
from yieldbot.journal.copied import copied
from yieldbot.journal.journal_entries import (
    AlarmLifted,
    AlarmRaised,
    JournalEntry,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.rows import GENESIS
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context

EVERY_SECONDS = 15.0
"""Seconds between two exchanges with the signer."""
AGAIN_SECONDS = 300.0
"""Seconds after a refusal until a plan is handed over again."""
NOT_COPIED = (AccessNoted, ApprovalGiven, AlarmRaised, AlarmLifted, SignerCopied)
"""Kinds of the signer's entries that are not copied: they concern only the signer, or the server has written them
itself."""
HANDED, REFUSED = "handed to the signer", "the signer refuses it"
HALT_SECONDS = 5.0
Ask = Callable[[Path, Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class SignerLink:
    """The server's side of the connection to the signer. Used only by the server's event loop."""

    context: Context
    """The server's configuration."""
    socket: Path
    """Where the signer listens."""
    away: str | None = "it has not been asked yet"
    """Why the signer cannot be used now; None: it answers."""
    halted: str | None = None
    """Reason of the signer's halt; None: it is not halted, or does not answer."""
    answered_at: float = 0.0
    """When the signer last answered, in unix seconds; 0: never."""
    ask: Ask = ask
    """Sends one request to the signer and returns its answer (``signer_client.ask``)."""
    _refused: dict[str, float] = field(default_factory=dict)
    """When the signer refused a plan, in unix seconds, by the plan's id."""
    _seen: tuple[int, str] | None = None
    """(number, hash) of the last row of the signer's journal that was read. It is ahead of ``Journal.copied`` where the
    rows after that had nothing to copy."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Lock held during an exchange with the signer."""

    _soon: asyncio.Task[None] | None = None
    """An exchange that is not waited for."""

    def soon(self) -> None:
        """Begin an exchange now, not at the next time; where it fails, that one repeats it."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self.work())

    async def work(self) -> None:
        """One exchange: pass on a halt, copy the signer's new journal entries, hand over signed plans, copy again. A
        failure is printed once and tried again next time."""
        async with self._one:
            try:
                state = await self.ask(self.socket, {"request": "status"})
                self.halted = None if state.get("halted") is None else one_line(str(state["halted"]), 200)
                own = halted(self.context.settings.data_dir)
                if own is not None and self.halted is None:
                    await self.ask(self.socket, {"request": "halt", "reason": own})
                    self.halted = own
                await self._copy()
                if self.halted is None and await self._hand_over():
                    await self._copy()
            except (SignerAway, SafetyError, InvariantError) as failure:
                self._is_away(str(failure))
            except YieldbotError as failure:  # our own journal is locked or the disk is full: try again later
                self.context.complain(f"handing over to the signer: {failure}")
            else:
                if self.away is not None:
                    self.context.say("the signer answers")
                self.away, self.answered_at = None, time.time()

    async def halt(self, reason: str) -> None:
        """Halt the signer now; ``work`` repeats it where that fails."""
        try:
            async with asyncio.timeout(HALT_SECONDS):
                await self.ask(self.socket, {"request": "halt", "reason": one_line(reason, 300)})
            self.halted = reason or "halted"
        except (YieldbotError, TimeoutError) as failure:
            self._is_away(str(failure) or "it does not answer to a halt")

    async def reject(self, plan_id: str, reason: str) -> None:
        """Keep the signer from carrying out a plan that it may have. Raises SignerAway, SafetyError."""
        await self.ask(self.socket, {"request": "reject", "plan_id": plan_id, "reason": one_line(reason, 300)})

    def _is_away(self, why: str) -> None:
        if self.away != why:
            self.context.complain(f"the signer: {why}")
        self.away = why

    async def _hand_over(self) -> bool:
        """Hand over the plans that enough persons have signed; returns whether the signer accepted any."""
        taken = False
        for plan_id in await asyncio.to_thread(signed_plans, self.context):
            if time.time() - self._refused.get(plan_id, 0.0) < AGAIN_SECONDS:
                continue
            request = await asyncio.to_thread(request_of, self.context, plan_id)
            try:
                result = await self.ask(self.socket, request)
            except SafetyError as refusal:
                self._refused[plan_id] = time.time()
                await asyncio.to_thread(self._keep, plan_id, f"{REFUSED}: {refusal}")
                continue
            taken = True
            if result.get("status") == PlanStatus.QUEUED.value:
                await asyncio.to_thread(self._keep, plan_id, HANDED)
        return taken

    def _keep(self, plan_id: str, reason: str) -> None:
        """Journal why a plan still waits, unless the journal has a reason from the signer already."""
        with Journal.open(self.context.settings.data_dir / JOURNAL, appended=True) as journal:
            stored = journal.plan(plan_id)
            if stored is None or stored.status is not PlanStatus.QUEUED or stored.reason == reason:
                return
            if reason == HANDED and stored.by == "signer" and not stored.reason.startswith(REFUSED):
                return  # the signer has given further reasons since
            journal.append(PlanMarked(plan_id, PlanStatus.QUEUED, "signer", reason))

    async def _copy(self) -> None:
        """Copy the signer's journal entries, page by page. Raises InvariantError if they do not continue the entries
        copied before (another journal, or a changed one)."""
        at = self._seen if self._seen is not None else await asyncio.to_thread(self._copied_before)
        while True:
            page = await self.ask(self.socket, {"request": "since", "seq": at[0]})
            head = page.get("head")
            if not isinstance(head, list) or len(head) != 2 or not isinstance(head[0], int) or head[0] < at[0]:
                raise InvariantError("the signer's journal is shorter than the copy: an older one is there")
            rows = page.get("rows")
            if not rows:
                if (head[0], head[1]) != at:
                    raise InvariantError("the signer's journal is another one than was copied")
                return
            at = await asyncio.to_thread(self._write, rows, at)
            self._seen = at

    def _copied_before(self) -> tuple[int, str]:
        file = self.context.settings.data_dir / JOURNAL
        if not file.exists():
            return 0, GENESIS
        with Journal.read(file, appended=True) as journal:
            return journal.copied()

    def _write(self, rows: list[Any], at: tuple[int, str]) -> tuple[int, str]:
        """Write a page's new entries and the position reached in one transaction; returns that position."""
        found = copied(rows, *at)
        last = found[-1][0][0], found[-1][0][9]
        with Journal.open(self.context.settings.data_dir / JOURNAL, appended=True) as journal:
            own = {row[0]: row[9] for row in journal.rows_after(at[0], len(found))}
            # a signer that began with a copy of our journal: these rows are here already
            new = [record.entry for row, record in found if own.get(row[0]) != row[9]]
            if entries := [entry for entry in new if wanted(entry, journal)]:
                journal.append(*entries, SignerCopied(*last))
        return last


def wanted(entry: JournalEntry, journal: Journal) -> bool:
    """Whether the server's journal lacks an entry of the signer's journal and should have it."""
    match entry:
        case PlanWritten(plan=plan):
            return journal.plan(plan.id) is None
        case PlanMarked(plan_id=plan_id, status=status, reason=reason):
            stored = journal.plan(plan_id)
            return (status is not PlanStatus.QUEUED or bool(reason)) and (
                stored is None or (stored.status, stored.reason) != (status, reason)
            )
        case TxSigned():
            return journal.transaction(entry.hash) is None
        case TxSettled(outcome=outcome):
            stored_tx = journal.transaction(outcome.hash)
            return stored_tx is None or stored_tx.outcome != outcome
        case _:
            return not isinstance(entry, NOT_COPIED)


def request_of(context: Context, plan_id: str) -> dict[str, Any]:
    """The request that hands a signed plan to the signer (``signer_requests.CarryOut``)."""
    with Journal.read(context.settings.data_dir / JOURNAL, appended=True) as journal:
        stored = journal.plan(plan_id)
        assert stored is not None
        given = journal.approvals(plan_id)
    return {
        "request": "carry out",
        "plan": plan_to_doc(stored.plan),
        "lines": list(plan_lines(stored.plan)),
        "approvals": [{"approver": one.approver, "signature": one.signature} for one in given][-32:],
        "rehearsal": [one_line(line, 500) for line in stored.lines[:500]],
    }
