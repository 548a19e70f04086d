"""The process of a sandbox's node: found again by a file in its folder, and stopped."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A running node of a sandbox. Each family adds how its process is identified and ended."""

    directory: Path
    """The folder that holds all of its files."""
    rpc_url: str
    """URL on which its node listens."""
    pid: int
    """The node's process id."""

    STATE: ClassVar[str]
    """The file in the folder that identifies the process."""
    LOG: ClassVar[str]
    """The file in the folder that the node's output goes to."""

    @property
    def config(self) -> Path:
        """Its yieldbot.toml."""
        return self.directory / "yieldbot.toml"

    @property
    def alive(self) -> bool:
        """Whether its node still runs; another process that got the same process id does not count."""
        raise NotImplementedError

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC request, blocking. Raises NodeRefused for an error answer, TransientError for none."""
        import urllib.request

        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.rpc_url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except (OSError, ValueError):
            raise TransientError(f"the sandbox's node does not answer: see {self.directory / self.LOG}") from None
        if error := answer.get("error"):
            raise self.refused(method, error)
        return answer["result"]

    def refused(self, method: str, error: dict[str, Any]) -> NodeRefused:
        """The error for a JSON-RPC error answer, by the family's client."""
        raise NotImplementedError

    def end(self) -> None:
        """End the running process."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the node; the folder stays. Nothing happens when it has ended already."""
        if self.alive:
            self.end()
        (self.directory / self.STATE).unlink(missing_ok=True)

    def remember(self) -> None:
        """Write the file by which the process is found again."""
        part = self.directory / (self.STATE + ".part")
        part.write_text(json.dumps(asdict(self) | {"directory": str(self.directory)}, indent=1))
        os.replace(part, self.directory / self.STATE)

    @classmethod
    def current(cls, directory: Path) -> Self | None:
        """The sandbox that runs from a folder; None: none does."""
        try:
            state = json.loads((directory / cls.STATE).read_text())
            found = cls(**(state | {"directory": directory}))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.alive else None
