"""A key of one family given where the other's is expected."""

from __future__ import annotations

import json
from pathlib import Path

from solders.keypair import Keypair

from tests.kit.program import yieldbot


def test_a_solana_cli_file_is_known_by_its_form(tmp_path: Path) -> None:
    for name, text in (
        ("id.json", json.dumps(list(bytes(Keypair.from_seed(bytes(32)))))),
        ("words", "several words say"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    words = ("wallet", "import", "x", "--key-file", "id.json", "--passphrase-file", "words", "--keystore", "x.json")
    ended = yieldbot(*words, cwd=tmp_path)
    assert ended.code == 0 and ended.out.startswith(str(Keypair.from_seed(bytes(32)).pubkey()))
    other = yieldbot(*words, "--chain", "evm", cwd=tmp_path)
    assert other.code == 2 and other.line.endswith("add --chain solana")
    assert "7, 7" not in ended.err, "a key is never quoted"
