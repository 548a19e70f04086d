"""How many random draws a test tries: a sample in the suite, all of them in ``scripts/soak draws``."""

from __future__ import annotations

import os

ALL = "YIELDBOT_TEST_DRAWS"


def draws(sample: int, of: int) -> int:
    """``sample``, or ``of`` where all are asked for: more of what a test asserts, never something else."""
    return of if os.environ.get(ALL) == "all" else sample
