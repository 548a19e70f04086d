"""How many random draws a test tries: a sample in the suite, all of them in ``scripts/soak draws``."""

from __future__ import annotations

import os

ALL = "YIELDBOT_TEST_DRAWS"


def draws(sample: int, of: int) -> int:
    """``sample``; in ``scripts/soak draws`` the larger number ``of``. A test must assert the same with either."""
    return of if os.environ.get(ALL) == "all" else sample
