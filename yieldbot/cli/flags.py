"""Flags that several commands have, and how their values are read."""

from __future__ import annotations

import argparse

from yieldbot.app.wiring import JobFilter
from yieldbot.model.numbers import number


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that narrow a command to some of the configured jobs."""
    for name in ("wallet", "chain", "asset"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only the jobs of this {name}")


def natural(text: str) -> int:
    """A flag's whole number of 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def decimal(text: str) -> float:
    """A flag's plain number of 0 or more that is no money."""
    try:
        return number(text, "write digits and one point, as 0.5")
    except ValueError as bad:
        raise argparse.ArgumentTypeError(str(bad)) from None


def filter_of(args: argparse.Namespace) -> JobFilter:
    """What ``add_job_flags`` read."""
    return JobFilter(wallet=args.wallet, chain=args.chain, asset=args.asset)
