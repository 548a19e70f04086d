"""What every use case has: its configuration, where progress is told, and who is asked for a secret."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import telemetry
from yieldbot.errors import YieldbotError
from yieldbot.model.text import one_line, printable

if TYPE_CHECKING:
    from yieldbot.model.settings import Settings

SECRET_ENDINGS = ("RPC_URL", "PASSPHRASE", "PASSWORD", "PRIVATE_KEY", "SECRET", "TOKEN", "API_KEY")
"""Environment variables whose names end so are hidden in every text, whatever the configuration says of them."""


class Context:
    """One use of the bot. Progress goes to stderr by lines; a door that wants it elsewhere overrides ``say``."""

    secret: Callable[[str], str] | None = None
    """Asks a person for what is not shown while it is typed, as a passphrase; None where nobody can be asked."""

    def __init__(self, config: Path = Path("yieldbot.toml")) -> None:
        self.verbose = False
        self.config = config
        self._settings: Settings | None = None
        self._began = time.monotonic()

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
                telemetry.listen(sys.stderr, self.secrets())
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

    def waiting(self) -> AbstractContextManager[None]:
        """Around a wait for a person, as at a signing device: a terminal lets Ctrl-C end it at once."""
        return nullcontext()

    def redacted(self, text: str) -> str:
        return telemetry.redacted(text, self.secrets())

    def secrets(self) -> list[str]:
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
