"""Signer and server as two users of one system: the server's gets no key, no memory and no file of the signer's,
whatever it opens; nothing is lost when the signer is killed or a disk is full. Skipped where the tests do not run as
root."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.disks import disk, full
from tests.kit.signer import ANNA, BEN, folder, handed, plan, signature
from tests.kit.signer_process import OTHER, SERVER, SIGNER, Signing
from yieldbot.app.signer_client import SignerAway, ask
from yieldbot.app.signer_link import SignerLink
from yieldbot.app.signer_requests import framed
from yieldbot.errors import SafetyError
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Plan

PTRACE_ATTACH = 16
STATUS = {"request": "status"}
OF_A_PROCESS = ("auxv", "cwd", "environ", "exe", "fd", "fdinfo", "io", "map_files", "maps", "mem", "ns", "pagemap",
                "personality", "root", "smaps", "stack", "syscall", "task", "timers", "wchan")  # fmt: skip
"""What /proc has of a process; wchan and task are open to all and hold no memory."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user can reach."""
    made = Path(tempfile.mkdtemp(prefix="yb", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def signing(place: Path) -> Iterator[Signing]:
    """A signer whose folder is a small disk."""
    with disk(place / "signer") as own:
        made = Signing(place, own)
        made.begin()
        yield made
        if made.process is not None:
            made.process.kill()
            made.process.wait()


def opened(name: str) -> None:
    """Open whatever this is: a file, a folder or a link."""
    if os.path.islink(name):
        os.readlink(name)
    elif os.path.isdir(name):
        os.listdir(name)
    else:
        with open(name, "rb") as file:
            file.read(1)


def as_user(uid: int, tried: Callable[[], Any]) -> Any:
    """What a function returns in a process of this user, which is in the server's group if it is the server."""
    here, there = multiprocessing.get_context("fork").Pipe()

    def run() -> None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        there.send(tried())

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    there.close()
    try:
        assert here.poll(120), "it hangs"
        return here.recv()
    finally:
        process.kill()
        process.join()


def read_by(uid: int, names: list[str]) -> set[str]:
    """Which of these a user can read."""

    def tried() -> set[str]:
        found = set()
        for name in names:
            try:
                opened(name)
            except OSError as failure:
                assert failure.errno in (errno.EACCES, errno.EPERM, errno.ENOENT), (name, failure)
            else:
                found.add(name)
        return found

    found: set[str] = as_user(uid, tried)
    return found


def test_the_servers_user_can_open_nothing_of_the_signers(signing: Signing, place: Path) -> None:
    assert signing.process is not None
    pid, own = signing.process.pid, signing.folder
    assert f"\nUid:\t{SIGNER}\t{SIGNER}\t{SIGNER}\t{SIGNER}\n" in Path(f"/proc/{pid}/status").read_text()
    files = [str(own), *map(str, own.rglob("*"))]
    private = {str(own / name) for name in ("keys/main.json", "passphrase", ".env", "data/journal.sqlite")}
    assert private <= set(files) and {str(own / "data/approvers.json"), str(own / "yieldbot.toml")} <= set(files)
    assert private <= read_by(SIGNER, files), "its own user can: the test sees what can be read"
    memory = [f"/proc/{pid}/{name}" for name in OF_A_PROCESS]
    for user in (SERVER, OTHER, SIGNER):
        read = read_by(user, memory if user == SIGNER else files + memory)
        assert read <= {f"/proc/{pid}/wchan", f"/proc/{pid}/task"}, (user, read)
    public = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "status", "stat", "comm"))
    assert not [one for one in signing.secrets if one in public + signing.log.read_bytes()]

    libc = ctypes.CDLL(None, use_errno=True)

    def attack() -> list[str]:
        done = []
        if libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0:
            done.append("traced")
        for attempt, act in (
            ("killed", lambda: os.kill(pid, signal.SIGKILL)),
            ("socket removed", signing.at.unlink),
            ("socket replaced", lambda: (signing.at.parent / "x").symlink_to("/tmp")),
            ("configuration changed", lambda: (own / "yieldbot.toml").write_text("")),
        ):
            try:
                act()
            except OSError as failure:
                assert failure.errno in (errno.EACCES, errno.EPERM)
            else:
                done.append(attempt)
        return done

    assert as_user(SERVER, attack) == [] and signing.process.poll() is None


def test_the_socket_is_the_servers_alone(signing: Signing) -> None:
    found = signing.at.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o660, SIGNER, SERVER)
    assert signing.at.parent.stat().st_mode & 0o022 == 0

    def asked() -> str:
        try:
            return str(asyncio.run(ask(signing.at, STATUS))["needed"])
        except (SafetyError, SignerAway) as refusal:
            return str(refusal)

    assert as_user(SERVER, asked) == "2"
    assert "Permission denied" in as_user(OTHER, asked)
    signing.at.chmod(0o666)  # as if the mode were not there: the connection's credentials count
    assert "NOT_ALLOWED" in as_user(OTHER, asked)
    signing.at.chmod(0o660)


def test_a_signer_that_is_killed_in_the_middle_of_requests_loses_nothing(signing: Signing) -> None:
    taken, half, sent = (plan(height=20 + number, raw=number) for number in (1, 2, 3))
    assert asyncio.run(ask(signing.at, handed(taken, anna=ANNA, ben=BEN)))["status"] == "queued"
    lines = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for line, frame in zip(
        lines, (framed(handed(half, anna=ANNA, ben=BEN))[:-100], framed(handed(sent, anna=ANNA, ben=BEN))), strict=True
    ):
        line.connect(str(signing.at))
        line.sendall(frame)
    assert signing.end(signal.SIGKILL) == -signal.SIGKILL
    for line in lines:
        line.close()
    with pytest.raises(SignerAway):
        asyncio.run(ask(signing.at, STATUS))
    signing.begin()  # at the socket that the one before left behind
    for one in (half, sent, sent):
        asyncio.run(ask(signing.at, handed(one, anna=ANNA, ben=BEN)))
    with Journal.read(signing.folder / "data" / "journal.sqlite") as journal:
        written = [one.entry.plan.id for one in journal.history() if isinstance(one.entry, PlanWritten)]
    assert sorted(written) == sorted(one.id for one in (taken, half, sent)), "each once"


def test_full_disks_lose_nothing_and_both_go_on_when_there_is_room(signing: Signing, place: Path) -> None:
    first, second, third = (plan(height=30 + number, raw=number) for number in (1, 2, 3))
    with disk(place / "server") as own:
        context = folder(own / "x")
        file, link = context.settings.data_dir / "journal.sqlite", SignerLink(context, signing.at)

        def queue(wanted: Plan) -> None:
            given = [
                ApprovalGiven(plan_id=wanted.id, approver=n, signature=signature(wanted, k))
                for n, k in (("anna", ANNA), ("ben", BEN))
            ]
            with Journal.open(file) as journal:
                journal.append(PlanWritten(wanted, ("x",)), PlanMarked(wanted.id, PlanStatus.QUEUED, "queue"), *given)

        def reason(wanted: Plan) -> str:
            with Journal.read(file) as journal:
                found = journal.plan(wanted.id)
                assert found is not None and found.status is PlanStatus.QUEUED
                return found.reason

        queue(first)
        asyncio.run(link.work())
        assert link.away is None and reason(first) == "handed to the signer"

        with full(signing.folder):
            queue(second)
            for _ in range(3):
                asyncio.run(link.work())
            assert link.away is not None and "cannot do this now" in link.away and reason(second) == ""
            said = signing.said()
            assert f"the disk of {signing.folder}/data is full or failing; nothing was written; free space" in said
        asyncio.run(link.work())
        assert link.away is None and reason(second) == "handed to the signer", "at once: a full disk is no refusal"

        queue(third)
        with full(own):
            for _ in range(3):
                asyncio.run(link.work())
            assert len([one for one in context.lines if "the disk of" in one and "free space" in one]) == 1, (
                context.lines
            )
        asyncio.run(link.work())
        assert reason(third) == "handed to the signer"
        with Journal.read(signing.folder / "data" / "journal.sqlite") as journal:
            written = [one.entry.plan.id for one in journal.history() if isinstance(one.entry, PlanWritten)][-3:]
            assert written == [first.id, second.id, third.id], "each once"
            head = journal.head()
        with Journal.read(file) as journal:
            assert journal.copied()[0] <= head[0]
    assert signing.process is not None and signing.process.poll() is None
    assert "Traceback" not in signing.said() and "a bug" not in signing.said()
    assert signing.end(signal.SIGTERM) == 0 and not signing.at.exists()
