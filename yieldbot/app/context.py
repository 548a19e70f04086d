"""The context of every use case: the configuration, where progress is reported, and how a person is asked for
secrets."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from yieldbot.app import telemetry
from yieldbot.errors import YieldbotError
from yieldbot.model.text import one_line, printable

TYPE_CHECKING = False  # see yieldbot/__init__.py
if TYPE_CHECKING:
    from typing import Any

    from yieldbot.execution.lock import Held
    from yieldbot.model.settings import Settings

SECRET_ENDINGS = ("RPC_URL", "PASSPHRASE", "PASSWORD", "PRIVATE_KEY", "SECRET", "TOKEN", "API_KEY")
"""Values of environment variables with these endings are hidden in every text."""

LEAST_KEY = 16
"""Fewest characters of a part of a URL that is taken for a key though it has no digit."""
LONGEST_RELAYED = 500
"""Most characters of a line of a process that was started."""


def _keys_in(url: str) -> list[str]:
    """The parts behind a URL's host that may be a key, which services quote without the rest."""
    parts = url.replace("?", "/").replace("&", "/").replace("=", "/").split("/")[3:]
    return [part for part in parts if len(part) >= LEAST_KEY or any(sign.isdigit() for sign in part)]


class Context:
    """The context of one use case: configuration, progress, and how a person is asked for secrets. Progress goes to
    stderr; an interface that shows it elsewhere overrides ``say``."""

    secret: Callable[[str], str] | None = None
    """Asks a person for a secret such as a passphrase; None: nobody can be asked."""

    kept: dict[Any, Any] | None = None
    """Cache of observations by request, so that several use cases share one reading of the chains; None: each reads
    anew."""

    asked_by: str = "terminal"
    """Who called the use case, as written into the journal: ``terminal``, ``schedule``, or an API key as ``key
    NAME``."""

    run_id: str = ""
    """The run's id, if it was chosen before the run began; empty: a new one is made."""

    lock: Held | None = None
    """The lock of runs, while this use case has it."""

    whole: bool = True
    """Whether the tables of chains' files are checked by their adapters when the configuration is read. False for
    commands that read no chain: what they do not use is not checked, and they start in half of the time."""

    def __init__(self, config: Path = Path("yieldbot.toml")) -> None:
        self.verbose = False
        self.config = config
        self._settings: Settings | None = None
        self._began = time.monotonic()

    def use(self, config: Path) -> None:
        """Switch to another configuration."""
        self.config, self._settings = config, None

    def replace(self, settings: Settings) -> None:
        """Use settings that were read again from the same configuration."""
        self._settings = settings

    @contextmanager
    def locked(self, lock: Held) -> Iterator[None]:
        """Know the lock of runs for as long as this lasts."""
        before, self.lock = self.lock, lock
        try:
            yield
        finally:
            self.lock = before

    @property
    def names_config(self) -> bool:
        """Whether another configuration than this folder's is named."""
        return self.config != Path("yieldbot.toml")

    @property
    def program(self) -> str:
        """The command line of this program with the same configuration, for hints that people copy."""
        import shlex

        return f"yieldbot --config {shlex.quote(str(self.config.absolute()))}" if self.names_config else "yieldbot"

    @property
    def settings(self) -> Settings:
        """The configuration, read at first use. Raises ConfigError."""
        if self._settings is None:
            from yieldbot.config.load import load

            self._settings = load(self.config, self.secret, whole=self.whole)
            if self.verbose and not telemetry.is_json():
                telemetry.listen(sys.stderr, self.secrets)
            for line in self._settings.warnings:
                self.complain(line)
        return self._settings

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables: the real environment, and for those it lacks the .env beside the configuration, then
        [secrets] and the encrypted file of secrets."""
        from yieldbot.config.load import environment

        return environment(self.config, self.secret)

    def gives(self, name: str) -> bool:
        """Whether ``environment`` has this variable; no command runs, and nothing is decrypted. Raises ConfigError."""
        from yieldbot.config.load import given_names

        return name in given_names(self.config)

    @property
    def data_dir(self) -> Path:
        """The configured data directory; the default one if the configuration has not been read."""
        return self._settings.data_dir if self._settings else self.config.absolute().parent / ".yieldbot"

    def halt_dir(self) -> Path:
        """The data directory; of a configuration that is not loaded, nothing else is looked at. Raises ConfigError."""
        if self._settings is not None:
            return self._settings.data_dir
        from yieldbot.config.load import data_dir_of, read_toml
        from yieldbot.resources import refuse_if_others_change

        read_toml(self.config)
        found = data_dir_of(self.config)
        refuse_if_others_change(self.config, "the configuration")
        refuse_if_others_change(found, "data_dir")
        return found

    def log_as(self, form: str) -> None:
        """Write every line in this format (``telemetry.FORMATS``, in any case) from now on. Another one is named, and
        lines stay text: how lines look must not keep anybody from halting."""
        if form.lower() == telemetry.JSON:
            telemetry.listen(sys.stderr, self.secrets, telemetry.JSON)
        elif form.lower() != telemetry.TEXT:
            known = " or ".join(telemetry.FORMATS)
            self.complain(f"{telemetry.VARIABLE}={one_line(form, 40)} is not known: write {known}; lines are text")

    def say(self, line: str) -> None:
        """Print a progress line. A closed stderr is ignored: it must not stop what is under way."""
        if telemetry.as_line(printable(line), "info"):
            return
        with contextlib.suppress(OSError, ValueError):
            print(printable(line), file=sys.stderr, flush=True)

    def detail(self, line: str) -> None:
        """Print a progress line if --verbose is set, with the seconds since the start."""
        if self.verbose and not telemetry.as_line(printable(line), "debug"):
            self.say(f"[{time.monotonic() - self._began:z6.2f} s] {line}")

    def complain(self, line: str) -> None:
        """Print an error in one line."""
        if not telemetry.as_line(one_line(line), "error"):
            self.say(f"yieldbot: {one_line(line)}")

    def relay(self, line: str) -> None:
        """Print a line of a process that was started: as it is where both write JSON, else as a progress line."""
        if not telemetry.passed_on(line):
            self.say(one_line(line, LONGEST_RELAYED))

    def waiting(self) -> AbstractContextManager[None]:
        """Context manager around a wait for a person, as at a signing device; a terminal lets Ctrl-C end it at once."""
        return nullcontext()

    def redacted(self, text: str) -> str:
        return telemetry.redacted(text, self.secrets())

    def secrets(self) -> list[str]:
        """The RPC URLs (which may contain providers' keys) and passphrases that this process knows."""
        environment: Mapping[str, str] = os.environ
        from yieldbot.config.load import plain_environment
        from yieldbot.config.secrets import known

        with contextlib.suppress(YieldbotError):
            environment = plain_environment(self.config)
        secrets = [value for name, value in environment.items() if name.upper().endswith(SECRET_ENDINGS)]
        secrets += known()
        secrets += [part for value in known() for part in value.split("/")[3:]]
        if self._settings is not None:
            urls = [url for chain in self._settings.chains.values() for url in (*chain.rpc_urls, *chain.submit_urls)]
            secrets += urls + [part for url in urls for part in url.split("/")[3:]]
            names = [wallet.passphrase_env for wallet in self._settings.wallets.values() if wallet.passphrase_env]
            names += [one.env for channel in self._settings.notices for one in channel.secrets if one.env]
            names += [self._settings.serving.heartbeat_env or "", self._settings.assistance.key_env]
            secrets += [environment.get(name, "") for name in names]
        return [*secrets, *(part for value in secrets if "://" in value for part in _keys_in(value))]
