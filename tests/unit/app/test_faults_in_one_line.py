"""What fails outside of all jobs is one line of each kind; what is left for the process's end is none."""

from __future__ import annotations

import asyncio

from yieldbot.app.job_turns import _faults_in_one_line


async def test_a_fault_is_said_once_and_what_ctrl_c_left_open_is_not() -> None:
    said = list[str]()
    _faults_in_one_line(said.append)
    loop = asyncio.get_running_loop()
    for found in ({"exception": MemoryError()}, {"exception": MemoryError()}, {}):
        loop.call_exception_handler({"message": "Unclosed connector" if not found else "a connection ended", **found})
    assert said == ["a connection ended: MemoryError"]
