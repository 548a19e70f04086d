"""The server and the signer over a real socket: handed over once, copied once, and every failure is waited out."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.journal.store import signed
from tests.kit.signer import ANNA, BEN, USDC, Signer, folder, plan, signature
from yieldbot.app.signer_client import SignerAway, ask
from yieldbot.app.signer_link import SignerLink, request_of
from yieldbot.errors import ConfigError, InvariantError, PendingError, SafetyError
from yieldbot.execution.halt import halt, halted
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.copied import copied
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSettled
from yieldbot.journal.rows import GENESIS
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Plan
from yieldbot.model.tx import Reverted
from yieldbot.signer.listening import MOST_CONNECTIONS, Listener, bound, ended

STATUS = {"request": "status"}
PERSONS = (("anna", ANNA), ("ben", BEN))


class Both:
    """A signer that listens, and the server's link to it."""

    def __init__(self, path: Path, place: Path) -> None:
        self.at = place / "signer.sock"
        self.signer = Signer(path / "signer")
        self.context = folder(path / "server")
        self.file = self.context.settings.data_dir / "journal.sqlite"
        self.link = SignerLink(self.context, self.at)
        self.listener = Listener(self.signer.intake.answer, self.signer.intake.note, seconds=0.3)
        self.server: asyncio.Server | None = None

    async def begin(self) -> None:
        self.server = await self.listener.begin(bound(self.at, None))

    async def end(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.listener.end()
        self.server = None

    def queue(self, wanted: Plan, **keys: Any) -> None:
        """The plan waits at the server, signed by these persons."""
        given = [ApprovalGiven(plan_id=wanted.id, approver=n, signature=signature(wanted, k)) for n, k in keys.items()]
        with Journal.open(self.file) as journal:
            journal.append(PlanWritten(wanted, ("x",)), PlanMarked(wanted.id, PlanStatus.QUEUED, "queue"), *given)

    def stored(self, wanted: Plan) -> tuple[str, str]:
        with Journal.read(self.file) as journal:
            found = journal.plan(wanted.id)
            assert found is not None
            return found.status.value, found.reason


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for sockets: paths of tests are longer than the system takes for one."""
    with tempfile.TemporaryDirectory(prefix="yb", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
async def both(tmp_path: Path, place: Path) -> AsyncIterator[Both]:
    made = Both(tmp_path, place)
    await made.begin()
    yield made
    await made.end()
    made.signer.journal.close()


async def test_handed_over_carried_out_and_copied_once(both: Both) -> None:
    wanted, lacking = plan(), plan(height=8, raw=7)
    both.queue(wanted, anna=ANNA, ben=BEN)
    both.queue(lacking, anna=ANNA)
    await both.link.work()
    assert both.link.away is None and both.stored(wanted) == ("queued", "handed to the signer")
    assert both.stored(lacking) == ("queued", "") and both.signer.journal.plan(lacking.id) is None
    tx = replace(signed(), plan_id=wanted.id, chain=wanted.block.chain, owner=wanted.owner)
    journal = both.signer.journal
    journal.append(PlanMarked(wanted.id, PlanStatus.APPROVED, "anna, ben"), tx)
    await both.link.work()
    with Journal.read(both.file) as here:
        assert [one.signed for one in here.open_transactions(wanted.block.chain, wanted.owner)] == [tx]
    outcome = Reverted("0xaa", wanted.block, 5, "no")
    journal.append(TxSettled(tx.chain, tx.owner, outcome), PlanMarked(wanted.id, PlanStatus.FAILED, "execution", "no"))
    for link in (both.link, both.link, SignerLink(both.context, both.at)):  # a restart copies nothing twice
        await link.work()
    with Journal.read(both.file) as here:
        entries = [one.entry for one in here.history()]
        assert entries.count(TxSettled(tx.chain, tx.owner, outcome)) == 1 == entries.count(tx)
        assert here.copied() == journal.head()
    assert both.stored(wanted) == ("failed", "no")


async def test_racing_requests_and_two_servers_stage_a_plan_once(both: Both, tmp_path: Path) -> None:
    """Each gets the same result, and each server's journal has the plan's end once."""
    wanted = plan()
    both.queue(wanted, anna=ANNA, ben=BEN)
    second = SignerLink(folder(tmp_path / "second"), both.at)
    with Journal.open(second.context.settings.data_dir / "journal.sqlite") as other:
        given = [ApprovalGiven(plan_id=wanted.id, approver=n, signature=signature(wanted, k)) for n, k in PERSONS]
        other.append(PlanWritten(wanted, ("x",)), PlanMarked(wanted.id, PlanStatus.QUEUED, "queue"), *given)
    request = request_of(both.context, wanted.id)
    racing = [ask(both.at, request) for _ in range(MOST_CONNECTIONS // 2)]
    *found, _, _ = await asyncio.gather(*racing, both.link.work(), second.work())
    assert {one["status"] for one in found} == {"queued"} and len({one["at"] for one in found}) == 1
    both.signer.journal.append(PlanMarked(wanted.id, PlanStatus.APPROVED, "anna, ben"))
    both.signer.journal.append(PlanMarked(wanted.id, PlanStatus.EXECUTED, "execution"))
    await asyncio.gather(both.link.work(), second.work(), ask(both.at, request))
    entries = [one.entry for one in both.signer.journal.history()]
    assert [type(one).__name__ for one in entries].count("PlanWritten") == 1
    for context in (both.context, second.context):
        with Journal.read(context.settings.data_dir / "journal.sqlite") as here:
            marks = [one.entry for one in here.history() if isinstance(one.entry, PlanMarked)]
        assert [one.status for one in marks].count(PlanStatus.EXECUTED) == 1 and marks[-1].status is PlanStatus.EXECUTED


async def test_a_signer_that_is_away_is_said_once_and_the_plan_waits_for_it(both: Both) -> None:
    wanted = plan()
    both.queue(wanted, anna=ANNA, ben=BEN)
    await both.end()
    for _ in range(2):
        await both.link.work()
    assert both.link.away is not None and both.stored(wanted) == ("queued", "")
    assert len([line for line in both.context.lines if "cannot be reached" in line]) == 1
    await both.begin()
    await both.link.work()
    assert both.link.away is None and both.signer.journal.plan(wanted.id) is not None


async def test_what_the_signer_cannot_do_now_is_asked_again_at_once(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no refusal, after which the plan would wait for minutes."""
    wanted = plan()
    both.queue(wanted, anna=ANNA, ben=BEN)

    def full(*_: Any) -> None:
        raise InvariantError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(both.signer.journal, "append", full)
        await both.link.work()
    assert both.link.away is not None and "cannot do this now" in both.link.away
    assert both.stored(wanted) == ("queued", "") and any("the disk is full" in one for one in both.signer.context.lines)
    await both.link.work()
    assert both.link.away is None and both.stored(wanted) == ("queued", "handed to the signer")


async def test_a_refusal_is_the_plans_reason(both: Both) -> None:
    late = plan(seconds=10**7)
    both.queue(late, anna=ANNA, ben=BEN)
    await both.link.work()
    await both.link.work()
    status, reason = both.stored(late)
    assert status == "queued" and reason.startswith("the signer refuses it: EXPIRES_TOO_LATE")


async def test_a_halt_of_the_server_halts_the_signer_and_no_plan_goes_over(both: Both) -> None:
    wanted = plan()
    both.queue(wanted, anna=ANNA, ben=BEN)
    halt(both.context.settings.data_dir, "smoke", 1)
    await both.link.work()
    await both.link.work()
    assert "smoke" in str(halted(both.signer.context.settings.data_dir)) and both.signer.journal.plan(wanted.id) is None
    await both.link.halt("again")
    with pytest.raises(SafetyError, match="MALFORMED"):
        await ask(both.at, {"request": "resume"})


async def test_another_journal_than_was_copied_is_not_copied(both: Both) -> None:
    both.queue(plan(), anna=ANNA, ben=BEN)
    await both.link.work()
    rows = [list(row) for row in both.signer.journal.rows_after(0, 99)]
    assert [record.seq for _, record in copied(rows, 0, GENESIS)] == list(range(1, len(rows) + 1))
    for changed in ([*rows[0][:7], "{}", *rows[0][8:]], [True, *rows[0][1:]], rows[0][:9], "row"):
        with pytest.raises(InvariantError):
            copied([changed], 0, GENESIS)
    with pytest.raises(InvariantError, match="replaced"):
        copied(rows[1:], 0, GENESIS)
    both.link._seen = (len(rows) + 5, GENESIS)
    await both.link.work()
    assert both.link.away is not None and "an older one is there" in both.link.away


async def raw(at: Path, *parts: bytes, wait: float = 0.0, close: bool = False) -> bytes:
    """What comes back for these bytes."""
    reader, writer = await asyncio.open_unix_connection(str(at))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(wait)
        if close:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("parts", "close", "code"),
    [
        ((b"\0\0\0\x05{}",), True, "MALFORMED"),
        ((b"\0\0",), True, "MALFORMED"),
        ((b"\0\0\0\x05{",), False, "TOO_SLOW"),
        ((b"\xff\xff\xff\xff",), False, "TOO_LARGE"),
        ((b"\0\0\0\0",), False, "TOO_LARGE"),
        ((b"GET / HTTP/1.1\r\n\r\n",), False, "TOO_LARGE"),
        ((b"\0\0\0\x02[]",), False, "MALFORMED"),
    ],
)
async def test_half_frames_and_wrong_lengths(both: Both, parts: tuple[bytes, ...], close: bool, code: str) -> None:
    found = await raw(both.at, *parts, close=close)
    assert json.loads(found[4:])["problem"]["code"] == code
    assert (await ask(both.at, STATUS))["halted"] is None


async def test_a_flood_is_bounded_and_the_next_caller_is_served(both: Both) -> None:
    idle = [await asyncio.open_unix_connection(str(both.at)) for _ in range(3 * MOST_CONNECTIONS)]
    assert len(both.listener._open) <= MOST_CONNECTIONS
    await asyncio.gather(*(reader.read() for reader, _ in idle), return_exceptions=True)  # slow ones are dropped
    for _, writer in idle:
        writer.transport.abort()
    assert (await ask(both.at, STATUS))["needed"] == 2


async def test_only_named_users_may_ask(both: Both) -> None:
    both.listener.allowed = frozenset((os.geteuid() + 1,))
    with pytest.raises(SafetyError, match="NOT_ALLOWED"):
        await ask(both.at, STATUS)


async def test_what_answers_and_is_no_signer(place: Path) -> None:
    answers = iter((b"\0\0\0\x02[]", b"\x7f\xff\xff\xff", b""))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))
        writer.close()

    server = await asyncio.start_unix_server(answer, str(place / "s"))
    for _ in range(3):
        with pytest.raises(SignerAway):
            await ask(place / "s", STATUS, 5.0)
    server.close()


def test_the_sockets_mode_and_folder(place: Path) -> None:
    at = place / "s"
    bound(at, os.getegid()).close()
    assert at.stat().st_mode & 0o777 == 0o660
    bound(at, None).close()  # what a signer that was killed left behind
    living = bound(at, None)
    with pytest.raises(ConfigError, match="another signer listens there"):
        bound(at, None)
    ended(at, at.stat().st_ino + 1)
    assert at.exists(), "what is another's stays"
    living.close()
    at.unlink()
    at.write_text("not a socket")
    with pytest.raises(ConfigError, match="something else is there"):
        bound(at, None)
    with pytest.raises(ConfigError, match="there is no folder"):
        bound(place / "none" / "s", None)
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    with pytest.raises(ConfigError, match="can be changed by other users"):
        bound(place / "open" / "s", None)
    with pytest.raises(ConfigError, match="at most 107 bytes: name a shorter path"):
        bound(place / ("s" * 107), None)


def test_nothing_is_planned_while_the_signer_has_something_open(both_journal: Any) -> None:
    from yieldbot.app.unsettled import none_open

    world, job, tx = both_journal
    assert none_open(world, job) == ()
    world.journal.append(tx)
    with pytest.raises(PendingError, match="the signer settles it"):
        none_open(world, job)


@pytest.fixture
def both_journal(tmp_path: Path) -> Any:
    from types import SimpleNamespace

    context = folder(tmp_path / "server")
    (job,) = context.settings.jobs
    tx = replace(signed(), chain=job.chain.chain, owner=job.wallet.address)
    assert job.asset == USDC and struct.calcsize("3i") == 12 and socket.SO_PEERCRED
    with Journal.open(context.settings.data_dir / "journal.sqlite") as journal:
        yield SimpleNamespace(settings=context.settings, journal=journal), job, tx
