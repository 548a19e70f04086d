"""Usage: python -m tests.kit.cron.beside SECONDS WORDS...: the program, whose clock starts at these unix seconds."""

from __future__ import annotations

import sys

from tests.kit.cron import clock

if __name__ == "__main__":
    clock.CLOCK.go_to(float(sys.argv[1]))
    clock.install()
    from yieldbot.cli.main import main

    sys.exit(main(sys.argv[2:]))
