"""``python -m tests.fuzz TARGET [--seconds N | --runs N | --replay HEX]``: fuzz one target, guided by coverage.

A finding prints its input in hex, and how to run it again, and ends with 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

LONGEST_INPUT = 8192
LONGEST_RUN_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzz one target, guided by coverage.")
    parser.add_argument("target", help="one of tests/fuzz/targets.py, or `list`")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--runs", type=int, help="this many inputs instead of a time")
    parser.add_argument("--replay", metavar="HEX", help="run one input, without the fuzzer")
    args = parser.parse_args()
    atheris: Any = None
    if args.replay is None and args.target != "list":
        import atheris

        with atheris.instrument_imports(include=["yieldbot"]):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    if args.target == "list":
        print("\n".join(TARGETS))
        return 0
    if args.target not in TARGETS:
        parser.error(f"{args.target}: name one of {', '.join(TARGETS)}")
    fuzzed = TARGETS[args.target]
    if args.replay is not None:
        fuzzed.run(bytes.fromhex(args.replay))
        print("it ends well")
        return 0

    def one(data: bytes) -> None:
        try:
            fuzzed.run(data)
        except BaseException:
            print(f"FOUND by {args.target}: run it again: scripts/fuzz {args.target} --replay {data.hex()}", flush=True)
            raise

    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name) / "corpus"
        corpus.mkdir()
        with atheris.instrument_imports(include=["yieldbot"]):  # what a target imports when it first runs
            for number, seed in enumerate(fuzzed.seeds()):
                (corpus / f"seed-{number}").write_bytes(seed)
                one(seed)
        until = [f"-runs={args.runs}"] if args.runs is not None else [f"-max_total_time={args.seconds}"]
        options = [
            *until,
            f"-max_len={LONGEST_INPUT}",
            f"-timeout={LONGEST_RUN_SECONDS}",
            f"-artifact_prefix={name}/",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], one)
        sys.stdout.flush()
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
