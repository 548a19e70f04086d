"""A configuration folder that can be halted."""

from __future__ import annotations

from pathlib import Path

from yieldbot.model.ids import Address

OWNER = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
CONFIG = """
schema = 1
data_dir = "data"

[[wallets]]
name = "main"
keystore = "main.json"
address = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
"""


def folder(tmp_path: Path) -> Path:
    (tmp_path / "yieldbot.toml").write_text(CONFIG)
    return tmp_path / "data"
