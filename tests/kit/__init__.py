"""Helpers that tests of several rooms share: builders of values, doubles, pools, schedules of faults, and running the
program as a person would."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The top of the tree, where ``abis``, ``chains`` and ``docs`` lie."""
