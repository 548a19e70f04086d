"""What several rooms of tests are made with: builders, doubles, pools, schedules, the program run as a person would."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The top of the tree, where ``abis``, ``chains`` and ``docs`` lie."""
