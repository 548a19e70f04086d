"""Writes a sandbox's folder: the files of a real set-up, with a throw-away key."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path

from yieldbot.model.ids import Address

SCRYPT_WORK = 2**12
"""Far below a real keystore's 2^18: the passphrase is in the same folder, and unlocking must not slow the demo."""


def write_wallet(
    directory: Path,
    create: Callable[[Path, str, int], Address],
    name: str = "main.json",
    passphrase: str = "passphrase",
) -> Address:
    """A new key, encrypted, in keys/``name``, and its passphrase in the same folder, which holds only play money.
    ``create``: makes the family's keystore."""
    (directory / "keys").mkdir(mode=0o700, exist_ok=True)
    keystore, secret = directory / "keys" / name, secrets.token_urlsafe(18)
    keystore.unlink(missing_ok=True)
    write_private(directory / passphrase, secret + "\n")
    return create(keystore, secret, SCRYPT_WORK)


def write_configuration(directory: Path, rpc_url: str, wallet: Address, chain: str) -> None:
    """Write yieldbot.toml, .env and chains/sandbox.toml (with the text ``chain``)."""
    (directory / "chains").mkdir(exist_ok=True)
    (directory / "chains" / "sandbox.toml").write_text(chain)
    write_private(directory / ".env", f"SANDBOX_RPC_URL={rpc_url}\n")
    (directory / "yieldbot.toml").write_text(YIELDBOT_TOML.format(wallet=wallet))


WRITTEN = ".yieldbot.toml.sha256"
"""Holds the hash of yieldbot.toml as last written, to notice a person's changes."""


def as_written(directory: Path) -> None:
    """Record the hash of yieldbot.toml as it is now."""
    (directory / WRITTEN).write_text(sha256((directory / "yieldbot.toml").read_bytes()).hexdigest())


def keep_changed(directory: Path) -> Path | None:
    """Copy yieldbot.toml if it was changed since it was written. Returns the copy; None if it was not changed, does not
    exist, or such a copy exists already."""
    file, written = directory / "yieldbot.toml", directory / WRITTEN
    if not file.is_file():
        return None
    if written.is_file() and sha256(file.read_bytes()).hexdigest() == written.read_text():
        return None
    copies = (directory / f"yieldbot.toml.{number}" for number in count(1))
    for copy in copies:
        if not copy.exists():
            copy.write_bytes(file.read_bytes())
            return copy
        if copy.read_bytes() == file.read_bytes():
            return None
    raise AssertionError("numbers do not end")


def write_private(file: Path, text: str) -> None:
    """Write a file that is created with mode 0600."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


YIELDBOT_TOML = """# A sandbox: real protocols on a local chain, play money, throw-away key.
schema = 1
data_dir = "."

[[wallets]]
name = "main"
address = "{wallet}"
keystore = "keys/main.json"
passphrase_file = "passphrase"

[[jobs]]
wallet = "main"
chain = "sandbox"
asset = "USDC"

[policy]
# Both alike: rates have no history here, and what is said of this market (docs, tests) is over 30 days.
move_horizon_days = 30
enter_horizon_days = 30
max_gas_share_of_gain = 0.5
idle_buffer = "500"
min_position = "1000"
min_move = "100"
max_share_market = 0.5
auto_max_move = "60000"
auto_max_total = "200000"

# Own figures in place of the expected loss that grades state: contracts of three days that one key can change have a
# grade that keeps all money out. Remove this table to see what grades alone do.
[policy.haircut_bps]
aave_v3 = 5
compound_v3 = 10
morpho_blue = 20
erc4626 = 15

[policy.max_share_protocol]
morpho_blue = 0.6
"""
