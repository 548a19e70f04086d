"""``python -m tests.property.soak FIRST COUNT``: decisions about random snapshots of several assets, one of each seed.

Every case that raises or breaks an invariant is printed with its seed, and the soak goes on; it ends with 1 if any did.
Progress is printed on stderr every minute, and when the soak is ended by a signal.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
import traceback
from collections import Counter

from tests.property.several import decided

SAID_EVERY_SECONDS = 60


def run(first: int, count: int) -> int:
    """How many of the seeds from ``first`` on failed; their faults are printed."""
    began = said = time.monotonic()
    slowest, done, outcomes, failed = (0.0, first), 0, Counter[str](), list[int]()

    def tell() -> None:
        document = {
            "first": first,
            "done": done,
            "failed": failed,
            "outcomes": dict(outcomes.most_common()),
            "slowest": {"seed": slowest[1], "cpu_seconds": round(slowest[0], 2)},
            "seconds": round(time.monotonic() - began),
        }
        print(json.dumps(document), file=sys.stderr, flush=True)

    def ended(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    try:
        for seed in range(first, first + count):
            start = time.process_time()
            try:
                outcomes[decided(random.Random(seed))] += 1
            except Exception:
                failed.append(seed)
                print(f"seed {seed}:\n{traceback.format_exc()}", flush=True)
            slowest = max(slowest, (time.process_time() - start, seed))
            done += 1
            if time.monotonic() - said > SAID_EVERY_SECONDS:
                said = time.monotonic()
                tell()
    except KeyboardInterrupt:
        pass
    tell()
    return len(failed)


if __name__ == "__main__":
    sys.exit(1 if run(int(sys.argv[1]), int(sys.argv[2])) else 0)
