"""Flags that several commands share, and parsers of flag values."""

from __future__ import annotations

import argparse

from yieldbot.app.wiring import JobFilter
from yieldbot.model.numbers import number


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that narrow a command to some of the configured jobs."""
    for name in ("wallet", "chain", "asset"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only the jobs of this {name}")


def add_timeout_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag of how long a person is waited for."""
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="how long an answer is waited for; afterwards nothing is signed (default: until the plan expires, or the "
        "run's time is over)",
    )


def natural(text: str) -> int:
    """Parse a flag's whole number of 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def decimal(text: str) -> float:
    """Parse a flag's decimal number of 0 or more. Not for money, which is an integer (docs/decisions, 0004)."""
    try:
        return number(text, "write digits and one point, as 0.5")
    except ValueError as bad:
        raise argparse.ArgumentTypeError(str(bad)) from None


def filter_of(args: argparse.Namespace) -> JobFilter:
    """The filter that the flags of ``add_job_flags`` make."""
    return JobFilter(wallet=args.wallet, chain=args.chain, asset=args.asset)
