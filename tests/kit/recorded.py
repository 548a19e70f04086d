"""The folder of data recorded from real chains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def folder() -> Path:
    """The folder named by the environment variable YIELDBOT_DATA; without it the test is skipped."""
    where = os.environ.get("YIELDBOT_DATA")
    if not where or not (Path(where) / "solana").is_dir():
        pytest.skip("YIELDBOT_DATA does not name a folder with recorded data (solana)")
    return Path(where)
