"""Starting the proxies of ``proxy.py``, and telling them what to do wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Proxies:
    """The endpoints of running proxies."""

    urls: tuple[str, ...]

    def set(self, index: int, **plan: Any) -> dict[str, int]:
        """What endpoint ``index`` does wrong from now on; how often it has done each fault since the last call."""
        request = urllib.request.Request(f"{self.urls[index]}/control", json.dumps(plan).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            done: dict[str, int] = json.load(answer)
        return done

    def honest(self) -> None:
        for index in range(len(self.urls)):
            self.set(index)


@contextmanager
def proxies(upstream: str, count: int) -> Iterator[Proxies]:
    """``count`` endpoints before the node at ``upstream``, honest at first."""
    command = [sys.executable, str(Path(__file__).with_name("proxy.py")), upstream, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield Proxies(tuple(json.loads(process.stdout.readline())))
        finally:
            process.stdin.close()
            process.wait(60)
