"""The signer as a process that runs as another user than the server, where the tests run as root."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eth_account import Account

from tests.kit import ROOT
from tests.kit.config.files import SETTINGS, WALLET, written
from tests.kit.signer import ANNA, BEN
from yieldbot.app import approvers
from yieldbot.app.context import Context

SIGNER, SERVER, OTHER = 64_101, 64_102, 64_103
"""Users that no system has: the signer's, the server's, and one who has nothing to do with either."""
PASSPHRASE, PROVIDER = "correct horse battery staple", "key-of-a-provider"
MAY_READ_THE_CHECKOUT = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
"""The checkout of these tests may be in a folder of root's; the signer's own files need no capability."""


@functools.cache
def another_user(uid: int = SIGNER) -> tuple[str, ...]:
    """The words that start a program as a user, with the server's group; skips where that cannot be done."""
    user = ("--reuid", str(uid), "--regid", str(uid), "--groups", str(SERVER))
    words = ("setpriv", *user, *MAY_READ_THE_CHECKOUT)
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("two users: only root can become others, and setpriv (util-linux) starts programs as them")
    if subprocess.run([*words, sys.executable, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip("two users: this container lets nobody give a program to another user")
    return words


class Signing:
    """A signer's folder, owned by its user, and its process."""

    def __init__(self, place: Path, folder: Path) -> None:
        """place: a folder that everybody can reach; folder: the signer's own."""
        self.words = another_user()
        self.folder, self.at, self.log = folder, place / "run" / "signer.sock", place / "log"
        self.key = os.urandom(32)
        text = SETTINGS.replace("[policy]", "[policy]\napprovals_needed = 2")
        text = text.replace(
            'keystore = "keys/main.json"', 'keystore = "keys/main.json"\npassphrase_file = "passphrase"'
        )
        config = written(folder, text, env=f"TESTNET_RPC_URL=http://127.0.0.1:9/{PROVIDER}\n")
        (folder / "keys").mkdir(mode=0o700)
        keystore = json.dumps(Account.encrypt(self.key, PASSPHRASE, kdf="pbkdf2", iterations=1000))
        (folder / "keys" / "main.json").write_text(
            keystore.replace(Account.from_key(self.key).address[2:].lower(), WALLET[2:].lower())
        )
        (folder / "passphrase").write_text(PASSPHRASE)
        for name, person in (("anna", ANNA), ("ben", BEN)):
            approvers.add(approvers.person(name, wallet=str(person.address)), Context(config))
        self.at.parent.mkdir(mode=0o755)
        for one in (self.folder, *self.folder.rglob("*"), self.at.parent):
            os.chown(one, SIGNER, SIGNER)
            if one.is_file():
                one.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What nobody else may see."""
        return self.key, self.key.hex().encode(), PASSPHRASE.encode(), PROVIDER.encode()

    def begin(self) -> int:
        """Start it, and wait until it listens; returns its process id."""
        words = ["--config", str(self.folder / "yieldbot.toml"), "signer", "--socket", str(self.at), "--every", "3600"]
        words += ["--group", str(SERVER), "--allow", str(SERVER)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.words, sys.executable, "-m", "yieldbot.cli.main", *words],
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=self.folder,
                stderr=log,
            )
        until, before = time.monotonic() + 120, self.said().count("the signer listens")
        while self.said().count("the signer listens") == before:
            assert self.process.poll() is None and time.monotonic() < until, self.said()
            time.sleep(0.02)
        return self.process.pid

    def end(self, by: signal.Signals) -> int:
        """Send it a signal, and wait for its end; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(by)
        return self.process.wait(60)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()
