"""``scripts/bench``: run the named measurements, one JSON document a line on stdout; progress on stderr.

A measurement is a module of this folder with ``main(rpc_url, settings, adapters) -> document`` (run on a sandbox that
is started for it), or with ``compare() -> document`` where it needs none. ``clear-signing FOLDER`` compares
descriptions by a public registry's descriptors with the registry's own tests. A single measurement takes flags if its
module has a ``parser()`` for them: they are compare's arguments.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

NAMES = (
    "startup",
    "journal",
    "read",
    "simulate",
    "swap",
    "lp",
    "solana",
    "allocator",
    "decisions",
    "accuracy",
    "forecast",
    "policy",
    "history",
    "signals",
    "risk",
    "api",
    "accounts",
)


def main() -> int:
    if sys.argv[1:2] == ["clear-signing"]:
        from tests.bench.clear_signing import measure

        if len(sys.argv) != 3 or not Path(sys.argv[2]).is_dir():
            print("scripts/bench: clear-signing needs a folder: the ERC-7730 registry with its tests", file=sys.stderr)
            return 2
        return measure(Path(sys.argv[2]))
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure what yieldbot claims.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(NAMES)}; all by default; "
        "or clear-signing REGISTRY_FOLDER: the public ERC-7730 registry's own test cases",
    )
    options: dict[str, Any] = {}
    match sys.argv[1:]:
        case ["signals", *flags] if flags:
            from tests.bench.signals import parser as of_signals

            options = vars(of_signals().parse_args(flags))
            sys.argv[2:] = []
        case [name, flag, *flags] if name in NAMES and flag.startswith("-") and _there(name):
            module = importlib.import_module(f"tests.bench.{name}")
            if hasattr(module, "parser"):
                options = vars(module.parser().parse_args([flag, *flags]))
                sys.argv[2:] = []
    names = parser.parse_args().names or [name for name in NAMES if _there(name)]
    for name in names:
        if name not in NAMES or not _there(name):
            known = ", ".join([*filter(_there, NAMES), "clear-signing FOLDER"])
            print(f"scripts/bench: no measurement {name!r}; there are: {known}", file=sys.stderr)
            return 2
    with ExitStack() as stack:
        world: tuple[Any, ...] | None = None
        for name in names:
            module = importlib.import_module(f"tests.bench.{name}")
            if hasattr(module, "main"):
                world = world or _world(stack)
                found = module.main(*world)
            else:
                found = module.compare(**options)
            print(json.dumps({"bench": name} | (found if isinstance(found, dict) else {"rows": found})), flush=True)
    return 0


def _there(name: str) -> bool:
    spec = importlib.util.find_spec(f"tests.bench.{name}")
    if spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).read_text()
    return "\ndef main(" in source or "\ndef compare(" in source


def _world(stack: ExitStack) -> tuple[Any, ...]:
    """A sandbox for all measurements of one call: its RPC address, its settings, the adapters."""
    from yieldbot.config.load import load
    from yieldbot.protocols import adapters
    from yieldbot.sandbox import running_sandbox

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="yieldbot-bench-"))
    sandbox = stack.enter_context(running_sandbox(Path(folder), lambda line: print(line, file=sys.stderr, flush=True)))
    return sandbox.rpc_url, load(sandbox.config), adapters()


if __name__ == "__main__":
    sys.exit(main())
