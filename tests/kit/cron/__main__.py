"""Usage: python -m tests.kit.cron PASSES SEED, by `scripts/soak cron`."""

from __future__ import annotations

import sys

from tests.kit.cron import clock

if __name__ == "__main__":
    clock.install()
    from tests.kit.cron.passes import main

    sys.exit(main(sys.argv[1:]))
