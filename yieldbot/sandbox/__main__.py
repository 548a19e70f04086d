"""``python -m yieldbot.sandbox [UNIT...]``: fills the cache of compiled contracts in advance, for scripts: the
sandbox's own units, and the named units of compile.cjs."""

from __future__ import annotations

import sys

from yieldbot.errors import YieldbotError
from yieldbot.sandbox import compile_contracts


def main() -> int:
    try:
        compile_contracts(lambda line: print(line, file=sys.stderr, flush=True), sys.argv[1:])
    except YieldbotError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
