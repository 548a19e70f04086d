"""Slots for large things: one bound for all processes of a user, which a killed process gives back, and keys that are
opened once each."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.kit.program import ROOT
from yieldbot.execution import slots as slots_of
from yieldbot.execution.file_signer import FileSigner
from yieldbot.execution.slots import GIB, Slots, accounts_at_once, forks_at_once, keys_at_once, runtime_folder
from yieldbot.model.ids import Address

TAKES = """
import asyncio, sys
from pathlib import Path
from yieldbot.execution.slots import Slots
async def main():
    async with Slots("fork", 2, Path(sys.argv[1])).held():
        print("has one", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def in_use(folder: Path) -> int:
    """How many slots some process holds."""
    found = 0
    for path in folder.glob("fork-*.lock"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found += 1
    return found


async def test_slots_are_shared_by_processes_and_a_killed_one_gives_its_own_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKES, str(tmp_path)]
    others = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [one.stdout.readline() for one in others if one.stdout] == ["has one\n"] * 2
        assert in_use(tmp_path) == 2
        waits, has = list[str](), asyncio.Event()

        async def third() -> None:
            async with Slots("fork", 2, tmp_path).held(waits.append):
                has.set()

        waiting = asyncio.create_task(third())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not has.is_set()
        others[0].kill()
        await waiting
        assert has.is_set() and in_use(tmp_path) == 1
    finally:
        for one in others:
            one.kill()
            one.communicate()


async def test_no_more_than_the_slots_are_held_who_asked_first_is_first_and_one_inside_another_is_none(
    tmp_path: Path,
) -> None:
    slots, order, most, now = Slots("fork", 3, tmp_path), list[int](), 0, 0

    async def one(index: int) -> None:
        nonlocal most, now
        async with slots.held(), slots.held():
            order.append(index)
            now += 1
            most = max(most, now)
            assert in_use(tmp_path) <= 3
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(one(index) for index in range(12)))
    assert most <= 3 and order == list(range(12)) and in_use(tmp_path) == 0


async def test_a_wait_that_ends_early_gives_back_what_it_had_not(tmp_path: Path) -> None:
    slots = Slots("fork", 1, tmp_path)
    async with slots.held():
        waiting = asyncio.create_task(slots.held().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with slots.held():
        assert in_use(tmp_path) == 1


async def test_without_a_folder_the_bound_is_the_processs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Slots("fork", 1, tmp_path / "gone")
    async with gone.held():
        assert gone._taken() is None
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "yieldbot").mkdir(mode=0o777)
    (tmp_path / "yieldbot").chmod(0o777)  # others could remove what is locked
    assert runtime_folder() != tmp_path / "yieldbot"
    (tmp_path / "yieldbot").chmod(0o700)
    assert runtime_folder() == tmp_path / "yieldbot"


@pytest.mark.parametrize(
    ("cores", "memory", "forks", "keys"), [(2, 2 * GIB, 4, 2), (1, GIB // 4, 1, 1), (64, 512 * GIB, 16, 64)]
)
def test_the_bounds_follow_cores_and_memory(cores: int, memory: int, forks: int, keys: int) -> None:
    assert (forks_at_once(cores, memory), keys_at_once(cores, memory)) == (forks, keys)


def test_accounts_at_once_leave_files_for_their_forks() -> None:
    assert [accounts_at_once(files) for files in (64, 256, 1024, 2**20)] == [1, 2, 16, 16]


class Counted(FileSigner):
    """A keystore whose opening is counted, and takes until all its fellows are there or none is to come."""

    most = now = opened_ = 0
    guard = threading.Lock()

    def _unlocked(self, passphrase: str) -> str:
        with self.guard:
            Counted.now += 1
            Counted.opened_ += 1
            Counted.most = max(Counted.most, Counted.now)
        os.sched_yield()
        with self.guard:
            Counted.now -= 1
        return passphrase


def test_keys_are_opened_beside_each_other_within_the_bound_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots("keystore", 2, tmp_path)
    monkeypatch.setattr(slots_of, "key_slots", lambda: slots)
    signers = [Counted(tmp_path / str(at), lambda: "secret", Address(f"0x{at:040x}")) for at in range(8)]
    threads = [threading.Thread(target=one.open) for one in signers * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.opened for one in signers)
    assert Counted.opened_ == 8 and Counted.most <= 2
