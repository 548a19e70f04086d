"""How long steps took here before, so that a step which takes long can say so when it begins: true of this machine and
this node, where a fixed number in a message is true of nobody's.

One small JSON file in the data directory (of a sandbox: in its folder): seconds by step. Nothing depends on it: without
it, or with a damaged one, steps begin without an estimate.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.model.json_text import loads
from yieldbot.model.text import counted, one_line
from yieldbot.model.time_left import about

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring
    from yieldbot.model.plan import Plan
    from yieldbot.model.settings import Job

FILE = "step-times.json"
LEAST_SECONDS = 4.0
"""Of shorter steps nothing is said."""
MOST_STEPS = 200
"""Most steps that are kept, those of the longest ago are dropped."""
LONGEST_NAME = 120
MOST_BYTES = 2**20


def last(folder: Path, name: str) -> float | None:
    """Seconds that this step took the last time; None: not known."""
    return _read(folder).get(_key(name))


@contextmanager
def step(say: Callable[[str], None], folder: Path, name: str, line: str) -> Iterator[None]:
    """Say that a step begins, and how long it took the last time here; once it has ended without an error, remember
    how long it took. name: the step with what its duration depends on. say: prints a line."""
    before = last(folder, name)
    say(line if before is None or before < LEAST_SECONDS else f"{line}: {about(before)}, as the last time here")
    began = time.monotonic()
    yield
    _remember(folder, name, time.monotonic() - began)


def rehearsing(world: Wiring, job: Job, plan: Plan, block: str) -> AbstractContextManager[None]:
    """The step of a rehearsal on a fork of this block: as long as that of as many legs on the same chain."""
    legs = counted(len(plan.legs), "leg")
    name = f"rehearse {job.chain.name} {legs}"
    return step(world.say, world.settings.data_dir, name, f"rehearsing {legs} on a fork of {block}")


def _key(name: str) -> str:
    return one_line(name, LONGEST_NAME)


def _read(folder: Path) -> dict[str, float]:
    try:
        with (folder / FILE).open("rb") as file:
            found = loads(file.read(MOST_BYTES).decode())
        return {str(name): float(taken) for name, taken in found.items() if math.isfinite(float(taken))}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(folder: Path, name: str, seconds: float) -> None:
    """Keep it if there is a folder that can be written."""
    if not folder.is_dir():
        return
    known = _read(folder)
    known.pop(_key(name), None)
    kept = dict([*known.items(), (_key(name), round(seconds, 1))][-MOST_STEPS:])
    part = folder / f"{FILE}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        part.write_text(json.dumps(kept))
        os.replace(part, folder / FILE)
