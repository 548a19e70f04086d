"""What every command has: where its output goes, its configuration, and how it ends when something is wrong."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import log as events
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.model.text import escaped, one_line, printable

if TYPE_CHECKING:
    import argparse

    from rich.console import Console, RenderableType

    from yieldbot.model.policy import Settings

PIPE_WIDTH = 140
SECRET_ENDINGS = ("RPC_URL", "PASSPHRASE", "PASSWORD", "PRIVATE_KEY", "SECRET", "TOKEN", "API_KEY")
"""Environment variables whose names end so are hidden in every text, whatever the configuration says of them."""


class Context:
    """One invocation. stdout carries the result alone (tables, or one JSON document); stderr carries progress."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.verbose = False
        self.command = ""
        self.config = Path("yieldbot.toml")
        self._settings: Settings | None = None
        self._began = time.monotonic()

    def take(self, args: argparse.Namespace) -> None:
        """The global flags, once they are parsed."""
        self.json, self.verbose, self.config = args.json, args.verbose, args.config
        self.command = args.command

    def use(self, config: Path) -> None:
        """Go on with another configuration than the one that --config names."""
        self.config, self._settings = config, None

    @property
    def program(self) -> str:
        """How to call us again with the same configuration, for hints that people copy."""
        import shlex

        default = self.config == Path("yieldbot.toml")
        return "yieldbot" if default else f"yieldbot --config {shlex.quote(str(self.config.absolute()))}"

    @property
    def settings(self) -> Settings:
        """The configuration, read at first use. Raises ConfigError."""
        if self._settings is None:
            from yieldbot.config.load import load

            self._settings = load(self.config)
            if self.verbose:
                events.listen(sys.stderr, self._secrets())
            for line in self._settings.warnings:
                self.complain(line)
        return self._settings

    @property
    def environment(self) -> dict[str, str]:
        """.env beside the configuration, under the real environment."""
        from yieldbot.config.load import environment

        return environment(self.config)

    @property
    def data_dir(self) -> Path:
        """The configured folder, or the default beside the configuration while that could not be read."""
        return self._settings.data_dir if self._settings else self.config.absolute().parent / ".yieldbot"

    def say(self, line: str) -> None:
        """One progress line. A reader who has gone never stops what is under way."""
        with contextlib.suppress(OSError, ValueError):
            print(printable(line), file=sys.stderr, flush=True)

    def detail(self, line: str) -> None:
        """A progress line for --verbose, with the seconds since the start."""
        if self.verbose:
            self.say(f"[{time.monotonic() - self._began:6.2f} s] {line}")

    def complain(self, line: str) -> None:
        """An error's one line."""
        self.say(f"yieldbot: {one_line(line)}")

    def show(self, document: Mapping[str, Any], *parts: Callable[[], RenderableType]) -> None:
        """The result: the document (with ``schema``) for --json, else the parts, which are built only when wanted."""
        if self.json:
            self._write(document)
            return
        if parts:
            console = self.console()
            for part in parts:
                shown = part()
                console.print(shown, soft_wrap=not hasattr(shown, "__rich_console__") or hasattr(shown, "plain"))

    def console(self, record: bool = False, quiet: bool = False, width: int | None = None) -> Console:
        """Where tables go. A pipe gets enough columns for the widest table, a terminal what it has.

        ``record``: keep what is printed, for a picture; ``quiet``: keep it without printing.
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
        """Say an error; returns its exit code."""
        line = self._redacted(one_line(str(failure)))
        self.complain(line)
        if self.json:
            code = failure.code if isinstance(failure, SafetyError) else None
            self._write(self._error(type(failure).__name__, code, line, failure.exit_code))
        return failure.exit_code

    def crash(self, unforeseen: Exception) -> int:
        """A bug: its traceback goes into a file of the data directory, one line to the terminal."""
        import traceback

        text = self._redacted("".join(traceback.format_exception(unforeseen)))
        first = self._redacted(one_line(f"{type(unforeseen).__name__}: {unforeseen}", 500))
        kept = self._keep(text)
        where = f"the traceback is in {kept}" if kept else "its traceback could not be written"
        line = f"this is a bug: {first}; {where}"
        self.complain(line)
        if self.json:
            self._write(self._error(type(unforeseen).__name__, None, line, 1))
        return 1

    def _error(self, kind: str, code: str | None, message: str, exit_code: int) -> dict[str, Any]:
        return {
            "schema": "yieldbot/error/v1",
            "command": self.command,
            "kind": kind,
            "code": code,
            "message": message,
            "exit_code": exit_code,
        }

    def _write(self, document: Mapping[str, Any]) -> None:
        import json

        plain = not (sys.stdout.encoding or "").lower().startswith("utf")  # escapes: a ? would be another value
        print(escaped(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=plain)))

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

    def _redacted(self, text: str) -> str:
        return events.redacted(text, self._secrets())

    def _secrets(self) -> list[str]:
        """The RPC addresses (providers put keys into them) and passphrases that this run knows."""
        environment: Mapping[str, str] = os.environ
        with contextlib.suppress(YieldbotError):
            environment = self.environment
        secrets = [value for name, value in environment.items() if name.upper().endswith(SECRET_ENDINGS)]
        if self._settings is not None:
            urls = [url for chain in self._settings.chains.values() for url in (*chain.rpc_urls, *chain.submit_urls)]
            secrets += urls + [part for url in urls for part in url.split("/")[3:]]
            names = [wallet.passphrase_env for wallet in self._settings.wallets.values() if wallet.passphrase_env]
            secrets += [environment.get(name, "") for name in names]
        return secrets
