"""The terminal: where a command's result, progress and errors go."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from yieldbot.app import telemetry
from yieldbot.app.context import Context
from yieldbot.cli.prompts import for_terminal, interruptible, secret
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.model.text import escaped, one_line

TYPE_CHECKING = False  # see yieldbot/__init__.py
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rich.console import Console, RenderableType

PIPE_WIDTH = 140


class Screen(Context):
    """One command on a terminal. stdout: only the result (tables, or one JSON document); stderr: progress and
    errors."""

    def __init__(self, json: bool = False) -> None:
        super().__init__()
        self.json = json
        self.quiet = False
        """Whether progress is not printed."""
        self.repeats = False
        """Whether several documents are printed, one after another."""
        self.command = ""
        self.secret = secret if sys.stdin.isatty() else None

    def waiting(self) -> AbstractContextManager[None]:
        return interruptible()

    def take(self, args: argparse.Namespace) -> None:
        """Apply the parsed global flags."""
        self.json, self.verbose, self.config = args.json, args.verbose, args.config
        self.repeats = getattr(args, "watch", None) is not None
        self.command, self.quiet = args.command, getattr(args, "quiet", False)
        self.whole = getattr(args, "whole", True)

    def say(self, line: str) -> None:
        if not self.quiet:
            super().say(line if telemetry.is_json() else for_terminal(line, sys.stderr))

    def complain(self, line: str) -> None:
        quiet, self.quiet = self.quiet, False
        try:
            super().complain(line)
        finally:
            self.quiet = quiet

    def show(self, document: Mapping[str, Any], *parts: Callable[[], RenderableType]) -> None:
        """Print the result: the document for --json, else the parts, which are built only then."""
        if self.json:
            self._write(document)
            return
        if parts:
            console = self.console()
            for part in parts:
                shown = part()
                if isinstance(shown, str):
                    shown = for_terminal(shown, sys.stdout)
                whole = hasattr(shown, "plain") and not sys.stdout.isatty()  # lines stay whole in a pipe
                console.print(shown, soft_wrap=whole or not hasattr(shown, "__rich_console__"))

    def console(self, record: bool = False, quiet: bool = False, width: int | None = None) -> Console:
        """The console for tables, as wide as the terminal, or PIPE_WIDTH into a pipe.

        ``record``: keep what is printed, for a picture; ``quiet``: do not print.
        """
        import io

        from yieldbot.cli.tables import Printable

        on_terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
        return Printable(
            file=io.StringIO() if quiet else None,
            width=width or (None if on_terminal else PIPE_WIDTH),
            record=record,
            highlight=False,
            emoji=False,
            markup=False,
        )

    def fail(self, failure: YieldbotError) -> int:
        """Report an error and return its exit code."""
        line = self.redacted(one_line(str(failure)))
        self.complain(line)
        if self.json:
            code = failure.code if isinstance(failure, SafetyError) else None
            self._write(self._error(type(failure).__name__, code, line, failure.exit_code))
        return failure.exit_code

    def crash(self, unforeseen: Exception) -> int:
        """Report a bug: the traceback goes to a file in data_dir, one line to the terminal. Returns the exit code."""
        import traceback

        text = self.redacted("".join(traceback.format_exception(unforeseen)))
        first = self.redacted(one_line(f"{type(unforeseen).__name__}: {unforeseen}", 500))
        kept = self._keep(text)
        where = f"the traceback is in {kept}" if kept else "its traceback could not be written"
        line = f"this is a bug: {first}; {where}"
        self.complain(line)
        if self.json:
            self._write(self._error(type(unforeseen).__name__, None, line, 1))
        return 1

    def _error(self, kind: str, code: str | None, message: str, exit_code: int) -> dict[str, Any]:
        from yieldbot.app.error_documents import ErrorDocument  # an error alone needs pydantic, help does not

        return ErrorDocument(command=self.command, kind=kind, code=code, message=message, exit_code=exit_code).as_json()

    def _write(self, document: Mapping[str, Any]) -> None:
        import json

        plain = not (sys.stdout.encoding or "").lower().startswith("utf")  # escape what the terminal cannot encode
        indent = None if self.repeats else 2  # JSON Lines: one document a line
        print(escaped(json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=plain)), flush=self.repeats)

    def _keep(self, text: str) -> Path | None:
        try:
            logs = self.data_dir / "logs"
            logs.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = logs / f"crash-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
            with os.fdopen(
                os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8", errors="replace"
            ) as out:
                out.write(text)
            return file
        except OSError:
            return None
